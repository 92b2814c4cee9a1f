/**
 * Builds dist/gantry: one executable with the runtime, our code as bytecode, and the addon inside. What each setting is
 * worth is measured in bench/README.md.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "@gantry/oci";
import type { BunPlugin } from "bun";
import { ROOT } from "./layout.ts";

const outfile = join(ROOT, "dist/gantry");

/** The executable loads its addon from itself, not from the build folder. */
const embedAddon: BunPlugin = {
  name: "embed the addon",
  setup(build) {
    build.onResolve({ filter: /^\.\/load\.ts$/ }, ({ importer }) =>
      importer.endsWith("/components/sys/native.ts") ? { path: join(ROOT, "components/sys/embedded.ts") } : undefined,
    );
  },
};

/** Builds into `to`; `order` is a profile that puts the code of a start together at the front. */
async function build(to: string, order?: string): Promise<void> {
  const result = await Bun.build({
    entrypoints: [join(ROOT, "gantry/main.ts")],
    target: "bun",
    format: "esm",
    // What a command does not need is not even looked at.
    splitting: true,
    minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
    bytecode: true,
    ...(order && { bytecodeOrder: order }),
    sourcemap: "none",
    plugins: [embedAddon],
    compile: {
      outfile: to,
      // Nothing that lies about in the working directory may change what a container runtime does.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      // A command is over before compiled code could pay off, and the compiler's threads cost more than half a millisecond.
      jitPolicy: 100,
    },
  });
  for (const message of result.logs) console.error(message);
  if (!result.success) process.exit(1);
}

/** Which functions a start uses: written by the executable itself while it compiles a plan, which needs no privilege. */
function profile(executable: string, folder: string): string {
  const order = join(folder, "order");
  const [euid, egid] = [process.geteuid!(), process.getegid!()];
  const spec = defaultSpec({ rootless: euid !== 0, euid, egid, cgroupV2: false });
  mkdirSync(join(folder, "rootfs"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  const result = Bun.spawnSync([executable, "runc", "plan", "--bundle", folder, "profile"], {
    env: { ...process.env, BUN_BYTECODE_ORDER_OUT: order },
    stderr: "pipe",
  });
  if (result.exitCode !== 0) throw new Error(`the start could not be profiled: ${result.stderr}`);
  return order;
}

const folder = mkdtempSync(join(tmpdir(), "gantry-build-"));
try {
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  await build(`${outfile}.new`);
  await build(`${outfile}.new`, profile(`${outfile}.new`, folder));
  // Renamed into place: the file may be running, and a half-written one must never be called.
  renameSync(`${outfile}.new`, outfile);
  console.log(`dist/gantry: ${(statSync(outfile).size / 1e6).toFixed(0)} MB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
