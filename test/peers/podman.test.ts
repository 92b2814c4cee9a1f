/** Podman, and conmon between it and our executable. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { obstacle, openPlace, type Place, UNTIL, writeIn } from "./place.ts";

const why = obstacle("podman", "conmon", "runc", "nsenter", "script");

describe.skipIf(why !== undefined)(`Podman${why ? ` (${why})` : ""}`, () => {
  let place: Place;
  let count = 0;

  /** `$p`: podman with our runtime, and `podman`: the same with any; `$o`: options of each container; `$i`: the image; `$n`: a fresh name. */
  const prelude = () => {
    const { folder, runtime, cgroup } = place;
    const podman = `podman --root ${folder}/root --runroot ${folder}/runroot --tmpdir ${folder}/tmp --storage-driver overlay --cgroup-manager cgroupfs`;
    const words = {
      any: podman,
      p: `${podman} --runtime ${runtime}`,
      o: `--cgroup-parent ${cgroup}`,
      i: "docker.io/library/busybox:test",
      n: `c${++count}`,
    };
    const set = Object.entries(words)
      .map(([name, value]) => `${name}="${value}"`)
      .join(" ");
    return `${UNTIL} export CONTAINERS_CONF=${folder}/containers.conf ${set};`;
  };
  const sh = (script: string) => place.sh(prelude() + script);
  const terminal = (script: string) =>
    place.start(`bash -c '${prelude()} stty rows 30 cols 100; ${script.replaceAll("'", "'\\''")}'`, { terminal: true });

  beforeAll(async () => {
    place = await openPlace();
    writeIn(
      place,
      "containers.conf",
      `[engine]\nevents_logger = "file"\n[network]\nnetwork_config_dir = "${place.folder}/cni"\n`,
    );
    const { status, output } = sh(`$p load -qi ${place.image}`);
    if (status !== 0) throw new Error(`podman could not load the image: ${output}`);
  }, 30_000);

  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  }, 30_000);

  const ALIKE: readonly (readonly [what: string, options: string, command: string, expected: RegExp])[] = [
    ["passes on the status of its command", "", "sh -c 'echo hi; exit 3'", /^hi\n\[3\]$/],
    ["drops all capabilities", "--cap-drop ALL", "grep CapEff /proc/self/status", /0000000000000000\n/],
    ["adds a capability", "--cap-add SYS_ADMIN", "grep CapEff /proc/self/status", /00000000(a82425fb|802405fb)\n/],
    ["runs as another user", "-u 1000:1001 --group-add 501", "id -G", /1001/],
    ["has a read-only root", "--read-only", "sh -c 'touch /x 2>&1; touch /tmp/x && echo ok'", /Read-only.*ok/s],
    ["applies the default seccomp profile", "", "grep Seccomp: /proc/self/status", /2\n/],
    ["goes without seccomp", "--security-opt seccomp=unconfined", "grep Seccomp: /proc/self/status", /0\n/],
    ["sets no_new_privs", "--security-opt no-new-privileges", "grep NoNewPrivs /proc/self/status", /1\n/],
    [
      "maps its users",
      "--uidmap 0:100000:65536",
      "sh -c 'cat /proc/self/uid_map; stat -c %u /bin'",
      /0 +100000 +65536\n0\n/,
    ],
    ["mounts a tmpfs", "--tmpfs /t:size=2m,noexec", "grep ' /t ' /proc/mounts", /noexec.*size=2048k/],
    ["sets a sysctl", "--sysctl net.ipv4.ip_forward=1", "cat /proc/sys/net/ipv4/ip_forward", /^1\n/],
    ["limits processes", "--pids-limit 4", "sh -c 'for i in 1 2 3 4 5; do sleep 1 & done'", /fork/],
    ["gets a device", "--device /dev/null:/dev/mine", "stat -c '%t %T' /dev/mine", /^1 3\n/],
  ];
  for (const [what, options, command, expected] of ALIKE) {
    test(`a container ${what}, as with runc`, () => {
      const run = (runtime: string) =>
        sh(`$any --runtime ${runtime} run --rm $o --network none ${options} $i ${command}; echo "[$?]"`).output;
      const ours = run(place.runtime);
      expect(ours).toMatch(expected);
      expect(ours).toBe(run(Bun.which("runc", { PATH: `${process.env.PATH}:/usr/sbin` }) ?? "runc"));
    });
  }

  test("what can't be run has the status that a shell would give", () => {
    const { output } =
      sh(`$p run --rm $o $i nosuch &>/dev/null; echo $?; $p run --rm $o $i /etc/passwd &>/dev/null; echo $?
      $p run -d $o --name $n $i sleep 100 >/dev/null; $p exec $n nosuch &>/dev/null; echo $?; $p exec $n /etc/passwd &>/dev/null; echo $?`);
    expect(output).toBe("127\n126\n127\n126");
  });

  test("logs keep what a detached container wrote, and wait gives its status", () => {
    const { output } = sh(
      `$p run -d $o --name $n $i sh -c "echo one; echo two; exit 7" >/dev/null; $p wait $n; $p logs $n`,
    );
    expect(output).toBe("7\none\ntwo");
  });

  test("exec has its own status, input, user, folder and descriptors", () => {
    const { output } = sh(`$p run -d $o --name $n $i sleep 100 >/dev/null; $p exec $n sh -c "exit 4"; echo $?
      echo in | $p exec -i -u 7:8 -w /tmp $n sh -c 'cat; id -u; pwd'; echo passed >file; $p exec --preserve-fds 1 $n sh -c 'cat <&3' 3<file`);
    expect(output).toBe("4\nin\n7\n/tmp\npassed");
  });

  test("run and exec have terminals of the caller's size", async () => {
    const run = terminal(`$p run --rm $o -it $i sh -c 'sleep 0.5; stty size; read x; exit 6'`);
    await run.sees(/30 100/);
    run.types("\n");
    expect(await run.ended).toBe(6);
    const exec = terminal(`$p run -d $o --name $n $i sleep 100; $p exec -it $n sh -c 'sleep 0.5; stty size; exit 5'`);
    await exec.sees(/30 100/);
    expect(await exec.ended).toBe(5);
  });

  test("attach comes back to a terminal after detaching from it", async () => {
    sh("$p run -dit $o --name talks $i sh -c 'while read x; do echo said $x; done'");
    for (const word of ["first", "second"]) {
      const attached = terminal("$p attach --detach-keys q talks");
      attached.types(`${word}\n`);
      await attached.sees(new RegExp(`said ${word}`));
      attached.types("q");
      await attached.ended;
    }
    expect(sh("$p inspect -f '{{.State.Status}}' talks").output).toBe("running");
  });

  test("kill, stop, pause and restart do what they say", () => {
    const { output } =
      sh(`$p run -d $o --name $n $i sh -c 'trap "exit 9" USR1; trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
      until_ '[ $($p logs '$n' | wc -l) = 1 ]'; $p kill -s USR1 $n >/dev/null; $p wait $n
      $p start $n >/dev/null; until_ '[ $($p logs '$n' | wc -l) = 2 ]'; $p stop $n >/dev/null; $p inspect -f "{{.State.ExitCode}}" $n
      $p start $n >/dev/null; $p pause $n >/dev/null; $p inspect -f "{{.State.Status}}" $n; $p unpause $n >/dev/null
      $p restart -t 0 $n >/dev/null; $p inspect -f "{{.State.Status}}" $n`);
    expect(output).toBe("9\n3\npaused\nrunning");
  });

  test("a memory limit kills; update changes it", () => {
    const v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    const { output } =
      sh(`$p run $o --name $n -m 16m --memory-swap 16m $i sh -c 'x=$(head -c 64m /dev/zero | tr "\\0" a)'
      echo $?
      $p run -d $o --name u$n -m 64m $i sleep 100 >/dev/null; $p update -m 32m u$n >/dev/null
      $p exec u$n sh -c "cat ${v1} 2>/dev/null || cat /sys/fs/cgroup/memory.max"`);
    expect(output).toBe("137\n33554432");
  });

  test("top, stats and events tell about a container", () => {
    const { output } = sh(`$p run -d $o --name $n -m 64m $i sleep 100 >/dev/null; $p top $n | grep -o "sleep 100"
      $p stats --no-stream --format "{{.MemUsage}} {{.PIDS}}" $n; $p rm -f -t 0 $n >/dev/null
      $p events --stream=false --since 1m --filter container=$n --format "{{.Status}}" | grep -E "create|init|start|died|remove" | sort -u | xargs`);
    expect(output).toMatch(/^sleep 100\n\S+ \/ 67.11MB 1\ncreate died init remove start$/);
  });

  test("hooks run before the start and after the end, with the state on their input", () => {
    const script = "cat >>${place}/state; echo $stage >>${place}/stages".replaceAll("${place}", place.folder);
    const hook = {
      version: "1.0.0",
      hook: { path: "/bin/sh", args: ["sh", "-c", script], env: ["stage=ran"] },
      when: { always: true },
      stages: ["prestart", "poststop"],
    };
    writeIn(place, "hooks/h.json", hook);
    const { output } = sh(
      `$p --hooks-dir $PWD/hooks run --rm $o $i true; until_ '[ $(wc -l <stages) = 2 ]'; xargs <stages; grep -o '"status":"[a-z]*"' state | xargs`,
    );
    expect(output).toBe("ran ran\nstatus:creating status:stopped");
  });

  test("volumes are writable, or not, or covered by an overlay", () => {
    const { output } = sh(`mkdir v; $p run --rm $o -v $PWD/v:/v $i sh -c "echo new >/v/f"; cat v/f
      $p run --rm $o -v $PWD/v:/v:ro $i touch /v/g 2>&1 | grep -o "Read-only"; $p run --rm $o -v $PWD/v:/v:O $i sh -c "cat /v/f; touch /v/g"; ls v`);
    expect(output).toBe("new\nRead-only\nnew\nf");
  });

  test("containers share what they are told to", () => {
    const { output } =
      sh(`$p run -d $o --name $n --ipc shareable $i sh -c "echo shared >/dev/shm/s; sleep 123" >/dev/null; until_ "$p exec $n cat /dev/shm/s"
      $p run --rm $o --pid container:$n $i ps | grep -o "sleep 123"; $p run --rm $o --ipc container:$n $i cat /dev/shm/s
      [ "$($p exec $n readlink /proc/self/ns/net)" = "$($p run --rm $o --network container:$n $i readlink /proc/self/ns/net)" ] && echo same`);
    expect(output).toBe("sleep 123\nshared\nsame");
  });

  test("six containers start at once, and rm leaves nothing of them", () => {
    const { output } =
      sh(`for k in 1 2 3 4 5 6; do $p run --rm $o --network none $i echo r$k & done | sort | xargs; $p rm -af -t 0 >/dev/null
      $p ps -aq; find /sys/fs/cgroup -mindepth 3 -path "*${place.cgroup}/libpod-*" -type d | grep -v conmon; grep "$PWD/root/overlay/.*/merged" /proc/self/mountinfo; true`);
    expect(output).toBe("r1 r2 r3 r4 r5 r6");
  });
});
