import { Unimplemented } from "@gantry/oci";
export function moveNetDevices(_devices: unknown, _pid: number): void { throw new Unimplemented("linux.netDevices"); }
