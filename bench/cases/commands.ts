/** Commands on a running container, and those that need none. */
import type { Case } from "../case.ts";
import { running } from "./container.ts";

/** A command whose arguments follow from the id of a running container. */
function onContainer(name: string, title: string, args: (id: string) => readonly string[]): Case {
  return {
    name,
    title,
    unit: "ms",
    async open(subject, stand) {
      const container = await running(subject, stand);
      return {
        sample: async () => (await stand.timer.time([...subject.command, ...args(container.id)])).wallMs,
        [Symbol.asyncDispose]: () => container[Symbol.asyncDispose](),
      };
    },
  };
}

export const exec = onContainer("exec", "exec of true in a running container", (id) => ["exec", id, "true"]);
export const state = onContainer("state", "state of a running container", (id) => ["state", id]);
// SIGCONT: delivered like any other, and the container goes on.
export const kill = onContainer("kill", "kill: a signal to a running container", (id) => ["kill", id, "CONT"]);
export const list = onContainer("list", "list, with one container", () => ["list"]);

export const features: Case = {
  name: "features",
  title: "features: the start of the program and little more",
  unit: "ms",
  open: async (subject, { timer }) => ({
    sample: async () => (await timer.time([...subject.command, "features"])).wallMs,
    async [Symbol.asyncDispose]() {},
  }),
};
