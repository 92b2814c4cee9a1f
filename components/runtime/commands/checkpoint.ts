import { Unimplemented } from "@gantry/oci";
export function checkpoint(): number { throw new Unimplemented("checkpoint"); }
export function restore(): number { throw new Unimplemented("restore"); }
