/** The root file system of a bundle, where it really is. */
import { lstatSync, realpathSync } from "node:fs";
import { InvalidArgument } from "@gantry/oci";
import { absolutePath, isErrno } from "@gantry/sys";

/** An absolute path without symbolic links. @throws InvalidArgument when there is no such directory. */
export function findRootfs(bundle: string, path: string): string {
  const absolute = absolutePath(path.startsWith("/") ? path : `${bundle}/${path}`);
  try {
    const stat = lstatSync(absolute);
    if (stat.isSymbolicLink()) throw new InvalidArgument(`root.path: invalid rootfs: ${absolute} is a symbolic link`);
    if (!stat.isDirectory()) throw new InvalidArgument(`root.path: invalid rootfs: ${absolute}: not a directory`);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR"))
      throw new InvalidArgument(`root.path: invalid rootfs: stat ${absolute}: no such file or directory`);
    throw error;
  }
  const real = realpathSync(absolute);
  if (real === "/")
    throw new InvalidArgument("root.path: invalid rootfs: the root of the host cannot be a container's");
  return real;
}
