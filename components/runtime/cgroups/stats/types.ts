/** The numbers of a cgroup in the shape that `events` prints. */
export interface CgroupStats {
  readonly cpu: object;
}
