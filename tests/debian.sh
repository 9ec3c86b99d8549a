# Sourced by what installs servers and tools on Debian. None of them is started as a service.
# shellcheck shell=bash

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Reads lines of a tool's path and its package, and installs the packages of tools that aren't there.
install_missing() {
  local missing
  missing=$(while read -r tool package; do [ -e "$tool" ] || echo "$package"; done | sort -u)
  if [ -n "$missing" ]; then
    echo "installing $(echo "$missing" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word for each package
    install_packages $missing
  fi
}

# Debian starts what it installs. A policy-rc.d that forbids it stands there for the time of the install
# only, and one that was there before is put back.
install_packages() {
  local policy=/usr/sbin/policy-rc.d kept=
  if [ -e "$policy" ]; then
    kept=$(mktemp)
    as_root cp -a "$policy" "$kept"
  fi
  restore() {
    if [ -n "$kept" ]; then as_root cp -a "$kept" "$policy"; as_root rm -f "$kept"; else as_root rm -f "$policy"; fi
  }
  trap restore EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  restore
  trap - EXIT
}
