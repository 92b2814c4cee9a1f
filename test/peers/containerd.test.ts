/** containerd with our executable behind its shim: what `ctr` can ask for, and the events that others see. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { obstacle, openPlace, type Place, UNTIL, writeIn } from "./place.ts";

const why = obstacle("containerd", "ctr", "containerd-shim-runc-v2", "runc", "nsenter", "script");

/** ctr loses what a short process wrote now and then, under load and with any runtime (4 of 612 calls with runc): asked again then. */
const SAID =
  'said() { local o s; for _ in 1 2 3; do o=$("$@" 2>&1); s=$?; [ -z "$o" ] || break; done; [ -z "$o" ] || echo "$o"; return $s; };';

const START = `containerd -c $PWD/config.toml </dev/null &>>containerd.log & until_ "$c version"`;

function configure({ folder }: Place): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/c.sock"
[ttrpc]
  address = "${folder}/c.sock.ttrpc"
[debug]
  address = "${folder}/debug.sock"
`;
}

describe.skipIf(why !== undefined)(`containerd${why ? ` (${why})` : ""}`, () => {
  let place: Place;
  let count = 0;

  /** `$c`: ctr; `$run`: its run with our runtime; `$old`: with the runc of the machine; `$i`: the image; `$n`: a fresh name. */
  const prelude = () => {
    const ctr = `ctr -a ${place.folder}/c.sock -n ${place.cgroup.slice(1)}`;
    const run = (binary: string) => `${ctr} run --runc-binary ${binary} --runc-root ${place.folder}/states`;
    const words = {
      c: ctr,
      run: run(place.runtime),
      old: run("runc"),
      i: "docker.io/library/busybox:test",
      n: `c${++count}`,
    };
    return `${UNTIL} ${SAID} ${Object.entries(words)
      .map(([name, value]) => `${name}="${value}"`)
      .join(" ")};`;
  };
  const sh = (script: string) => place.sh(prelude() + script);
  const terminal = (script: string) =>
    place.start(`bash -c '${prelude()} stty rows 30 cols 100; ${script.replaceAll("'", "'\\''")}'`, { terminal: true });

  beforeAll(async () => {
    place = await openPlace();
    writeIn(place, "config.toml", configure(place));
    const { status, output } = sh(`${START} && $c images import ${place.image}`);
    if (status !== 0) throw new Error(`containerd did not start: ${output}\n${place.sh("tail containerd.log").output}`);
  }, 30_000);

  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  }, 30_000);

  const ALIKE: readonly (readonly [what: string, options: string, command: string, expected: RegExp])[] = [
    ["passes on the status of its command", "", "sh -c 'echo hi; exit 3'", /^hi\n\[3\]$/],
    ["throws away what it writes", "--null-io", "echo hi", /^\[0\]$/],
    ["has 14 capabilities", "", "grep CapEff /proc/self/status", /00000000a80425fb\n/],
    [
      "adds and drops capabilities",
      "--cap-add CAP_SYS_ADMIN --cap-drop CAP_CHOWN",
      "grep CapEff /proc/self/status",
      /a82425fa\n/,
    ],
    ["applies the default seccomp profile", "--seccomp", "grep Seccomp: /proc/self/status", /2\n/],
    ["has a read-only root", "--read-only", "touch /x", /Read-only.*\[1\]$/s],
    [
      "has a folder of the host",
      "--mount type=bind,src=/sys/kernel,dst=/tmp,options=rbind:ro",
      "ls -d /tmp/mm",
      /^\/tmp\/mm\n/,
    ],
    [
      "maps its users",
      "--uidmap 0:100000:65536 --gidmap 0:100000:65536",
      "cat /proc/self/uid_map",
      /^ +0 +100000 +65536\n/,
    ],
    ["uses the network of the host", "--net-host", "ip -o addr show lo", /127\.0\.0\.1/],
    ["gets a device", "--device /dev/null", "stat -c '%t %T' /dev/null", /^1 3\n/],
    ["starts in a folder", "--cwd /etc", "pwd", /^\/etc\n/],
    ["does without pivot_root", "--no-pivot", "echo hi", /^hi\n/],
  ];
  for (const [what, options, command, expected] of ALIKE) {
    test(`a container ${what}, as with runc`, () => {
      const run = (word: string) => sh(`said ${word} --rm ${options} $i $n ${command}; echo "[$?]"`).output;
      const ours = run("$run");
      expect(ours).toMatch(expected);
      expect(ours).toBe(run("$old"));
    });
  }

  test("a program that is not there is named", () => {
    expect(sh("$run --rm $i $n nosuch").output).toMatch(
      /runc create failed: .*exec: "nosuch": executable file not found in \$PATH/,
    );
  });

  test("a detached container is listed, takes signals, and gives its status when deleted", () => {
    const { output } =
      sh(`$run -d --pid-file pid $i $n sh -c 'trap "exit 9" USR1; echo >/ready; while :; do sleep 0.05; done'
      until_ "$c tasks exec --exec-id r$RANDOM $n test -e /ready"; [ -d /proc/$(cat pid) ] && $c tasks ls | grep -o RUNNING
      $c tasks delete $n 2>&1 | grep -o "must be stopped" | head -1
      $c tasks kill -s USR1 $n; until_ "$c tasks ls | grep $n.*STOPPED"; $c tasks kill $n 2>&1 | grep -o "not found" | head -1
      $c tasks delete $n 2>&1 | grep -o "exit code 9"`);
    expect(output).toBe("RUNNING\nmust be stopped\nnot found\nexit code 9");
  });

  test("exec has its own status and user; killing it leaves the container alone", () => {
    const { output } = sh(`$run -d $i $n sleep 100
      $c tasks exec --exec-id e1 $n sh -c "exit 4"; echo $?; said $c tasks exec --exec-id e2 --user 7 --cwd /tmp $n sh -c "id -u; pwd"
      $c tasks exec --exec-id e3 $n nosuch 2>&1 | grep -o "executable file not found"
      { until_ "$c tasks ps $n | grep e4"; $c tasks kill -s 9 --exec-id e4 $n; } & $c tasks exec --exec-id e4 $n sleep 50; echo $?
      wait; $c tasks ls | grep $n | grep -o RUNNING`);
    expect(output).toBe("4\n7\n/tmp\nexecutable file not found\n137\nRUNNING");
  });

  test("run and exec have terminals of the caller's size, and attach finds them again", async () => {
    const run = terminal(`$run --rm -t $i $n sh -c 'sleep 0.5; stty size; read x; exit 6'`);
    await run.sees(/30 100/);
    run.types("\n");
    expect(await run.ended).toBe(6);
    const exec = terminal(
      `$run -d $i talks sleep 100; $c tasks exec -t --exec-id e talks sh -c 'sleep 0.5; stty size; exit 5'`,
    );
    await exec.sees(/30 100/);
    expect(await exec.ended).toBe(5);
    const says = terminal(`$run -d -t $i says sh -c 'until [ "$x" = end ]; do read x; echo said $x; done'`);
    expect(await says.ended).toBe(0);
    const attached = terminal("$c tasks attach says");
    attached.types("word\n");
    await attached.sees(/said word/);
    attached.types("end\n");
    await attached.ended;
  });

  test("pause and resume show in the list; exec is refused meanwhile", () => {
    const { output } = sh(`$run -d $i $n sleep 100; $c tasks pause $n; $c tasks ls | grep $n | grep -o PAUSED
      $c tasks exec --exec-id e $n true 2>&1 | grep -o paused | head -1; $c tasks resume $n; $c tasks ls | grep $n | grep -o RUNNING`);
    expect(output).toBe("PAUSED\npaused\nRUNNING");
  });

  test("processes and metrics of a container are told", () => {
    const { output } = sh(`$run -d --memory-limit 33554432 $i $n sh -c "sleep 100 & sleep 100"
      until_ '[ $($c tasks ps '$n' | wc -l) = 3 ]' && echo two; $c tasks metrics $n | grep -cE "memory|pids"`);
    expect(output).toMatch(/^two\n[1-9]/);
  });

  test("a container out of memory is killed, and everybody hears of it", () => {
    const { output } =
      sh(`$c events >events & p=$!; until_ "$c namespaces label ${place.cgroup.slice(1)} t=$RANDOM; [ -s events ]"
      $run --rm --memory-limit 16777216 $i $n sh -c 'x=$(head -c 64m /dev/zero | tr "\\0" a)'; echo $?
      until_ "grep -q /tasks/delete events"; kill $p; grep -o "/tasks/[a-z]*" events | uniq | xargs`);
    expect(output).toMatch(/^137\n/);
    for (const topic of ["create", "start", "oom", "exit", "delete"]) expect(output).toContain(`/tasks/${topic}`);
  });

  test("a container joins the namespaces of another; its children there end with it", () => {
    const { output } = sh(`$run -d --pid-file pid $i $n sleep 123; p=$(cat pid)
      said $run --rm --with-ns pid:/proc/$p/ns/pid $i b$n ps | grep -o "sleep 123"
      $run --rm --with-ns pid:/proc/$p/ns/pid $i d$n sh -c "sleep 4321 & exit 0"; until_ '! pgrep -f "^sleep 4321"' && echo gone`);
    expect(output).toBe("sleep 123\ngone");
  });

  test("a container runs from a folder in a control group of the caller's choice", () => {
    const { output } = sh(`mkdir -p root.d/bin; cp /bin/busybox root.d/bin/sh
      said $run --rm --cgroup ${place.cgroup}/chosen --rootfs $PWD/root.d $n /bin/sh -c 'read x </proc/self/cgroup; echo $x'`);
    expect(output).toEndWith(`${place.cgroup}/chosen`);
  });

  test("eight containers start at once", () => {
    const { output } = sh("for k in 1 2 3 4 5 6 7 8; do said $run --rm $i $n-$k echo r$k & done | sort | xargs");
    expect(output).toBe("r1 r2 r3 r4 r5 r6 r7 r8");
  });

  test("containers outlive a killed containerd, which finds them again", () => {
    const { output } = sh(`$run -d $i $n sh -c "while [ ! -e /go ]; do sleep 0.05; done; exit 5"
      kill -9 $(pgrep -f "^containerd -c $PWD"); until_ "! $c version"; ${START}; $c tasks ls | grep $n | grep -o RUNNING
      $c tasks exec --exec-id e $n touch /go; until_ "$c tasks ls | grep $n.*STOPPED"; $c tasks delete $n 2>&1 | grep -o "exit code 5"`);
    expect(output).toBe("RUNNING\nexit code 5");
  });

  test("nothing is left of removed containers: no control group, no mount, no state", () => {
    const { output } =
      sh(`for t in $($c tasks ls -q); do $c tasks delete -f $t; done &>/dev/null; $c containers ls -q | xargs -rn1 $c containers rm
      find /sys/fs/cgroup -mindepth 3 -path "*${place.cgroup}/*" -type d; grep "$PWD/state" /proc/self/mountinfo; ls states/* state/io.containerd.runtime.v2.task/*; true`);
    expect(output.replaceAll(/^\S+:\n?|^\n/gm, "")).toBe("");
  });
});
