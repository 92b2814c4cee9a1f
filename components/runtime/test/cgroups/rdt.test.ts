import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openRdt } from "../../cgroups/rdt.ts";

/** A folder with the files of resctrl, on a machine that has all of it. */
let root = "";
const FILES = {
  schemata: "L3:0=fffff;1=fffff\nMB:0=100;1=100\n",
  "info/last_cmd_status": "ok\n",
  "info/L3/cbm_mask": "fffff\n",
  "info/L3/min_cbm_bits": "1\n",
  "info/L3/num_closids": "16\n",
  "info/MB/bandwidth_gran": "10\n",
  "info/MB/delay_linear": "1\n",
  "info/MB/min_bandwidth": "10\n",
  "info/MB/num_closids": "8\n",
  "info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
};

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-test-resctrl-"));
  for (const [path, content] of Object.entries(FILES)) put(path, content);
});
afterEach(() => rmSync(root, { recursive: true }));

const read = (path: string) => readFileSync(join(root, path), "utf8");

test("a container gets a group of its own name, and all schemata in one write", () => {
  const config = { l3CacheSchema: "L3:0=f", memBwSchema: "MB:0=50", schemata: ["L2:0=3"] };
  const group = openRdt({ config, id: "box", root });
  group.join(42);
  group.apply();
  expect(group.path).toBe(`${root}/box`);
  expect(read("box/tasks")).toBe("42");
  expect(read("box/schemata")).toBe("L3:0=f\nMB:0=50\nL2:0=3\n");
});

test("monitoring has a group below", () => {
  mkdirSync(`${root}/box/mon_groups`, { recursive: true });
  openRdt({ config: { enableMonitoring: true }, id: "box", root }).join(42);
  expect(read("box/mon_groups/box/tasks")).toBe("42");
});

test("a named group without schemata must exist", () => {
  const group = openRdt({ config: { closID: "gold" }, id: "box", root });
  expect(() => group.join(42)).toThrow("linux.intelRdt.closID: clos dir not accessible (must be pre-created");
  mkdirSync(`${root}/gold`);
  group.join(42);
  expect(read("gold/tasks")).toBe("42");
});

test("a named group is never removed, the container's own is", () => {
  mkdirSync(`${root}/gold`);
  mkdirSync(`${root}/box`);
  openRdt({ config: { closID: "gold" }, id: "box", root }).destroy();
  openRdt({ config: {}, id: "box", root }).destroy();
  expect([existsSync(`${root}/gold`), existsSync(`${root}/box`)]).toEqual([true, false]);
});

test.each([".", "..", "a/b"])("the group name %p is refused", (closID) => {
  expect(() => openRdt({ config: { closID }, id: "box", root })).toThrow("linux.intelRdt.closID");
});

test("what this machine lacks is refused by name", () => {
  const open =
    (config: object, at = root) =>
    () =>
      openRdt({ config, id: "box", root: at });
  expect(open({}, `${root}/nowhere`)).toThrow(
    "linux.intelRdt: intelRdt is specified in config, but Intel RDT is not enabled",
  );
  rmSync(`${root}/info/L3`, { recursive: true });
  rmSync(`${root}/info/MB`, { recursive: true });
  expect(open({ l3CacheSchema: "L3:0=f" })).toThrow("Intel RDT/CAT is not enabled");
  expect(open({ memBwSchema: "MB:0=50" })).toThrow("Intel RDT/MBA is not enabled");
});

test("a refused write says what resctrl has against it", () => {
  mkdirSync(`${root}/box/schemata`, { recursive: true });
  put("info/last_cmd_status", "Mask out of range\n");
  const group = openRdt({ config: { l3CacheSchema: "L3:0=0" }, id: "box", root });
  expect(() => group.apply()).toThrow(/unable to write "L3:0=0\\n": .*, last_cmd_status: Mask out of range/);
});

test("stats tell the group's schemata beside those of the machine, and what is monitored", () => {
  put("box/schemata", "L3:0=f;1=fffff\nMB:0=50;1=100\n");
  put("box/mon_data/mon_L3_00/llc_occupancy", "7\n");
  put("box/mon_data/mon_L3_00/mbm_total_bytes", "8\n");
  put("box/mon_data/mon_L3_00/mbm_local_bytes", "9\n");
  expect(openRdt({ config: {}, id: "box", root }).stats()).toEqual({
    l3_cache_info: { cbm_mask: "fffff", min_cbm_bits: 1, num_closids: 16 },
    l3_cache_schema_root: "L3:0=fffff;1=fffff",
    l3_cache_schema: "L3:0=f;1=fffff",
    mem_bw_info: { bandwidth_gran: 10, delay_linear: 1, min_bandwidth: 10, num_closids: 8 },
    mem_bw_schema_root: "MB:0=100;1=100",
    mem_bw_schema: "MB:0=50;1=100",
    schemata: ["L3:0=f;1=fffff", "MB:0=50;1=100"],
    mbm_stats: [{ mbm_total_bytes: 8, mbm_local_bytes: 9 }],
    cmt_stats: [{ llc_occupancy: 7 }],
  });
});
