/** The messages of `criu swrk`: CRIU's images/rpc.proto, the fields that a container needs, under CRIU's names. */
import { bool, int, message, repeated, string, type Value } from "./protobuf.ts";

/** criu_req_type. */
export const TYPE = { dump: 1, restore: 2, preDump: 4, notify: 6, featureCheck: 9, version: 10 } as const;

/** criu_cg_mode, by the words of `--manage-cgroups-mode`; "" is CRIU's own choice. */
export const CGROUP_MODES: Readonly<Record<string, number>> = { ignore: 0, soft: 3, full: 4, strict: 5, "": 6 };

const PAGE_SERVER = { address: string(1), port: int(2), pid: int(3), fd: int(4) };
const EXTERNAL_MOUNT = { key: string(1), val: string(2) };
const JOIN_NAMESPACE = { ns: string(1), ns_file: string(2) };
const INHERIT_FD = { key: string(1), fd: int(2) };
const CGROUP_ROOT = { ctrl: string(1), path: string(2) };

/** criu_opts. Descriptors of `*_fd` are ours: CRIU opens them through /proc; those of `inherit_fd` are CRIU's own. */
export const OPTIONS = {
  images_dir_fd: int(1),
  pid: int(2),
  leave_running: bool(3),
  ext_unix_sk: bool(4),
  tcp_established: bool(5),
  evasive_devices: bool(6),
  shell_job: bool(7),
  file_locks: bool(8),
  log_level: int(9),
  log_file: string(10),
  ps: message(11, PAGE_SERVER),
  notify_scripts: bool(12),
  root: string(13),
  parent_img: string(14),
  track_mem: bool(15),
  auto_dedup: bool(16),
  work_dir_fd: int(17),
  link_remap: bool(18),
  ext_mnt: repeated(message(23, EXTERNAL_MOUNT)),
  manage_cgroups: bool(24),
  cg_root: repeated(message(25, CGROUP_ROOT)),
  rst_sibling: bool(26),
  inherit_fd: repeated(message(27, INHERIT_FD)),
  manage_cgroups_mode: int(34),
  external: repeated(string(37)),
  empty_ns: int(38),
  join_ns: repeated(message(39, JOIN_NAMESPACE)),
  freeze_cgroup: string(44),
  tcp_skip_in_flight: bool(46),
  lazy_pages: bool(48),
  status_fd: int(49),
  orphan_pts_master: bool(50),
  config_file: string(51),
  lsm_profile: string(53),
  lsm_mount_context: string(63),
} as const;

const FEATURES = { mem_track: bool(1), lazy_pages: bool(2), pidfd_store: bool(3) };

/** criu_req. */
export const REQUEST = {
  type: int(1),
  opts: message(2, OPTIONS),
  notify_success: bool(3),
  keep_open: bool(4),
  features: message(5, FEATURES),
};

const VERSION = { major_number: int(1), minor_number: int(2), gitid: string(3), sublevel: int(4) };

/** criu_resp. */
export const RESPONSE = {
  type: int(1),
  success: bool(2),
  dump: message(3, { restored: bool(1) }),
  restore: message(4, { pid: int(1) }),
  notify: message(5, { script: string(1), pid: int(2) }),
  cr_errno: int(7),
  features: message(8, FEATURES),
  cr_errmsg: string(9),
  version: message(10, VERSION),
};

export type CriuOptions = Value<typeof OPTIONS>;
export type CriuFeatures = Value<typeof FEATURES>;
export type Request = Value<typeof REQUEST>;
export type Response = Value<typeof RESPONSE>;
export type Notification = NonNullable<Response["notify"]>;
export type ExternalMount = Value<typeof EXTERNAL_MOUNT>;

/** How CRIU's own messages name a type of request. */
export function typeName(type: number | undefined): string {
  const name = Object.entries(TYPE).find(([, number]) => number === type)?.[0];
  return name === undefined ? `type ${type}` : name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
