/** The environment of the program; runtime-spec, config.md, "process.env". */
/** The last of several values wins; HOME is set when nobody did. */
export function environment(env: readonly string[], extra: readonly string[], home: string): string[] {
  const values = new Map<string, string>();
  for (const entry of [...env, ...extra]) {
    const name = entry.slice(0, entry.indexOf("="));
    values.set(name, entry);
  }
  if (!values.has("HOME") || values.get("HOME") === "HOME=") values.set("HOME", `HOME=${home}`);
  return [...values.values()];
}
