/** The executable. Called as `runc` or `gantry-runc` it is the runtime's command line; else the first word names a component. */
import { baseName, exitNow, printError } from "@gantry/sys";

/** In a compiled executable argv is [runtime, script, …]; the name we were called by is in argv0. */
function main(): number | Promise<number> {
  const called = baseName(process.argv0);
  const argv = process.argv.slice(2);
  if (called === "runc" || called === "gantry-runc") return runtime("runc", argv);
  const [component, ...rest] = argv;
  if (component === "runc" || component === "runtime") return runtime("runc", rest);
  if (component === "--version" || component === "-v" || component === "version")
    return runtime("gantry", ["--version"]);
  printError("usage: gantry runc COMMAND …\n\nComponents:\n   runc   OCI runtime, with the command line of runc\n");
  return component === undefined || component === "--help" || component === "help" ? 0 : 1;
}

function runtime(program: string, argv: readonly string[]): number | Promise<number> {
  const commands = require("@gantry/runtime/commands") as typeof import("@gantry/runtime/commands");
  return commands.main(program, argv);
}

function leave(status: number): never {
  // The build asks which functions a start uses; that is written on the ordinary way out.
  if (process.env["BUN_BYTECODE_ORDER_OUT"]) process.exit(status);
  exitNow(status);
}

const status = main();
if (typeof status === "number") leave(status);
else status.then(leave);
