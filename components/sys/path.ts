/** The few words about paths that a start needs; node:path costs more to load than all of them to run. */

/** `path` as it would be reached from the working directory, without `.`, `..` and double slashes. */
export function absolutePath(path: string): string {
  const full = path.startsWith("/") ? path : `${process.cwd()}/${path}`;
  if (!full.includes("//") && !full.includes("/.") && !full.endsWith("/")) return full;
  const parts: string[] = [];
  for (const part of full.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** What follows the last slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What stands before the last slash of an absolute path. */
export function directoryName(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
