#!/usr/bin/env bash
# Checks what an operator installs: Prometheus's configuration and rules with promtool, the unit with systemd-analyze; then runs a
# command with PROMETHEUS in its environment, the path of a real one.
#
#   deploy/check.sh [COMMAND [ARGUMENT...]]
#
# Prometheus is taken from PATH, else Debian's package is unpacked into the target folder; nothing is installed. What cannot be had is
# skipped with a SKIPPED line, and the command then runs without PROMETHEUS.
#
#   CI_INSTALL=no         unpack nothing
#   DEPLOY_STRICT=yes     something skipped is a failure
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/.." && pwd)"
tools="${CARGO_TARGET_DIR:-$root/target}/tools/prometheus"
skipped=0

skip() {
    skipped=$((skipped + 1))
    printf '\n!!! SKIPPED: %s\n\n' "$1" >&2
}

# Debian's package, unpacked.
unpack() {
    [ "${CI_INSTALL:-yes}" = yes ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    mkdir -p "$tools"
    (
        cd "$tools"
        # The package lists may be missing or old; without root they stay as they are.
        timeout 120 apt-get download prometheus || { timeout 300 apt-get update && timeout 120 apt-get download prometheus; }
        dpkg-deb -x prometheus_*.deb .
    ) >"$tools.log" 2>&1
}

have_prometheus() {
    export PATH="$PATH:$tools/usr/bin"
    command -v prometheus >/dev/null && command -v promtool >/dev/null && return 0
    unpack && command -v prometheus >/dev/null && command -v promtool >/dev/null
}

rules() {
    promtool check config "$here/prometheus/prometheus.yml"
    promtool test rules "$here/prometheus/hikyaku.rules.test.yml"
}

# The binary of the unit is not there, so one that is stands in for it.
unit() {
    local copy
    copy="$(mktemp -d)"
    sed "s#/usr/local/bin/hikyaku#$(command -v true)#" "$here/systemd/hikyaku.service" >"$copy/hikyaku.service"
    SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$copy/hikyaku.service"
    # Exposure in tenths: 0 is none, 100 all.
    systemd-analyze security --no-pager --offline=true --threshold=15 "$copy/hikyaku.service" | tail -n 1
    rm -rf "$copy"
}

if have_prometheus; then
    rules
    PROMETHEUS="$(command -v prometheus)"
    export PROMETHEUS
else
    skip "Prometheus is not here and could not be unpacked ($tools.log): its configuration, rules and alerts are unchecked"
fi
if command -v systemd-analyze >/dev/null && systemd-analyze security --help 2>/dev/null | grep -q -e --offline; then
    unit
else
    skip "systemd-analyze with --offline is not here: the unit is unchecked"
fi
[ "$#" -eq 0 ] || "$@"
[ "${DEPLOY_STRICT:-no}" != yes ] || [ "$skipped" -eq 0 ]
