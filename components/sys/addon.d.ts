/** Imported with `type: "file"`, the addon is the path under which the executable finds it. */
declare module "*/sys.node" {
  const path: string;
  export default path;
}
