/** Device rules → DeviceAllow of a unit. systemd knows lists of what is allowed, no exceptions to them. Pure. */
import { deviceList } from "../devices/list.ts";
import type { DeviceRule } from "../devices/rules.ts";
import type { Property } from "./annotations.ts";
import type { Value } from "./wire.ts";

const KINDS: Readonly<Record<string, string>> = { b: "block", c: "char" };

/**
 * What systemd cannot express is left out: our own filter, which is put into force afterwards, has it. An empty list comes
 * first, since a list adds to what is there.
 */
export function deviceProperties(rules: readonly DeviceRule[]): Property[] {
  const list = deviceList(withoutHoles(rules));
  const allowAll = list.allowByDefault && list.exceptions.size === 0;
  const clear = property("DeviceAllow", "a(ss)", []);
  if (allowAll) return [clear, property("DevicePolicy", "s", "auto")];
  const entries: Value[] = [];
  if (!list.allowByDefault)
    for (const [key, access] of list.exceptions) {
      const path = devicePath(key);
      if (path !== undefined) entries.push([path, letters(access)]);
    }
  return [clear, property("DevicePolicy", "s", "strict"), property("DeviceAllow", "a(ss)", entries)];
}

/** Denials inside of wildcards are our own filter's business as well. */
function withoutHoles(rules: readonly DeviceRule[]): readonly DeviceRule[] {
  const last = rules.findLastIndex((rule) => rule.type === "a");
  return rules.filter((rule, i) => i <= last || rule.allow || rules[last]?.allow === true);
}

function property(name: string, signature: string, value: Value): Property {
  return { name, value: { signature, value } };
}

/** `c 1:3` → `/dev/char/1:3`, `c 136:*` → `char-136`, `c *:*` → `char-*`; any major with one minor has no name. */
function devicePath(key: string): string | undefined {
  const [type = "", numbers = ""] = key.split(" ");
  const [major, minor] = numbers.split(":");
  const kind = KINDS[type];
  if (minor !== "*") return major === "*" ? undefined : `/dev/${kind}/${numbers}`;
  return `${kind}-${major}`;
}

function letters(access: number): string {
  return (access & 2 ? "r" : "") + (access & 4 ? "w" : "") + (access & 1 ? "m" : "");
}
