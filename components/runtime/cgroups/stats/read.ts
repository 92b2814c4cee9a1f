import { Unimplemented } from "@gantry/oci";
export function readStats(..._: unknown[]): never {
  throw new Unimplemented("readStats");
}
