import { expect, test } from "bun:test";
import type { Spec } from "@gantry/oci";
import { delegatedUser } from "../../cgroups/delegate.ts";

/** A configuration with a cgroup mount of these options, and with or without a cgroup namespace of its own. */
function spec(options: readonly string[], namespaces: NonNullable<Spec["linux"]>["namespaces"]): Spec {
  const mount = { destination: "/sys/fs/cgroup/", type: "cgroup", source: "cgroup", options };
  return {
    ociVersion: "1.3.0",
    process: { cwd: "/", user: { uid: 7 } },
    mounts: [mount],
    linux: { namespaces: namespaces! },
  };
}

test("a cgroup is given to the container's user when it sees it writable through a namespace of its own", () => {
  expect(delegatedUser(spec(["rw"], [{ type: "cgroup" }]))).toBe(7);
});

test.each([
  ["the mount is read-only", spec(["ro"], [{ type: "cgroup" }])],
  ["the namespace is the host's", spec(["rw"], [])],
  ["the namespace is somebody else's", spec(["rw"], [{ type: "cgroup", path: "/proc/1/ns/cgroup" }])],
  ["there is no mount", { ...spec(["rw"], [{ type: "cgroup" }]), mounts: [] }],
])("it is kept when %s", (_, config) => {
  expect(delegatedUser(config)).toBeUndefined();
});
