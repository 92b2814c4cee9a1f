# The scenarios of guest.test.ts, one after the other on one machine. Each begins with a line "=== NAME"; what it prints
# after that is what the test of that name compares.
quiet=/dev/null # a file of the machine, as a container's output, could not be part of a checkpoint
COUNTER='.process.args = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done"]'
LINES='.process.args = ["sh", "-c", "n=0; while read x; do n=$((n+1)); echo $n $x; done; exit 7"]'

runc() { gantry runc "$@"; }
# bundle NAME FILTER: a copy of the payload's bundle with the configuration that jq makes of it; becomes the current directory.
bundle() {
  cp -a /payload/bundle "/$1"
  cd "/$1" || exit
  jq "$2" /payload/bundle/config.json >config.json
}
start() { runc run -d "$1" <"$quiet" >"$quiet" 2>&1 && await at_least "$1" 10; }
restore() { runc restore -d "$@" <"$quiet" >"$quiet" 2>error || cat error; }
state() { runc state "$1" 2>&1 | jq -r .status 2>"$quiet" || echo gone; }
pid() { jq .init_process_pid "/run/runc/$1/state.json"; }
at_least() { [ "$(cat "/proc/$(pid "$1")/root/tmp/n")" -ge "$2" ]; }
said() { grep -o 'msg=.*'; }
# Until the command succeeds, half a minute at most.
await() {
  local end=$((SECONDS + 30))
  while [ $SECONDS -lt $end ]; do
    "$@" >"$quiet" 2>&1 && return
    sleep 0.05
  done
  echo "never: $*"
}

echo "=== counter"
HOOK='[{path: "/bin/sh", args: ["sh", "-c", "jq -r .status >>/counter/hooks"]}]'
bundle counter "$COUNTER | .linux.resources.pids.limit = 64 | .hooks = {createRuntime: $HOOK, poststart: $HOOK, poststop: $HOOK}"
start counter
runc checkpoint --image-path /img-counter counter && state counter
jq -c . /img-counter/descriptors.json
ls -d /sys/fs/cgroup/counter 2>"$quiet" || echo no cgroup
restore --image-path /img-counter --pid-file pid counter
state counter
at_least counter 10 && echo went on
[ "$(cat pid)" = "$(pid counter)" ] && echo pid file
cat /sys/fs/cgroup/counter/pids.max
runc exec counter echo exec
grep -c criu-root /proc/self/mountinfo
runc delete -f counter
paste -sd' ' hooks

echo "=== leave-running"
bundle running "$COUNTER"
start running
runc checkpoint --leave-running --image-path /img-running running && state running
restore --image-path /img-running running | said
await at_least running 30 && echo goes on
runc delete -f running

echo "=== pre-dump"
bundle pipes "$LINES"
exec {both}<> <(:)
exec {in_r}</proc/self/fd/$both {in_w}>/proc/self/fd/$both {both}>&-
exec {both}<> <(:)
exec {out_r}</proc/self/fd/$both {out_w}>/proc/self/fd/$both {both}>&-
runc run -d pipes <&$in_r >&$out_w 2>"$quiet"
echo one >&$in_w && read -r -t 20 line <&$out_r && echo "$line"
runc checkpoint --pre-dump --image-path /img-pipes/first pipes && state pipes
runc checkpoint --parent-path ../first --image-path /img-pipes/second pipes && state pipes
readlink /img-pipes/second/parent
printf 'two\nthree\n' | runc restore --image-path /img-pipes/second pipes
echo "status $?"
state pipes

echo "=== terminal"
bundle terminal "$LINES | .process.terminal = true"
receive() { BUN_BE_BUN=1 exec gantry /payload/terminal.js "$@"; }
receive /run/console1 hello "1 hello" >received1 & first=$!
await test -S /run/console1
runc run -d --console-socket /run/console1 terminal
await grep seen received1 && cat received1
runc checkpoint --image-path /img-terminal terminal && state terminal
kill $first
receive /run/console2 again "2 again" >received2 & second=$!
await test -S /run/console2
runc restore -d --console-socket /run/console2 --image-path /img-terminal terminal && state terminal
await grep seen received2 && cat received2
kill $second
runc delete -f terminal

echo "=== refused"
bundle refused "$COUNTER"
runc run -d refused <"$quiet" >outside 2>"$quiet" && await at_least refused 5
runc checkpoint --image-path /img-refused refused 2>error
echo "status $?"
said <error | sed 's/(criu[^)]*)/(PLACE)/; s/mount=[0-9]*/mount=N/; /^msg="[0-9]*:/d; /^msg="\.\.\."$/d'
state refused
runc delete -f refused

echo "=== broken"
bundle broken "$COUNTER"
cp -a /img-counter /img-broken && rm /img-broken/pages-1.img
restore --image-path /img-broken --work-path /work-broken broken | said | grep -o '^msg="criu failed: type RESTORE errno 0: Error'
state broken
ls -d /run/runc/broken /sys/fs/cgroup/broken 2>&1
grep -c criu-root /proc/self/mountinfo
rm /img-broken/descriptors.json
restore --image-path /img-broken broken | said

echo "=== outside"
ip netns add outside
mkdir /data && echo old >/data/file
bundle outside "$COUNTER"' | (.linux.namespaces[] | select(.type == "network")).path = "/run/netns/outside"
  | .mounts += [{destination: "/link/deep/down", type: "bind", source: "/data", options: ["bind", "ro"]}]'
mkdir rootfs/real && ln -s /real rootfs/link
start outside
runc checkpoint --image-path /img-outside outside && state outside
rmdir rootfs/real/deep/down rootfs/real/deep
echo new >/data/file
restore --image-path /img-outside outside
cat "/proc/$(pid outside)/root/real/deep/down/file"
[ "$(stat -Lc %i /run/netns/outside)" = "$(stat -Lc %i "/proc/$(pid outside)/ns/net")" ] && echo same network
ls rootfs/real/deep
runc delete -f outside

echo "=== user namespace"
bundle user "$COUNTER"' | .linux.namespaces += [{type: "user"}]
  | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
chown -R 100000:100000 rootfs && chmod 755 / /user
mkdir -m 711 /img-user
start user
runc checkpoint --image-path /img-user user && state user
restore --image-path /img-user user
at_least user 10 && tr -s ' ' <"/proc/$(pid user)/uid_map"
runc delete -f user

echo "=== lazy pages"
bundle lazy "$COUNTER"
start lazy
exec {both}<> <(:)
exec {ready_r}</proc/self/fd/$both {ready_w}>/proc/self/fd/$both {both}>&-
runc checkpoint --lazy-pages --page-server 127.0.0.1:27277 --status-fd $ready_w --image-path /img-lazy lazy & dump=$!
read -r -t 20 -d '' -u $ready_r && echo ready
timeout 40 criu lazy-pages --page-server --address 127.0.0.1 --port 27277 -D /img-lazy & pages=$!
await test -S /img-lazy/lazy-pages.socket
restore --lazy-pages --work-path /img-lazy --image-path /img-lazy lazy-restored
wait $pages && echo fetched
wait $dump && echo dumped
at_least lazy-restored 10 && state lazy
runc delete -f lazy-restored
