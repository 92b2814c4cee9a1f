/** config.md, "Mounts". The broken one is `mounts[7]`. */
import { map, mount, NUL, type Row, user } from "./change.ts";

const AT = "mounts[7]";

// biome-ignore format: a table
export const MOUNTS: readonly Row[] = [
  ["no destination", (c) => mount(c, { destination: undefined }), `${AT}.destination`],
  ["mount on /", (c) => mount(c, { destination: "/" }), `${AT}.destination`, "on the top of rootfs"],
  ["mount on nothing", (c) => mount(c, { destination: "" }), `${AT}.destination`, "on the top of rootfs"],
  ["mount on /..", (c) => mount(c, { destination: "/a/../.." }), `${AT}.destination`, "on the top of rootfs"],
  ["mount in /proc", (c) => mount(c, { destination: "/proc/self" }), `${AT}.destination`, "cannot be mounted because it is inside /proc"],
  ["mount in /proc by detour", (c) => mount(c, { destination: "/tmp/..//proc/./sys" }), `${AT}.destination`, "inside /proc"],
  ["mount in /proc from above", (c) => mount(c, { destination: "/../../proc/sys" }), `${AT}.destination`, "inside /proc"],
  ["mount in relative proc", (c) => mount(c, { destination: "proc/1" }), `${AT}.destination`, "inside /proc"],
  ["tmpfs on /proc", (c) => mount(c, { destination: "/proc", type: "tmpfs", options: [] }), `${AT}.destination`, "not of type proc"],
  ["bind without source", (c) => mount(c, { source: undefined }), `${AT}.source`],
  ["type bind without option", (c) => mount(c, { type: "bind", options: ["ro"] }), `${AT}.options`, '"rbind"'],
  ["no type", (c) => mount(c, { options: ["ro"] }), `${AT}.type`],
  ["slip in an option", (c) => mount(c, { options: ["rbind", "rslve"] }), `${AT}.options[1]`, 'unknown option "rslve"; did you mean "rslave"?'],
  ["data on a bind", (c) => mount(c, { options: ["bind", "size=4k"] }), `${AT}.options[1]`, "bind mounts cannot have any filesystem-specific options applied"],
  ["option named like a method", (c) => mount(c, { options: ["bind", "constructor"] }), `${AT}.options[1]`, "unknown option"],
  ["NUL in a source", (c) => mount(c, { source: NUL }), `${AT}.source`, "NUL"],
  ["NUL in a destination", (c) => mount(c, { destination: `/${NUL}` }), `${AT}.destination`, "NUL"],
  ["NUL in a type", (c) => mount(c, { type: NUL }), `${AT}.type`, "NUL"],
  ["NUL in an option", (c) => mount(c, { options: ["bind", NUL] }), `${AT}.options[1]`, "NUL"],
  ["idmap of a tmpfs", (c) => mount(user(c), { type: "tmpfs", options: ["idmap"] }), AT, "id-mapped mounts are only supported for bind-mounts"],
  ["idmap without maps", (c) => mount(c, { options: ["bind", "idmap"] }), `${AT}.uidMappings`, "must have both uid and gid mappings specified"],
  ["ridmap without maps", (c) => mount(c, { options: ["rbind", "ridmap"] }), `${AT}.uidMappings`, "must have both uid and gid mappings specified"],
  ["uid map alone", (c) => mount(c, { uidMappings: [map(0, 1, 1)] }), `${AT}.gidMappings`, "must have both"],
  ["gid map alone", (c) => mount(user(c), { gidMappings: [map(0, 1, 1)] }), `${AT}.uidMappings`, "must have both"],
  ["empty range in a map", (c) => mount(c, { uidMappings: [map(0, 1, 0)], gidMappings: [map(0, 1, 1)] }), `${AT}.uidMappings[0].size`],
  ["idmap= of rubbish", (c) => mount(c, { options: ["bind", "idmap=uids=1"] }), `${AT}.options`],
];
