import { Unimplemented } from "@gantry/oci";
export function updateWrites(..._: unknown[]): never {
  throw new Unimplemented("updateWrites");
}
