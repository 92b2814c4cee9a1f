import { Unimplemented } from "@gantry/oci";
export function update(): number { throw new Unimplemented("update"); }
