/**
 * Loads the addon from the build folder. In the executable this file is replaced by embedded.ts, see scripts/build.ts.
 *
 * @returns the exports of the addon, untyped: native.ts says what they are.
 */
export function loadAddon(): unknown {
  return require("../../build/sys.node");
}
