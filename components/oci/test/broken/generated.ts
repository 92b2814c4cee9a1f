/** Configurations broken by the tables of `schema.ts`: wrong types, values out of range, missing fields. */
import type { IntegerKind, Kind } from "../../kinds.ts";
import { SPEC } from "../../schema.ts";
import { type BrokenConfig, goodConfig, toText } from "./change.ts";

type Step = string | number;
type Path = readonly Step[];

/** Every field of the tables; arrays stand with their first element, maps with the key `some.key`. */
function* fieldsOf(kind: Kind, path: Path = []): Generator<{ path: Path; kind: Kind }> {
  if (path.length > 0 && kind.is !== "ignored") yield { path, kind };
  if (kind.is === "object") for (const name in kind.fields) yield* fieldsOf(kind.fields[name]!, [...path, name]);
  if (kind.is === "array") yield* fieldsOf(kind.of, [...path, 0]);
  if (kind.is === "map") yield* fieldsOf(kind.of, [...path, "some.key"]);
}

/** A good configuration with `value` at `path`; what is missing on the way is made minimal. undefined removes the field. */
function withValue(path: Path, value: unknown): string {
  const root = goodConfig();
  let at: Record<Step, unknown> = root;
  let kind: Kind = SPEC;
  for (const step of path.slice(0, -1)) {
    kind = innerKind(kind, step);
    at[step] ??= minimal(kind);
    at = at[step] as Record<Step, unknown>;
  }
  at[path.at(-1)!] = value;
  return toText(root);
}

function innerKind(kind: Kind, step: Step): Kind {
  if (kind.is === "object") return kind.fields[step]!;
  return (kind as { readonly of: Kind }).of;
}

/** The least value that the tables take. */
function minimal(kind: Kind): unknown {
  if (kind.is === "object") return Object.fromEntries(kind.required.map((name) => [name, minimal(kind.fields[name]!)]));
  return { string: "x", boolean: true, integer: 1, array: [], map: {}, ignored: {} }[kind.is];
}

function pathText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (step === "some.key") return `${text}["some.key"]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** Some of the values that the field may not have. */
function wrongValues(kind: Kind): readonly (readonly [what: string, value: unknown])[] {
  const number = ["a number", 7] as const;
  const text = ["a string", "true"] as const;
  const array = ["an array", []] as const;
  switch (kind.is) {
    case "string":
      return [number, ["an object", {}]];
    case "boolean":
      return [text];
    case "integer":
      return [["a string of digits", "1"], ["a fraction", 1.5], ...outOfRange(kind)];
    case "array":
      return [text];
    default:
      return [array];
  }
}

function outOfRange({ min, max }: IntegerKind): readonly (readonly [string, bigint])[] {
  return [max + 1n, min - 1n].map((value) => [String(value), value] as const);
}

function* generate(): Generator<BrokenConfig> {
  for (const { path, kind } of fieldsOf(SPEC)) {
    const field = pathText(path);
    for (const [what, value] of wrongValues(kind))
      yield { name: `${field} is ${what}`, config: withValue(path, value), field };
    if (kind.is === "array")
      yield { name: `${field} has a null`, config: withValue([...path, 0], null), field: `${field}[0]` };
    if (kind.is !== "object") continue;
    for (const name of kind.required) {
      // A filter without rules and default action is no filter, as for runc.
      if (field === "linux.seccomp") continue;
      const config = withValue([...path, name], undefined);
      yield { name: `${field}.${name} is missing`, config, field: `${field}.${name}` };
    }
  }
}

export const GENERATED: readonly BrokenConfig[] = [...generate()];
