import { Unimplemented } from "@gantry/oci";
export function oomKills(..._: unknown[]): never {
  throw new Unimplemented("oomKills");
}
