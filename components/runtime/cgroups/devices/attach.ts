import { Unimplemented } from "@gantry/oci";
export function attachRules(..._: unknown[]): never {
  throw new Unimplemented("attachRules");
}
