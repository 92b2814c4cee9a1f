/** From (operation, errno, detail) back to words: what was being done, to what, for which field, and what went wrong. */
import { CAPABILITIES } from "@gantry/oci";
import { errnoText } from "@gantry/sys";
import type { Op, Plan } from "./plan.ts";

/** `linux.sysctl.x: write sysctl x: …`; a mount, whose beginning callers compare, names its field at the end. */
export function explain(plan: Plan, index: number, errno: number, detail: string): string {
  const op = plan.ops[index];
  if (op === undefined) return `launcher: ${detail || errnoText(errno)}`;
  const words = WORDS[op.name];
  const text = words
    ? words(op, errno, detail, plan, index)
    : `${op.name}${argumentText(op)}: ${reason(errno, detail)}`;
  if (op.from === "" || op.name === "exec") return text;
  return words === mounting ? `${text} (${op.from})` : `${op.from}: ${text}`;
}

function reason(errno: number, detail: string): string {
  return detail ? `${detail}: ${errnoText(errno)}` : errnoText(errno);
}

/** The first argument of an operation, if it says something. */
function argumentText(op: Op): string {
  const first = op.args[0];
  return typeof first === "string" && first !== "" ? ` ${first}` : "";
}

type Words = (op: Op, errno: number, detail: string, plan: Plan, index: number) => string;

/** A mount is several operations; whichever fails, the message speaks of the whole. */
const mounting: Words = (op, errno, detail, plan, index) => {
  const own = plan.ops.filter((other) => other.from === op.from);
  const source = own.find((other) => other.name === "clone_tree" || other.name === "new_fs");
  const target =
    plan.ops.slice(index).find((other) => other.from === op.from && other.name === "attach") ??
    own.find((other) => other.name === "attach");
  const what = source?.name === "new_fs" ? source.args[1] : source?.args[0];
  const at =
    op.name === "symlink" || op.name === "late_readonly" || op.name === "remount" ? op.args[0] : target?.args[0];
  return `error mounting "${what}" to rootfs at "${at}": ${STEP[op.name] ?? op.name}: ${reason(errno, detail)}`;
};

const STEP: Readonly<Record<string, string>> = {
  clone_tree: "open source",
  new_fs: "create file system",
  mount_attr: "set mount attributes",
  idmap: "map ids",
  idmap_ns: "map ids",
  copy_up: "copy up",
  attach: "attach",
  remount: "remount",
  late_readonly: "make read-only",
};

const program: Words = (op, errno, detail) => {
  const name = String(op.args[0]);
  const more = detail ? `: ${detail}` : "";
  if (!name.includes("/"))
    return errno === 2
      ? `exec: "${name}": executable file not found in $PATH`
      : `exec: "${name}": ${errnoText(errno)}${more}`;
  return errno === 2 || errno === 20
    ? `exec: "${name}": stat ${name}: ${errnoText(errno)}${more}`
    : `exec: "${name}": ${errnoText(errno)}${more}`;
};

const WORDS: Readonly<Partial<Record<Op["name"], Words>>> = {
  new_fs: mounting,
  clone_tree: mounting,
  clone_null: mounting,
  mount_attr: mounting,
  idmap: mounting,
  idmap_ns: mounting,
  copy_up: mounting,
  attach: mounting,
  remount: mounting,
  find_program: program,
  exec: (_op, errno, detail) => `exec ${detail.replace(/(\n|$)/, (end) => `: ${errnoText(errno)}${end && ": "}`)}`,
  open_ns: (op, errno, detail) => `open namespace ${op.args[1]}: ${reason(errno, detail)}`,
  setns: (_op, errno) => `join namespace: ${errnoText(errno)}`,
  unshare: (_op, errno) => `create namespaces: ${errnoText(errno)}`,
  // cgroups(7): a directory that passes controllers on takes no process (EBUSY), nor does an invalid domain (EOPNOTSUPP).
  fork: (_op, errno) =>
    errno === 16 || errno === 95
      ? `error adding pid of the new process to cgroups: ${errnoText(errno)}`
      : `create process in its namespaces: ${errnoText(errno)}`,
  open_root: (op, errno) => `open rootfs ${op.args[0]}: ${errnoText(errno)}`,
  chdir: (op, errno) => `chdir to cwd ("${op.args[0]}") set in config.json failed: ${errnoText(errno)}`,
  cwd_inside: (_op, errno, detail) => reason(errno, detail),
  mknod: (op, errno, detail) => `error creating device ${op.args[0]}: ${reason(errno, detail)}`,
  hook: (op, _errno, detail) =>
    `error running ${hookName(op.from)}: ${detail.replace(/^signal: [^,]*/, (text) => text.toLowerCase())}`,
  write_file: (op, errno) => `write ${String(op.args[1]).trim()} to ${op.args[0]}: ${errnoText(errno)}`,
  sysctl: (op, errno) => `write sysctl ${op.args[0]}: ${errnoText(errno)}`,
  ambient: (_op, errno, detail) => `can't raise ambient capability ${capabilityName(detail)}: ${errnoText(errno)}`,
  scheduler: (_op, errno) =>
    errno === 1 || errno === 16
      ? `setting scheduler properties: process scheduler can't be used together with AllowedCPUs: ${errnoText(errno)}`
      : `setting scheduler properties: ${errnoText(errno)}`,
};

/** `hooks.createContainer[1]` → `createContainer hook #1`. */
function hookName(from: string): string {
  const match = /^hooks\.(\w+)\[(\d+)\]$/.exec(from);
  return match ? `${match[1]} hook #${match[2]}` : "hook";
}

function capabilityName(number: string): string {
  return CAPABILITIES[Number(number)] ?? number;
}
