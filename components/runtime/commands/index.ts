/** runc's command line. */
export { main } from "./main.ts";
