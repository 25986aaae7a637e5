# What others get of the edge while two clients attack it. Sourced by tools/dev/bench.sh.
# The edge and its backend have one core, the other clients (8 connections by wrk) the other; the attackers share that one
# at nice 5, a quarter of it where the clients want it all: what they do to the edge counts, not what they take from wrk.
# A line of $B/results/attacks: NAME|before|under attack|peak KiB|alive|connections|bursts

attack_names="rapid resets
made resets
empty continuations
pings
settings
header bombs
slow heads"

# others_once SECONDS: answers a second that the other clients get.
others_once() {
    local seconds=$1 rate
    read -r rate _ < <(wrk_once "http://127.0.0.1:$attacked_port/answer.json" "" "$attacked_pid" 8)
    echo "$rate"
}

attack_edge_start() {
    sed -e '/^plugins:/,$d' -e "s/@BACKEND@/127.0.0.1:$backend_port/" "$ROOT/bench/edge.yml" >"$B/attacks.yml"
    attacked_port=$(free_port 18140)
    EDGE_LISTEN=127.0.0.1:$attacked_port EDGE_TLS_LISTEN='' EDGE_ADMIN_LISTEN='' EDGE_CONFIG=$B/attacks.yml EDGE_THREADS=1 NATS_URL='' \
        taskset -c "$edge_core" "$BIN/tonearm-edge" </dev/null >>"$B/edge-attacked.log" 2>&1 8>&- &
    attacked_pid=$!
    started+=($!)
    wait_port "$attacked_port" || fail "the edge to be attacked does not start"
}

# attack_once NAME
attack_once() {
    local before under alive=no attacker
    before=$(others_once 3)
    echo 5 >"/proc/$attacked_pid/clear_refs" # the peak is of what comes now
    nice -n 5 taskset -c "$load_core" timeout $((seconds + 30)) "$BUILD/bench/bench_attacks" "$1" "$attacked_port" $((seconds + 1)) </dev/null >"$B/attack.out" 2>&1 8>&- &
    attacker=$!
    sleep 0.5
    under=$(others_once "$seconds")
    wait "$attacker" || fail "bench_attacks '$1': $(tail -n 1 "$B/attack.out")"
    [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$attacked_port/answer.json")" = 200 ] && kill -0 "$attacked_pid" && alive=yes
    echo "$1|$before|$under|$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$attacked_pid/status")|$alive|$(awk '$1 == "RESULT" { print $2 "|" $3 }' "$B/attack.out")" >>"$B/results/attacks"
}

bench_attacks() {
    local name load_core=0 edge_core=0 cores
    cores=$(nproc)
    [ "$cores" -lt 2 ] || edge_core=1
    attack_edge_start
    taskset -cp "$load_core" $BASHPID >/dev/null
    for name in $backend_pid $(pgrep -P "$backend_pid"); do taskset -cp "$edge_core" "$name" >/dev/null; done
    rm -f "$B/results/attacks"
    while read -r name; do
        step "$name"
        watched attack_once "$name"
        done_step
    done <<<"$attack_names"
    taskset -cp "0-$((cores - 1))" $BASHPID >/dev/null
}

section_attacks() {
    printf '## Under attack\n\n'
    printf 'Two attacking clients for %s s over HTTP/2 by prior knowledge (slow heads: 1,000 connections); others are 8 connections by wrk. One\n' "$seconds"
    printf 'process of the edge. It and its backend have one core, the others the second, the attackers share that one at nice 5.\n\n'
    printf '| %-20s | %10s | %12s | %5s | %8s | %8s | %8s | %5s | %-11s | %-10s |\n' "attack" "others /s" "under attack" "ratio" "must be" "peak MiB" "must be" "alive" "connections" "bursts"
    printf '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n'
    awk -F'|' '{ printf "| %-20s | %10.0f | %12.0f | %5.2f | %8s | %8.1f | %8s | %5s | %-11s | %-10s |\n", $1, $2, $3, ($2 ? $3 / $2 : 0), "0.5", $4 / 1024, "under 64", $5, $6, $7 }' "$B/results/attacks"
}
