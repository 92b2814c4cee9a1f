/** The import rules of the house: who may use whom. `test/imports.test.ts` holds the tree against them. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { COMPONENTS, ROOT } from "./layout.ts";

const SPECIFIER = /\bfrom\s+"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"|\brequire\(\s*"([^"]+)"\)/g;
/** What code without input and output has no use for. */
const IO = /^(bun|bun:sqlite|(node:)?(fs|net|http|http2|https|child_process|dgram|tls|worker_threads|dns)(\/.*)?)$/;

/** The specifiers that a source file imports, type imports included; lines of comments are left out. */
export function imports(source: string): string[] {
  const code = source.replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  return [...code.matchAll(SPECIFIER)].map(([, from, bare, required]) => (from ?? bare ?? required)!);
}

/** The unit that a path belongs to: a component, an api, or a top-level folder. */
function unit(path: string): string {
  const [top, name] = path.split("/");
  return top === "components" || top === "apis" ? `${top}/${name}` : top!;
}

const isTest = (path: string) => /\.test\.tsx?$/.test(path) || path.includes("/test/") || path.startsWith("test/");
const layer = (name: string) => (COMPONENTS as readonly string[]).indexOf(name);

/** Dependencies that the package of `path` declares; tests may use those of the workspace besides. */
export function declared(path: string): Set<string> {
  const read = (file: string) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(join(ROOT, file), "utf8"));
    return Object.keys({ ...dependencies, ...devDependencies });
  };
  const home = unit(path);
  const own = ["scripts", "test"].includes(home) ? [] : read(`${home}/package.json`);
  return new Set(isTest(path) || own.length === 0 ? [...own, ...read("package.json")] : own);
}

/** Why a file at `path` may not import a file by its path, or undefined when it may. */
function relative(path: string, specifier: string): string | undefined {
  const target = normalize(join(dirname(path), specifier));
  const [from, to] = [unit(path), unit(target)];
  if (from === to || to === "build") return undefined; // build/ holds what is generated
  if (to === "gantry") return "nothing imports gantry/";
  if (from === "scripts") return undefined; // they run before there is anything installed
  if (isTest(target) && isTest(path)) return undefined; // what tests share
  if (to === "scripts" && from === "test") return undefined;
  return `${to} is imported through its package name only`;
}

/** Whether the component offers `subpath` in the exports of its package. */
function offers(component: string, subpath: string): boolean {
  const { exports } = JSON.parse(readFileSync(join(ROOT, `components/${component}/package.json`), "utf8"));
  return Object.hasOwn(Object(exports), `./${subpath}`);
}

/** Why the unit `from` may not use the package `name` of ours, or undefined when it may. */
function ours(from: string, name: string): string | undefined {
  const [, component = "", ...rest] = name.split("/");
  if (rest.length > 0 && !offers(component, rest.join("/"))) {
    return `only the public face @gantry/${component} may be imported`;
  }
  const [kind, self = ""] = from.split("/");
  if (kind !== "components") return undefined;
  if (self === "oci" || self === "sys") return `${self} imports nothing of ours`;
  if (layer(component) === -1) return `@gantry/${component} is no component`;
  if (layer(component) >= layer(self)) return `${self} may only import components above it`;
  return undefined;
}

/** Every rule that the file at `path` breaks with its imports, one line each. */
export function violations(path: string, specifiers: readonly string[], dependencies: ReadonlySet<string>): string[] {
  const from = unit(path);
  const test = isTest(path);
  const reason = (specifier: string): string | undefined => {
    if (specifier.startsWith(".")) return relative(path, specifier);
    if (from === "components/oci" && !test && IO.test(specifier)) return "oci does no input or output";
    if (/^(node|bun):/.test(specifier) || specifier === "bun") return undefined;
    if (specifier === "gantry" || specifier.startsWith("gantry/")) return "nothing imports gantry/";
    if (from.startsWith("apis/") && specifier.startsWith("@gantry/api-")) return "an api never imports another api";
    const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
    if (test && name === `@gantry/${from.split("/")[1]}`) return undefined; // a test may be a user
    const forbidden = specifier.startsWith("@gantry/") ? ours(from, specifier) : undefined;
    if (forbidden) return forbidden;
    const workspace = ["scripts", "test"].includes(from) && name.startsWith("@gantry/");
    return dependencies.has(name) || workspace ? undefined : `${name} is not in the dependencies of ${from}`;
  };
  return specifiers.flatMap((specifier) => {
    const broken = reason(specifier);
    return broken ? [`${path}: "${specifier}": ${broken}`] : [];
  });
}
