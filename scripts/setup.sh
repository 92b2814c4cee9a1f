#!/bin/bash
# Makes a fresh clone ready for the purposes given as arguments: build (default), check, demo, test, bench.
# Idempotent, silent and quick when nothing is to do. Needs Node 20 or newer, npm and a C compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin

# What each purpose needs from the system: "what must be there" (a command or the pattern of a file) and the Debian package
# that brings it. A trailing "?" marks what the purpose can do without, at the price of a slower build or skipped tests.
packages_for() {
  case $1 in
    build | check)
      echo "strip binutils
            /usr/include/stdio.h libc6-dev
            /usr/include/linux/mount.h linux-libc-dev
            musl-gcc musl-tools?"
      ;;
    demo)
      packages_for build
      echo "/bin/busybox busybox-static"
      ;;
    bench)
      packages_for demo
      echo "runc runc?
            crun crun?"
      ;;
    test)
      packages_for bench
      echo "containerd containerd?
            ctr containerd?
            dockerd docker.io?
            podman podman?
            newuidmap uidmap?
            iptables iptables?
            ip iproute2?
            ps procps?
            jq jq?
            setpriv util-linux?
            setfattr attr?
            dbus-daemon dbus-daemon?
            getpcaps libcap2-bin?
            strace strace?
            clang clang?
            /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev?
            qemu-system-x86_64 qemu-system-x86?
            mmdebstrap mmdebstrap?
            mke2fs e2fsprogs?
            cpio cpio?
            curl curl?
            zstd zstd?"
      ;;
    *)
      echo "setup: unknown purpose \"$1\"; known: build check demo test bench" >&2
      exit 2
      ;;
  esac
}

stop() {
  echo "setup: $1" >&2
  exit 1
}

present() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# Prints the packages that are missing for the purposes given, one a line, "?" kept.
missing_packages() {
  local purpose need package
  for purpose in "$@"; do packages_for "$purpose"; done | sort -u | while read -r need package; do
    [ -z "$need" ] || present "$need" || echo "$package"
  done | sort -u
}

# Installs through apt without starting any service: dpkg asks policy-rc.d, which says no for as long as we are at work.
install_packages() {
  local policy=/usr/sbin/policy-rc.d guard="exit 101 # from scripts/setup.sh" log status=0
  log=$(mktemp)
  if [ ! -e $policy ] || grep -q "$guard" $policy; then
    printf '#!/bin/sh\n%s\n' "$guard" >$policy
    chmod +x $policy
    trap "rm -f $policy" EXIT
  fi
  echo "setup: installing $*" >&2
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  # One by one after a failure in common: a package that this release lacks must not keep out the others.
  local install=(apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300)
  { apt-get update -qq && "${install[@]}" "$@"; } >"$log" 2>&1 9>&- ||
    for package in "$@"; do
      "${install[@]}" "$package" >>"$log" 2>&1 9>&- || status=1
    done
  [ $status = 0 ] || tail -n 5 "$log" >&2
  rm -f "$log"
  if [ -x $policy ] && grep -q "$guard" $policy; then rm -f $policy; fi
}

debian_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # the list is meant to be split
    install_packages ${missing//\?/}
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
  fi
  local names=${missing//$'\n'/ }
  echo "setup: some things are missing; as root: apt-get install --no-install-recommends ${names//\?/}" >&2
  [ -z "$(grep -v '?$' <<<"$missing" || true)" ] || exit 1
}

toolchain() {
  command -v node >/dev/null || stop "Node 20 or newer with npm is needed; see https://nodejs.org"
  command -v npm >/dev/null || stop "npm is needed; it comes with Node"
  command -v cc >/dev/null || stop "a C compiler is needed; on Debian: apt-get install gcc libc6-dev"
}

# Whether the lock file is the one that was installed, by us or by hand.
npm_packages_installed() {
  [ -x node_modules/.bin/bun ] || return 1
  [ node_modules/.package-lock.json -nt package-lock.json ] || [ "$(cat $1 2>/dev/null)" = "$2" ]
}

# npm ci unless it is done already; then Bun, whose own install script npm may have held back.
npm_packages() {
  local stamp=node_modules/.lock.sha256 want
  want=$(sha256sum <package-lock.json)
  if ! npm_packages_installed $stamp "$want"; then
    [ "$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ] ||
      stop "Node $(node --version) is too old; 20 or newer is needed"
    echo "setup: installing npm packages" >&2
    npm ci --ignore-scripts --silent --no-audit --no-fund 9>&- || npm ci --ignore-scripts --no-audit --no-fund >&2 9>&-
    echo "$want" >$stamp
  fi
  if ! node_modules/.bin/bun --version >/dev/null 2>&1; then
    (cd node_modules/bun && node install.js) >&2 9>&- || true
    node_modules/.bin/bun --version >/dev/null || stop "bun does not run on this machine"
  fi
}

main() {
  [ $# -gt 0 ] || set -- build
  mkdir -p build
  exec 9>build/.setup.lock
  flock 9
  toolchain
  debian_packages "$@"
  npm_packages
  node_modules/.bin/bun scripts/build-native.ts 9>&-
}

main "$@"
