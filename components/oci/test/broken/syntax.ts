/** Not JSON, or not an object: the message names the file and, where there is one, the line and column. */
import type { BrokenConfig } from "./change.ts";

// biome-ignore format: a table
const TEXTS: readonly (readonly [name: string, config: string, field: string, says?: string])[] = [
  ["an empty file", "", "config.json:1:1", "the end of the text"],
  ["blanks alone", " \n ", "config.json:2:2"],
  ["a comma at the end", '{\n  "ociVersion": "1.0.0",\n}', "config.json:3:1", "a comma before"],
  ["a comma at the end of an array", '{"mounts": [1,]}', "config.json:1:15"],
  ["a missing comma", '{"a": 1\n "b": 2}', "config.json:2:2", 'after the value of "a"'],
  ["a missing colon", '{"a" 1}', "config.json:1:6"],
  ["single quotes", "{'a': 1}", "config.json:1:2", "a name in double quotes"],
  ["a name without quotes", "{a: 1}", "config.json:1:2"],
  ["an open object", '{"a": 1', "config.json:1:8", "the end of the text"],
  ["an open string", '{"a": "b', "config.json:1:7", "a string that does not end"],
  ["a line break in a string", '{"a": "b\n"}', "config.json:1:9", "control character"],
  ["an unknown escape", '{"a": "\\x"}', "config.json:1:8"],
  ["a comment", '{ // hello\n"a": 1}', "config.json:1:3"],
  ["NaN", '{"a": NaN}', "config.json:1:7"],
  ["a leading zero", '{"a": 0644}', "config.json:1:8", "begins with 0"],
  ["a plus", '{"a": +1}', "config.json:1:7"],
  ["a number beyond every type", '{"ociVersion": 1e400}', "ociVersion"],
  ["something behind", "{} {}", "config.json:1:4", "after the end"],
  ["a byte order mark", "\uFEFF{}", "config.json:1:1", "byte order mark"],
  ["thousands of brackets", `{"a": ${"[".repeat(5000)}`, "config.json:1:1006", "deeper"],
  ["null", "null", "config.json", "config cannot be null"],
  ["an array", "[]", "config.json", "must be a JSON object"],
  ["a string", '"x"', "config.json", "must be a JSON object"],
  ["a number", "7", "config.json", "must be a JSON object"],
];

export const SYNTAX: readonly BrokenConfig[] = TEXTS.map(([name, config, field, says]) => ({
  name,
  config,
  field,
  ...(says !== undefined && { says }),
}));
