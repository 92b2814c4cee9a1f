/**
 * Builds the C parts into build/: ops.h (generated from the operation table), the static launcher, and the Node-API
 * addon that carries it. Does nothing when no input changed.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { OP_NAMES, OPS, PLAN_VERSION } from "../components/runtime/plan/ops.ts";

const root = join(import.meta.dir, "..");
const build = join(root, "build");
const launcherDir = join(root, "native/launcher");
const sysDir = join(root, "native/sys");

/** Flags that both parts share: warnings are errors, and the hardening expected of privileged C. */
const COMMON = [
  "-std=gnu11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wshadow",
  "-Wformat=2",
  "-Wno-format-truncation",
  "-fstack-protector-strong",
  "-fstack-clash-protection",
  "-fcf-protection",
  "-fno-strict-aliasing",
  "-Wl,-z,relro",
  "-Wl,-z,now",
  "-Wl,-z,noexecstack",
  "-Wl,--build-id=none",
  "-Wl,--gc-sections",
  "-ffunction-sections",
];

function sources(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(dir, name));
}

function digest(files: readonly string[], extra = ""): string {
  const hash = createHash("sha256").update(extra);
  for (const file of files) hash.update(basename(file)).update(readFileSync(file));
  return hash.digest("hex");
}

/** The header that ties both sides of the plan format together. The hash covers the table and the launcher's source. */
function operationsHeader(hash: string): string {
  const rows = OP_NAMES.map((name) => `  OP(${name}, "${OPS[name]}")`).join(" \\\n");
  const codes = OP_NAMES.map((name) => `OP_${name}`).join(", ");
  return [
    "/* Generated from components/runtime/plan/ops.ts. */",
    `#define PLAN_VERSION ${PLAN_VERSION}u`,
    `#define PLAN_HASH 0x${hash.slice(0, 16)}ull`,
    `#define OPERATIONS(OP) \\\n${rows}`,
    `enum { ${codes}, OP_COUNT };`,
    "",
  ].join("\n");
}

function run(argv: string[]): void {
  const result = Bun.spawnSync(argv, { cwd: root, stdout: "inherit", stderr: "inherit" });
  if (result.exitCode !== 0) throw new Error(`${argv[0]} failed with status ${result.exitCode}: ${argv.join(" ")}`);
}

/** One line of output of the compiler, such as the place of a file. */
function ask(argv: string[]): string {
  return Bun.spawnSync(argv).stdout.toString().trim();
}

/**
 * The compiler and the arguments that make a static, position-independent program. musl makes a launcher of a tenth of
 * the size; a static glibc does as well. Debian's musl-gcc knows no -static-pie, so its parts are named one by one.
 */
function staticCompiler(): { compiler: string[]; before: string[]; after: string[] } {
  const triple = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux`;
  const musl = `/usr/lib/${triple}-musl`;
  if (!Bun.which("musl-gcc")) return { compiler: ["cc"], before: ["-static-pie"], after: [] };
  return {
    compiler: ["musl-gcc", "-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}-gnu`],
    before: [
      "-static",
      "-nostartfiles",
      "-Wl,-pie",
      "-Wl,--no-dynamic-linker",
      "-Wl,-z,text",
      `${musl}/rcrt1.o`,
      `${musl}/crti.o`,
      ask(["cc", "-print-file-name=crtbeginS.o"]),
    ],
    after: [ask(["cc", "-print-file-name=crtendS.o"]), `${musl}/crtn.o`],
  };
}

/** Everything is built in a folder of its own and moved into place at the end: half a build is never seen. */
function main(): void {
  const launcherSources = sources(launcherDir);
  const table = JSON.stringify(OPS);
  const hash = digest(launcherSources, `${PLAN_VERSION}${table}`);
  const stamp = digest(
    [...launcherSources, ...sources(sysDir), import.meta.path],
    `${table}${JSON.stringify(staticCompiler())}`,
  );
  const stampFile = join(build, "native.stamp");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  const fresh = join(build, `.new-${process.pid}`);
  mkdirSync(fresh, { recursive: true });
  try {
    writeFileSync(join(fresh, "ops.h"), operationsHeader(hash));
    writeFileSync(join(fresh, "plan-hash.ts"), `export const PLAN_HASH = 0x${hash.slice(0, 16)}n;\n`);
    buildLauncher(fresh, launcherSources);
    buildAddon(fresh);
    for (const name of ["ops.h", "plan-hash.ts", "launcher", "sys.node"])
      renameSync(join(fresh, name), join(build, name));
    writeFileSync(stampFile, stamp);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function buildLauncher(folder: string, files: readonly string[]): void {
  const { compiler, before, after } = staticCompiler();
  const launcher = join(folder, "launcher");
  run([
    ...compiler,
    ...COMMON,
    "-fPIE",
    `-I${folder}`,
    "-o",
    launcher,
    ...before,
    ...files.filter((f) => f.endsWith(".c")),
    ...after,
  ]);
  run(["strip", launcher]);
}

function buildAddon(folder: string): void {
  const addon = join(folder, "sys.node");
  const headers = join(root, "node_modules/node-api-headers/include");
  const files = sources(sysDir).filter((f) => f.endsWith(".c"));
  run([
    "cc",
    ...COMMON,
    "-shared",
    "-fPIC",
    "-D_FORTIFY_SOURCE=2",
    `-I${headers}`,
    `-DLAUNCHER_PATH="${join(folder, "launcher")}"`,
    "-o",
    addon,
    ...files,
  ]);
  run(["strip", addon]);
}

main();
