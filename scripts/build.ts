/**
 * Builds dist/gantry: one executable with the runtime, our code as bytecode, and the addon inside. What each setting is
 * worth is measured in bench/README.md.
 */
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
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

mkdirSync(join(ROOT, "dist"), { recursive: true });
const result = await Bun.build({
  entrypoints: [join(ROOT, "gantry/main.ts")],
  target: "bun",
  format: "esm",
  minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
  bytecode: true,
  sourcemap: "none",
  plugins: [embedAddon],
  compile: {
    outfile: `${outfile}.new`,
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
// Renamed into place: the file may be running, and a half-written one must never be called.
renameSync(`${outfile}.new`, outfile);
console.log(`dist/gantry: ${(statSync(outfile).size / 1e6).toFixed(0)} MB`);
