/**
 * Mount options and what each one does; runtime-spec, config.md, "Linux mount options", in its alphabetical order by group.
 * What is in no table is data of the filesystem and handed to it as it stands.
 */

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_I_VERSION = 1 << 23;
export const MS_STRICTATIME = 1 << 24;
export const MS_LAZYTIME = 1 << 25;

export const MOUNT_ATTR_RDONLY = 0x01;
export const MOUNT_ATTR_NOSUID = 0x02;
export const MOUNT_ATTR_NODEV = 0x04;
export const MOUNT_ATTR_NOEXEC = 0x08;
export const MOUNT_ATTR__ATIME = 0x70;
export const MOUNT_ATTR_RELATIME = 0x00;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_IDMAP = 0x00100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x00200000;

/**
 * `set`/`clear`: `MS_*` of this mount. `propagation`: `MS_*` of a call after the mount. `attribute`: `MOUNT_ATTR_*` of the
 * whole tree below. `extension`: ours to carry out, the kernel does not know it.
 */
export type MountOption =
  | { readonly does: "set" | "clear"; readonly flag: number }
  | { readonly does: "propagation"; readonly flag: number }
  | { readonly does: "setAttribute" | "clearAttribute"; readonly flag: number }
  | { readonly does: "extension"; readonly name: MountExtension };

/**
 * `tmpcopyup`: the tmpfs starts with what the directory below held. `idmap`, `ridmap`: ids are mapped, `r` recursively.
 * `copySymlink`: a symbolic link is recreated, not followed. `sourceNoFollow`, `destinationNoFollow`: must not be links.
 */
export type MountExtension =
  | "tmpcopyup"
  | "idmap"
  | "ridmap"
  | "copySymlink"
  | "sourceNoFollow"
  | "destinationNoFollow";

const set = (flag: number) => ({ does: "set", flag }) as const;
const clear = (flag: number) => ({ does: "clear", flag }) as const;
const propagate = (flag: number) => ({ does: "propagation", flag }) as const;
const setRecursive = (flag: number) => ({ does: "setAttribute", flag }) as const;
const clearRecursive = (flag: number) => ({ does: "clearAttribute", flag }) as const;
const extension = (name: MountExtension) => ({ does: "extension", name }) as const;

/** config.md, "Linux mount options": the 60 that `features` lists. */
export const MOUNT_OPTIONS = {
  defaults: set(0),
  bind: set(MS_BIND),
  rbind: set(MS_BIND | MS_REC),
  remount: set(MS_REMOUNT),

  ro: set(MS_RDONLY),
  rw: clear(MS_RDONLY),
  nosuid: set(MS_NOSUID),
  suid: clear(MS_NOSUID),
  nodev: set(MS_NODEV),
  dev: clear(MS_NODEV),
  noexec: set(MS_NOEXEC),
  exec: clear(MS_NOEXEC),
  nosymfollow: set(MS_NOSYMFOLLOW),
  symfollow: clear(MS_NOSYMFOLLOW),

  noatime: set(MS_NOATIME),
  atime: clear(MS_NOATIME),
  nodiratime: set(MS_NODIRATIME),
  diratime: clear(MS_NODIRATIME),
  relatime: set(MS_RELATIME),
  norelatime: clear(MS_RELATIME),
  strictatime: set(MS_STRICTATIME),
  nostrictatime: clear(MS_STRICTATIME),

  sync: set(MS_SYNCHRONOUS),
  async: clear(MS_SYNCHRONOUS),
  dirsync: set(MS_DIRSYNC),
  mand: set(MS_MANDLOCK),
  nomand: clear(MS_MANDLOCK),
  iversion: set(MS_I_VERSION),
  noiversion: clear(MS_I_VERSION),
  lazytime: set(MS_LAZYTIME),
  nolazytime: clear(MS_LAZYTIME),
  silent: set(MS_SILENT),
  loud: clear(MS_SILENT),

  private: propagate(MS_PRIVATE),
  rprivate: propagate(MS_PRIVATE | MS_REC),
  slave: propagate(MS_SLAVE),
  rslave: propagate(MS_SLAVE | MS_REC),
  shared: propagate(MS_SHARED),
  rshared: propagate(MS_SHARED | MS_REC),
  unbindable: propagate(MS_UNBINDABLE),
  runbindable: propagate(MS_UNBINDABLE | MS_REC),

  rro: setRecursive(MOUNT_ATTR_RDONLY),
  rrw: clearRecursive(MOUNT_ATTR_RDONLY),
  rnosuid: setRecursive(MOUNT_ATTR_NOSUID),
  rsuid: clearRecursive(MOUNT_ATTR_NOSUID),
  rnodev: setRecursive(MOUNT_ATTR_NODEV),
  rdev: clearRecursive(MOUNT_ATTR_NODEV),
  rnoexec: setRecursive(MOUNT_ATTR_NOEXEC),
  rexec: clearRecursive(MOUNT_ATTR_NOEXEC),
  rnosymfollow: setRecursive(MOUNT_ATTR_NOSYMFOLLOW),
  rsymfollow: clearRecursive(MOUNT_ATTR_NOSYMFOLLOW),
  rnoatime: setRecursive(MOUNT_ATTR_NOATIME),
  ratime: clearRecursive(MOUNT_ATTR_NOATIME),
  rnodiratime: setRecursive(MOUNT_ATTR_NODIRATIME),
  rdiratime: clearRecursive(MOUNT_ATTR_NODIRATIME),
  rrelatime: setRecursive(MOUNT_ATTR_RELATIME),
  rnorelatime: clearRecursive(MOUNT_ATTR_RELATIME),
  rstrictatime: setRecursive(MOUNT_ATTR_STRICTATIME),
  rnostrictatime: clearRecursive(MOUNT_ATTR_STRICTATIME),

  tmpcopyup: extension("tmpcopyup"),
} as const satisfies Record<string, MountOption>;

/** Known but not listed by `features`: the specification's id mapping, and crun's own. */
export const UNLISTED_MOUNT_OPTIONS = {
  idmap: extension("idmap"),
  ridmap: extension("ridmap"),
  "copy-symlink": extension("copySymlink"),
  "src-nofollow": extension("sourceNoFollow"),
  "dest-nofollow": extension("destinationNoFollow"),
  rsync: set(MS_SYNCHRONOUS),
  rasync: clear(MS_SYNCHRONOUS),
  rdirsync: set(MS_DIRSYNC),
  rmand: set(MS_MANDLOCK),
} as const satisfies Record<string, MountOption>;

const ALL: ReadonlyMap<string, MountOption> = new Map<string, MountOption>([
  ...Object.entries(MOUNT_OPTIONS),
  ...Object.entries(UNLISTED_MOUNT_OPTIONS),
]);

/** @returns what `name` does, or undefined when it is data of the filesystem. */
export function mountOption(name: string): MountOption | undefined {
  return ALL.get(name);
}

/** The sum of a mount's options; later ones win over earlier ones. */
export interface ParsedMountOptions {
  /** `MS_*` to set. */
  readonly flags: number;
  /** `MS_*` asked to be clear: where the kernel keeps one set (a locked flag), the mount must fail. */
  readonly clearedFlags: number;
  /** `MS_*`, one call each, in order. */
  readonly propagation: readonly number[];
  /** `MOUNT_ATTR_*` for mount_setattr(2) with AT_RECURSIVE; naming an access-time mode puts the whole mask in `attrClear`. */
  readonly attrSet: number;
  readonly attrClear: number;
  readonly extensions: readonly MountExtension[];
  /** What follows `idmap=`, in crun's notation. */
  readonly idmapValue?: string;
  /** What is left for the filesystem, and the index of each in `options`. */
  readonly data: readonly string[];
  readonly dataIndexes: readonly number[];
}

/** Sorts `options` by what they do. Never fails: an unknown option is data. */
export function parseMountOptions(options: readonly string[] = []): ParsedMountOptions {
  const parsed = { flags: 0, clearedFlags: 0, attrSet: 0, attrClear: 0 };
  const propagation: number[] = [];
  const extensions: MountExtension[] = [];
  const data: string[] = [];
  const dataIndexes: number[] = [];
  let idmapValue: string | undefined;
  for (const [i, name] of options.entries()) {
    const option = ALL.get(name);
    if (option !== undefined) {
      if (option.does === "propagation") propagation.push(option.flag);
      else if (option.does === "extension") extensions.push(option.name);
      else applyFlag(parsed, option.does, option.flag);
    } else if (name.startsWith("idmap=") || name.startsWith("ridmap=")) {
      extensions.push(name.startsWith("r") ? "ridmap" : "idmap");
      idmapValue = name.slice(name.indexOf("=") + 1);
    } else {
      data.push(name);
      dataIndexes.push(i);
    }
  }
  return { ...parsed, propagation, extensions, data, dataIndexes, ...(idmapValue !== undefined && { idmapValue }) };
}

interface Flags {
  flags: number;
  clearedFlags: number;
  attrSet: number;
  attrClear: number;
}

function applyFlag(to: Flags, does: "set" | "clear" | "setAttribute" | "clearAttribute", flag: number): void {
  switch (does) {
    case "set":
      to.flags |= flag;
      to.clearedFlags &= ~flag;
      return;
    case "clear":
      to.flags &= ~flag;
      to.clearedFlags |= flag;
      return;
    case "setAttribute":
      to.attrSet |= flag;
      to.attrClear &= ~flag;
      break;
    case "clearAttribute":
      to.attrClear |= flag;
      to.attrSet &= ~flag;
      break;
  }
  // mount_setattr(2): the access time is one value of three bits, not three flags.
  if ((flag & MOUNT_ATTR__ATIME) === flag) to.attrClear |= MOUNT_ATTR__ATIME;
}
