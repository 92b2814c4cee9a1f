/** Plans for people: each operation with its arguments and the field it came from. */
import type { Prepared } from "../prepare.ts";
import { disassemble } from "../seccomp/index.ts";
import { OPS } from "./ops.ts";
import type { Op } from "./plan.ts";

interface Row {
  readonly where: "runtime" | "launcher";
  readonly op: string;
  readonly args: readonly string[];
  readonly from: string;
}

function rows({ plan, writes, cgroup, facts }: Prepared): Row[] {
  const list: Row[] = Object.entries(cgroup.paths).map(([controller, path]) => ({
    where: "runtime",
    op: "cgroup",
    args: [controller || "unified", path],
    from: "linux.cgroupsPath",
  }));
  for (const op of plan.ops) {
    // Limits are written when the launcher says that it is ready, or stops for hooks.
    if (op.name === "sync" && (op.args[0] === 4 || op.args[0] === 5) && !list.some((row) => row.op === "write"))
      for (const write of writes)
        list.push({
          where: "runtime",
          op: "write",
          args:
            write.kind === "file"
              ? [`${write.controller}/${write.file}`, write.value]
              : [write.controller, "device rules"],
          from: write.from,
        });
    list.push({ where: "launcher", op: op.name, args: argumentsOf(op, facts), from: op.from });
  }
  return list;
}

function argumentsOf(op: Op, facts: Prepared["facts"]): string[] {
  if (op.name === "seccomp")
    return [`flags=${op.args[0]}`, ...disassemble(op.args[1] as Uint8Array, facts.seccomp.arch)];
  return op.args.map((value, i) => {
    if (typeof value === "string") return JSON.stringify(value);
    if (value instanceof Uint8Array) return `<${value.length} bytes>`;
    if (typeof value === "object") return `[${value.map((item) => JSON.stringify(item)).join(" ")}]`;
    return OPS[op.name][i] === "u" && value > 9 ? `0x${value.toString(16)}` : String(value);
  });
}

export function formatPlan(prepared: Prepared): string {
  const list = rows(prepared);
  const width = Math.max(...list.map((row) => row.from.length));
  return list
    .map(
      ({ from, where, op, args }) =>
        `${from.padEnd(width)}  ${where === "runtime" ? "·" : " "} ${op} ${args.join(op === "seccomp" ? "\n".padEnd(width + 7) : " ")}`,
    )
    .join("\n");
}

export function planJson(prepared: Prepared): string {
  return JSON.stringify(rows(prepared), null, 2);
}
