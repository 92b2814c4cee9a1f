/** The commands that an engine calls one after the other: create, start, delete; each alone, and their sum. */
import type { Case, Stand } from "../case.ts";
import type { Subject } from "../subjects.ts";
import { ended } from "./container.ts";

interface Times {
  readonly create: number;
  readonly start: number;
  readonly delete: number;
}

async function live(subject: Subject, { timer, bundle, freshId }: Stand): Promise<Times> {
  const id = freshId();
  const pidFile = `${bundle}/${id}.pid`;
  const time = async (...args: string[]) => (await timer.time([...subject.command, ...args, id])).wallMs;
  const create = await time("create", "--bundle", bundle, "--pid-file", pidFile);
  const start = await time("start");
  await ended(pidFile);
  return { create, start, delete: await time("delete") };
}

function part(name: string, title: string, pick: (times: Times) => number): Case {
  return {
    name,
    title,
    unit: "ms",
    open: async (subject, stand) => ({
      sample: async () => pick(await live(subject, stand)),
      async [Symbol.asyncDispose]() {},
    }),
  };
}

export const lifecycle = part("lifecycle", "create + start + delete", (t) => t.create + t.start + t.delete);
export const create = part("create", "create, until the container waits to be started", (t) => t.create);
export const start = part("start", "start of a created container", (t) => t.start);
export const remove = part("delete", "delete of a stopped container", (t) => t.delete);
