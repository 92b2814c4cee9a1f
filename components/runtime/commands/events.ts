import { Unimplemented } from "@gantry/oci";
export function events(): number { throw new Unimplemented("events"); }
