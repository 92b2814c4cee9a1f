#!/bin/bash
# Lives as long as its standard input: a place for daemons, with mounts, processes and a network of its own.
set -eu
read -r pid _ </proc/self/stat # as the outside numbers us: this /proc is still the outer one
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/lock /run/netns
[ ! -d /var/lib/cni ] || mount -t tmpfs tmpfs /var/lib/cni
# A shim of containerd gives up on the control group of a process when one of the kernel's hierarchies is not mounted.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  hierarchies=$(cat /proc/self/cgroup) # at once: the list may change while we read
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r _ names _; do
    folder=/sys/fs/cgroup/${names#name=}
    case $names in
      "") mkdir $folder/unified && mount -t cgroup2 cgroup2 $folder/unified ;;
      name=*) mkdir "$folder" && mount -t cgroup -o "none,$names" cgroup "$folder" ;;
      *) mkdir "$folder" && mount -t cgroup -o "$names" cgroup "$folder" ;;
    esac
  done <<<"$hierarchies"
fi
mount --make-rshared /
ip link set lo up
echo "$pid"
read -r _ || true # bash reaps what is handed to it meanwhile
