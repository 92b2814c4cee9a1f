import { Unimplemented } from "@gantry/oci";
export function openSystemd(..._: unknown[]): never {
  throw new Unimplemented("openSystemd");
}
