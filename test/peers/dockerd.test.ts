/** The Docker engine with our executable as its runtime, and Debian's runc beside it where both must give the same answer. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { obstacle, openPlace, type Place, UNTIL, writeIn } from "./place.ts";

const why = obstacle("dockerd", "docker", "containerd", "iptables", "ip", "nsenter", "script");

/** Starts the engine anew in the place; containers live on when it was killed. */
const START = `dockerd --config-file $PWD/daemon.json --data-root $PWD/data --exec-root $PWD/exec --pidfile $PWD/pid \
  -H unix://$PWD/docker.sock </dev/null &>>dockerd.log & until_ "docker version"`;

function configure(place: Place): void {
  writeIn(place, "daemon.json", {
    runtimes: { gantry: { path: place.runtime } },
    "default-runtime": "gantry",
    "live-restore": true,
    "cgroup-parent": place.cgroup,
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "default-address-pools": [{ base: "10.201.0.0/16", size: 24 }],
  });
}

describe.skipIf(why !== undefined)(`Docker engine${why ? ` (${why})` : ""}`, () => {
  let place: Place;
  let count = 0;

  const prelude = () => `${UNTIL} export DOCKER_HOST=unix://${place.folder}/docker.sock n=c${++count} i=busybox:test;`;
  const sh = (script: string, input?: string) => place.sh(prelude() + script, input === undefined ? {} : { input });
  const terminal = (script: string) =>
    place.start(`bash -c '${prelude()} stty rows 30 cols 100; ${script.replaceAll("'", "'\\''")}'`, { terminal: true });

  beforeAll(async () => {
    place = await openPlace();
    configure(place);
    const { status, output } = sh(`${START} && docker load -qi ${place.image}`);
    if (status !== 0) throw new Error(`dockerd did not start: ${output}\n${place.sh("tail dockerd.log").output}`);
  }, 30_000);

  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  }, 30_000);

  test("asks our executable for its version", () => {
    expect(sh("docker info -f '{{.DefaultRuntime}}'").output).toBe("gantry");
  });

  /** The same answer from both, whatever it is; and that it is the one meant. */
  const ALIKE: readonly (readonly [what: string, options: string, command: string, expected: RegExp])[] = [
    ["passes on the status of its command", "", "sh -c 'exit 3'", /\[3\]$/],
    ["maps a program that is not there to 127", "", "nosuchprogram", /executable file not found in \$PATH.*\[127\]$/s],
    ["maps a program that may not run to 126", "", "/etc/passwd", /permission denied.*\[126\]$/s],
    [
      "has the engine's capabilities and filter",
      "",
      "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status",
      /CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\n/,
    ],
    [
      "does without all that",
      "--cap-drop ALL --security-opt no-new-privileges --security-opt seccomp=unconfined",
      "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status",
      /CapEff:\t0{16}\nNoNewPrivs:\t1\nSeccomp:\t0\n/,
    ],
    ["gets a capability", "--cap-add SYS_ADMIN", "grep CapEff /proc/self/status", /00000000a82425fb\n/],
    ["runs as another user", "-u 1000:1001 --group-add 501", "id", /uid=1000 gid=1001 groups=501,1001/],
    [
      "has a read-only root",
      "--read-only --tmpfs /tmp",
      "sh -c 'touch /x 2>&1; touch /tmp/x && echo ok'",
      /Read-only.*ok/s,
    ],
    ["refuses what the profile refuses", "", "unshare -Ur true", /not permitted/],
    [
      "has its limits, mounts and settings",
      "--ulimit nofile=99:99 --shm-size 8m --tmpfs /t:size=2m,noexec --sysctl net.ipv4.ip_forward=1 --oom-score-adj 500",
      "sh -c 'ulimit -n; grep -E \"/dev/shm| /t \" /proc/mounts; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj'",
      /^99\n.*size=8192k.*noexec,relatime,size=2048k 0 0\n1\n500\n/s,
    ],
    ["has an init", "--init", 'sh -c \'tr "\\0" " " </proc/1/cmdline\'', /^\S*docker-init -- /],
    ["has only a loopback", "", "ls /sys/class/net", /^lo\n\[0\]$/],
    ["gets a device", "--device /dev/null:/dev/mine", "stat -c '%t %T %F' /dev/mine", /^1 3 character/],
    ["is refused a device", "--cap-add MKNOD", "sh -c 'mknod /d c 10 237; cat /d'", /not permitted/],
    ["may be given a device", "--device-cgroup-rule 'c 10:237 rw'", "sh -c 'mknod /d c 10 237; cat /d'", /Invalid arg/],
    ["limits processes", "--pids-limit 4", "sh -c 'for i in 1 2 3 4 5; do sleep 1 & done'", /fork/],
    ["hides files of /proc", "", "sh -c 'wc -c </proc/timer_list; ls /sys/firmware'", /^0\n\[0\]$/],
  ];
  for (const [what, options, command, expected] of ALIKE) {
    test(`a container ${what}, as with runc`, () => {
      const [ours, runc] = ["gantry", "runc"].map(
        (runtime) =>
          sh(`docker run --rm --runtime ${runtime} --network none ${options} $i ${command}; echo "[$?]"`).output,
      ) as [string, string];
      expect(ours).toMatch(expected);
      // Where a start fails, the message names the field beyond what runc says.
      if (!/error during container init/.test(ours)) expect(ours).toBe(runc);
    });
  }

  test("a script that can't be executed ends its container with status 255, and its log says why", () => {
    writeIn(place, "script", "#!/bin/sh\r\necho never\r\n");
    const { output } = sh(
      "chmod +x script; docker run --name $n -v $PWD/script:/script $i /script >/dev/null 2>&1; echo $?; docker logs $n",
    );
    expect(output).toMatch(/^255\nexec \/script: no such file or directory: .*CRLF/);
  });

  test("standard input and output carry a megabyte unchanged", () => {
    const script = "head -c 1048576 /dev/urandom >big; docker run --rm -i $i cat <big | cmp - big && echo same";
    expect(sh(script).output).toBe("same");
  });

  test("logs keep what a detached container wrote, and wait gives its status", () => {
    const script = `docker run -d --name $n $i sh -c "echo one; echo two; exit 7" >/dev/null; docker wait $n; docker logs $n`;
    expect(sh(script).output).toBe("7\none\ntwo");
  });

  test("exec has its own status, input, user, folder and environment", () => {
    const { output } = sh(`docker run -d --name $n $i sleep 100 >/dev/null
      docker exec $n sh -c "exit 4"; echo $?
      echo in | docker exec -i -u 7:8 -w /tmp -e Z=9 $n sh -c 'cat; id -u; pwd; echo $Z'
      docker exec $n nosuch 2>&1 | grep -o "executable file not found"; docker exec $n sh -c 'kill -9 $$'; echo $?`);
    expect(output).toBe("4\nin\n7\n/tmp\n9\nexecutable file not found\n137");
  });

  test("run and exec have terminals of the caller's size", async () => {
    const run = terminal(`docker run --rm -it $i sh -c 'sleep 0.3; stty size; read x; tty; exit 6'`);
    await run.sees(/30 100/);
    run.types("\n");
    await run.sees(/\/dev\/(console|pts\/0)/);
    expect(await run.ended).toBe(6);
    const exec = terminal(
      `docker run -d --name $n $i sleep 100; docker exec -it $n sh -c 'sleep 0.3; stty size; exit 5'`,
    );
    await exec.sees(/30 100/);
    expect(await exec.ended).toBe(5);
  });

  test("attach comes back to a terminal after detaching from it", async () => {
    sh("docker run -dit --name talks $i sh -c 'while read x; do echo said $x; done'");
    for (const word of ["first", "second"]) {
      const attached = terminal("docker attach talks");
      attached.types(`${word}\n`);
      await attached.sees(new RegExp(`said ${word}`));
      attached.types("\x10\x11");
      await attached.sees(/read escape sequence/);
      await attached.ended;
    }
    expect(sh("docker inspect -f '{{.State.Status}}' talks").output).toBe("running");
  });

  test("kill sends the signal, stop waits for the answer and then kills", () => {
    const trap = `trap "exit $1" $2; echo ready; while :; do sleep 0.05; done`;
    const started = (status: number, signal: string) =>
      `docker run -d --name $n$1 $i sh -c '${trap.replace("$1", `${status}`).replace("$2", signal)}' >/dev/null; until_ "docker logs $n | grep ready"`;
    expect(sh(`${started(9, "USR1")}; docker kill -s USR1 $n >/dev/null; docker wait $n`).output).toBe("9");
    expect(sh(`${started(3, "TERM")}; docker stop $n >/dev/null; docker wait $n`).output).toBe("3");
    expect(
      sh("docker run -d --name $n $i sleep 100 >/dev/null; docker stop -t 1 $n >/dev/null; docker wait $n").output,
    ).toBe("137");
    expect(sh("docker run --name $n $i true; docker kill $n").output).toContain("is not running");
  });

  test("pause holds every process until unpause", () => {
    const { output } = sh(`docker run -d --name $n $i sh -c "while :; do echo x; sleep 0.02; done" >/dev/null
      docker pause $n >/dev/null; docker inspect -f "{{.State.Status}}" $n; docker exec $n true 2>&1 | grep -o "is paused"
      a=$(docker logs $n | wc -l); sleep 0.2; [ $a = $(docker logs $n | wc -l) ] && echo still
      docker unpause $n >/dev/null; until_ '[ $(docker logs '$n' | wc -l) -gt '$a' ]' && echo moves`);
    expect(output).toBe("paused\nis paused\nstill\nmoves");
  });

  test("update changes the limits of a running container", () => {
    const file = (name: string) => `cat /sys/fs/cgroup/${name}`;
    const v1 = ["memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "pids/pids.max"].map(file).join("; ");
    const v2 = ["memory.max", "cpu.max", "pids.max"].map(file).join("; ");
    const { output } = sh(`docker run -d --name $n -m 64m $i sleep 100 >/dev/null
      docker update -m 32m --memory-swap 64m --cpus 0.5 --pids-limit 77 $n >/dev/null
      docker exec $n sh -c "if [ -e /sys/fs/cgroup/memory ]; then ${v1}; else ${v2}; fi"`);
    expect(output.split(/\s+/).filter((word) => word !== "100000")).toEqual(["33554432", "50000", "77"]);
  });

  test("restart runs it again, by hand and by policy", () => {
    const { output } =
      sh(`docker run -d --name $n $i sh -c "echo x; sleep 100" >/dev/null; docker restart -t 0 $n >/dev/null
      until_ '[ $(docker logs '$n' | wc -l) = 2 ]' && echo twice
      docker run -d --restart on-failure:2 --name p$n $i sh -c "echo x; exit 1" >/dev/null
      until_ '[ $(docker inspect -f {{.State.Status}}{{.RestartCount}} 'p$n') = exited2 ]'; docker logs p$n | wc -l`);
    expect(output).toBe("twice\n3");
  });

  test("a memory limit kills, and the engine knows why", () => {
    const { output } =
      sh(`docker run --name $n -m 16m --memory-swap 16m $i sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; s=$?; sleep 0.2; exit $s' 2>/dev/null
      docker inspect -f "{{.State.ExitCode}} {{.State.OOMKilled}}" $n`);
    expect(output).toBe("137 true");
  });

  test("top, stats and events tell about a container", () => {
    const { output } = sh(`s=$(date +%s); docker run -d --name $n -m 64m $i sleep 100 >/dev/null
      docker top $n | grep -o "sleep 100"; docker stats --no-stream --format "{{.MemUsage}} {{.PIDs}}" $n
      docker exec $n true; docker rm -f $n >/dev/null
      docker events --since $s --until $(($(date +%s)+1)) -f container=$n --format "{{.Action}}" | grep -oE "create|start|exec_die|kill|die|destroy" | sort -u | xargs`);
    expect(output).toMatch(/^sleep 100\n[0-9.]+[KM]iB \/ 64MiB 1\n/);
    expect(output.split("\n")[2]).toBe("create destroy die exec_die kill start");
  });

  test("volumes are writable, or not, and see later mounts of the host when they are to", () => {
    const { output } = sh(`mkdir v; docker run --rm -v $PWD/v:/v $i sh -c "echo new >/v/f"; cat v/f
      docker run --rm -v $PWD/v:/v:ro $i touch /v/g 2>&1 | grep -o "Read-only"
      docker run --rm -v $PWD/v/f:/etc/f:ro $i cat /etc/f
      mount -t tmpfs tmpfs v; mount --make-shared v; mkdir v/s
      docker run -d --name a$n -v $PWD/v:/v:rslave $i sleep 100 >/dev/null; docker run -d --name b$n -v $PWD/v:/v $i sleep 100 >/dev/null
      mount -t tmpfs tmpfs v/s; touch v/s/late; docker exec a$n ls /v/s; docker exec b$n ls /v/s | wc -l
      docker rm -f a$n b$n >/dev/null; umount -R v`);
    expect(output).toBe("new\nRead-only\nnew\nlate\n0");
  });

  test("a privileged container has every capability there is, and mounts", () => {
    const { output } = sh(
      `docker run --rm --privileged $i sh -c 'mount -t tmpfs t /tmp && echo mounted; grep Seccomp: /proc/self/status; ls /dev/kmsg'`,
    );
    expect(output).toMatch(/^mounted\nSeccomp:\t0\n\/dev\/kmsg$/);
  });

  test("containers reach each other over a bridge, by name, and are published on the host", () => {
    const { output } = sh(`docker network create $n >/dev/null
      docker run -d --network $n -p 127.0.0.1:18080:80 --name web $i sh -c "mkdir /www; echo answer >/www/index.html; httpd -fh /www" >/dev/null
      until_ "docker exec web wget -qO- http://localhost/"
      docker run --rm --network $n $i wget -qO- http://web/; busybox wget -qO- http://127.0.0.1:18080/
      docker rm -f web >/dev/null; docker network rm $n >/dev/null`);
    expect(output).toBe("answer\nanswer");
  });

  test("a container joins the processes, the network and the memory of another", () => {
    const { output } =
      sh(`docker run -d --name $n --ipc shareable $i sh -c "echo shared >/dev/shm/s; sleep 123" >/dev/null; until_ "docker exec $n cat /dev/shm/s"
      docker run --rm --pid container:$n $i ps | grep -o "sleep 123"; docker run --rm --ipc container:$n $i cat /dev/shm/s
      [ "$(docker exec $n readlink /proc/self/ns/net)" = "$(docker run --rm --network container:$n $i readlink /proc/self/ns/net)" ] && echo same`);
    expect(output).toBe("sleep 123\nshared\nsame");
  });

  test("what a container of the host's pid namespace leaves behind is killed with it", () => {
    const { output } = sh(
      `docker run --rm --pid host $i sh -c "sleep 4321 & exit 0"; until_ '! pgrep -f "^sleep 4321"' && echo gone`,
    );
    expect(output).toBe("gone");
  });

  test("health checks run in the container", () => {
    const { output } =
      sh(`docker run -d --name $n --health-cmd "test -e /tmp" --health-interval 0.1s $i sleep 100 >/dev/null
      until_ "docker inspect -f {{.State.Health.Status}} $n | grep -x healthy" && echo healthy`);
    expect(output).toBe("healthy");
  });

  test("an image is built by the steps of a Dockerfile", () => {
    writeIn(place, "b/Dockerfile", "FROM busybox:test\nRUN echo built >/b\n");
    const { output } = sh(`DOCKER_BUILDKIT=0 docker build -qt $n b >/dev/null 2>&1; docker run --rm $n cat /b`);
    expect(output).toBe("built");
  });

  test("eight containers start at once", () => {
    const { output } = sh(
      `for k in 1 2 3 4 5 6 7 8; do docker run --rm --network none $i echo r$k & done | sort | xargs`,
    );
    expect(output).toBe("r1 r2 r3 r4 r5 r6 r7 r8");
  });

  test("containers outlive a killed engine, which finds them again and learns their exit", () => {
    const { output } = sh(`docker run -d --name $n $i sh -c "while [ ! -e /go ]; do sleep 0.05; done; exit 5" >/dev/null
      kill -9 $(cat pid); until_ "! docker version"; rm -f pid; ${START}
      docker inspect -f "{{.State.Status}}" $n; docker exec $n touch /go; docker wait $n`);
    expect(output).toBe("running\n5");
  });

  test("nothing is left of removed containers: no control group, no mount, no state", () => {
    const { output } = sh(`docker ps -aq | xargs -r docker rm -fv >/dev/null
      find /sys/fs/cgroup -mindepth 3 -path "*${place.cgroup}/*" -type d; grep overlay /proc/self/mountinfo; ls exec/runtime-*/moby 2>/dev/null; true`);
    expect(output).toBe("");
  });
});
