/** An image that every engine can load, made from Debian's static busybox: no registry is asked. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SCRIPT = `
mkdir -p root/{bin,dev,etc,proc,sys,tmp,root} && chmod 1777 root/tmp
cp /bin/busybox root/bin/ && for applet in $(busybox --list); do [ $applet = busybox ] || ln -s busybox root/bin/$applet; done
echo root:x:0:0:root:/root:/bin/sh >root/etc/passwd && echo root:x:0: >root/etc/group
tar -C root --owner=0 --group=0 -cf layer.tar . && rm -r root`;

/** Makes a docker archive (`docker save`) in the folder and returns its path. */
export function makeImage(folder: string): string {
  const work = join(folder, "image");
  mkdirSync(work);
  sh(SCRIPT, work);
  const digest = createHash("sha256")
    .update(readFileSync(join(work, "layer.tar")))
    .digest("hex");
  const config = {
    architecture: { x64: "amd64" }[process.arch as string] ?? process.arch,
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    history: [{ created: "2020-01-01T00:00:00Z", created_by: "test" }],
    created: "2020-01-01T00:00:00Z",
  };
  const manifest = [{ Config: "config.json", RepoTags: ["docker.io/library/busybox:test"], Layers: ["layer.tar"] }];
  writeFileSync(join(work, "config.json"), JSON.stringify(config));
  writeFileSync(join(work, "manifest.json"), JSON.stringify(manifest));
  sh("tar -cf ../busybox.tar manifest.json config.json layer.tar", work);
  return join(folder, "busybox.tar");
}

function sh(script: string, cwd: string): void {
  const { status, stderr } = spawnSync("bash", ["-ec", script], { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`the image could not be made: ${stderr}`);
}
