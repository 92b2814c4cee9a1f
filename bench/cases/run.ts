/** `run` of `true`: the whole life of a container, seen from outside. */
import { join } from "node:path";
import type { Case } from "../case.ts";

export const run: Case = {
  name: "run",
  title: "run of true, from the call to its return",
  unit: "ms",
  floor: true,
  async open(subject, { timer, bundle, freshId }) {
    const argv = () =>
      subject.isFloor
        ? [...subject.command, join(bundle, "../rootfs"), "/bin/true"]
        : [...subject.command, "run", "--bundle", bundle, freshId()];
    return {
      sample: async () => (await timer.time(argv())).wallMs,
      async [Symbol.asyncDispose]() {},
    };
  },
};
