#!/usr/bin/env bash
# Runs a command against message centres that we did not write, one after the other: the npm package `smpp` and the PyPI
# package `smpp34`. Both are installed into the target folder, nothing elsewhere.
#
#   tests/peers/run.sh [COMMAND [ARGUMENT...]]
#
# COMMAND is run once for each peer with PEER_NAME (node-smpp, smpp34) and PEER_PORT (a port on 127.0.0.1 that takes any
# system_id and password) in its environment; without one, tests/peers/probe.py is run. Then the peer is stopped and the
# counts it kept are printed as one JSON line and written to $PEERS/NAME.json; a copy or a receipt still waiting is a failure.
#
# A peer that cannot be installed (no node or python3, registry out of reach) is skipped with a SKIPPED line.
#
#   PEERS=target/peers   where packages, logs and counts go
#   PEER_ONLY=NAME       only this peer
#   PEER_OPTIONS=...     options for the message centres, such as `--no-tlvs` or `--receipt-delay-ms 50`
#   PEER_STRICT=yes      a skipped peer is a failure
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
peers="${PEERS:-${CARGO_TARGET_DIR:-$root/target}/peers}"
mkdir -p "$peers"
peers="$(cd "$peers" && pwd)"
read -r -a options <<<"${PEER_OPTIONS:-}"
ran=() skipped=() failed=()
server_pid=

trap '[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true' EXIT

skip() {
    skipped+=("$1")
    printf '\n!!! SKIPPED: peer %s: %s\n\n' "$1" "$2" >&2
}

install_node_smpp() {
    command -v node >/dev/null && command -v npm >/dev/null || { skip node-smpp "node and npm are not installed"; return 1; }
    local into="$peers/node-smpp"
    cmp -s "$here/node-smpp/package.json" "$into/package.json" && [ -d "$into/node_modules/smpp" ] && return 0
    rm -rf "$into" && mkdir -p "$into" && cp "$here/node-smpp/package.json" "$into/"
    if ! npm install --prefix "$into" --no-audit --no-fund --loglevel=error --fetch-retries=1 >"$peers/node-smpp.install.log" 2>&1; then
        rm -rf "$into"
        skip node-smpp "npm could not install it (registry out of reach?), see $peers/node-smpp.install.log"
        return 1
    fi
}

install_smpp34() {
    command -v python3 >/dev/null || { skip smpp34 "python3 is not installed"; return 1; }
    local into="$peers/smpp34"
    cmp -s "$here/smpp34/requirements.txt" "$into/requirements.txt" && [ -x "$into/bin/python" ] && return 0
    rm -rf "$into"
    if ! { python3 -m venv "$into" &&
        "$into/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 -r "$here/smpp34/requirements.txt"; } \
        >"$peers/smpp34.install.log" 2>&1; then
        rm -rf "$into"
        skip smpp34 "pip could not install it (registry out of reach?), see $peers/smpp34.install.log"
        return 1
    fi
    cp "$here/smpp34/requirements.txt" "$into/"
}

start_node_smpp() {
    NODE_PEER_MODULES="$peers/node-smpp/node_modules" exec node "$here/node-smpp/server.mjs" 0 "${options[@]}"
}

start_smpp34() {
    exec "$peers/smpp34/bin/python" "$here/smpp34/server.py" 0 "${options[@]}"
}

# Waits for the `listening PORT` line and prints PORT.
port_of() {
    local log="$1" pid="$2" tries
    for ((tries = 0; tries < 200; tries++)); do
        sed -n 's/^listening \([0-9]*\)$/\1/p' "$log" | grep . && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    return 1
}

run_peer() {
    local name="$1" start="$2" log="$peers/$1.log" port status=0
    shift 2
    : >"$log"
    "$start" >"$log" 2>&1 &
    server_pid=$!
    if ! port="$(port_of "$log" "$server_pid")"; then
        printf '!!! FAILED: peer %s did not start:\n' "$name" >&2
        cat "$log" >&2
        failed+=("$name")
        return
    fi
    printf '\n=== peer %s on port %s\n' "$name" "$port"
    PEER_NAME="$name" PEER_PORT="$port" "$@" || status=$?
    kill -TERM "$server_pid"
    wait "$server_pid" || status=$?
    server_pid=
    grep '^{' "$log" | tee "$peers/$name.json"
    ran+=("$name")
    if [ "$status" -ne 0 ] || ! grep -q '"copies": \?0,' "$peers/$name.json" ||
        ! grep -q '"receipts_waiting": \?0,' "$peers/$name.json"; then
        printf '!!! FAILED: peer %s (status %d), log in %s\n' "$name" "$status" "$log" >&2
        failed+=("$name")
    fi
}

probe() {
    python3 "$here/probe.py" "$PEER_PORT"
}

[ "$#" -gt 0 ] || set -- probe
wanted() { [ -z "${PEER_ONLY:-}" ] || [ "$PEER_ONLY" = "$1" ]; }

if wanted node-smpp && install_node_smpp; then run_peer node-smpp start_node_smpp "$@"; fi
if wanted smpp34 && install_smpp34; then run_peer smpp34 start_smpp34 "$@"; fi

printf '\npeers: %d ran, %d failed, %d SKIPPED%s\n' "${#ran[@]}" "${#failed[@]}" "${#skipped[@]}" "${skipped[*]:+ (${skipped[*]})}"
[ "${#failed[@]}" -eq 0 ]
[ "${PEER_STRICT:-no}" != yes ] || [ "${#skipped[@]}" -eq 0 ]
