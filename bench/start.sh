# How long from nothing to an answer: ./dev up with everything built, and a service that was killed with -9.
# A system of its own under run/bench-start; the supervisor brings back what dies.

start_state=run/bench-start

start_dev() {
    TONEARM_RUN=$ROOT/$start_state "$ROOT/dev" "$@" >>"$ROOT/run/log/bench-start.log" 2>&1 8>&-
}

seconds_since() { # of date +%s%N
    awk -v ns=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.3f\n", ns / 1e9 }'
}

# start_keep ROW SECONDS
start_keep() {
    keep "$1" ours echo "$2 0 0 0 0 0 0"
}

start_once() { # ROW
    local began
    began=$(date +%s%N)
    start_dev up --detach || fail "./dev up failed; all of it is in run/log/bench-start.log"
    start_keep "$1" "$(seconds_since "$began")"
}

# kill_once NAME: until its own /health answers, and until a request through the edge does.
kill_once() {
    local name=$1 state=$ROOT/$start_state began until key url old
    url=$(value "$state/tonearm.env" TONEARM_URL)
    key=$(value "$state/tonearm.env" TONEARM_API_KEY)
    until=$(($(date +%s) + 30))
    old=$(cat "$state/pid/$name")
    kill -9 "$old"
    began=$(date +%s%N)
    # The next one has to answer: what the killed one had started may do so for a moment.
    until [ "$(cat "$state/pid/$name" 2>/dev/null || echo "$old")" != "$old" ] && start_answers "$name" "$url" "$key"; do
        [ "$(date +%s)" -lt $until ] || fail "$name, killed, does not answer within 30 s"
        sleep 0.01
    done
    start_keep "killed-$name" "$(seconds_since "$began")"
}

# The edge answers when a request with a key goes through it.
start_answers() {
    case $1 in
    edge) curl -fsS -m 1 -o /dev/null -H @<(echo "X-API-Key: $3") "$2/media/tracks/latest" 2>/dev/null ;;
    *) curl -fsS -m 1 -o /dev/null "http://$(awk -v n="$1" '$1 == n { print $2 }' "$ROOT/$start_state/addresses")/health" 2>/dev/null ;;
    esac
}

bench_start() {
    local round name
    step "start"
    : >"$ROOT/run/log/bench-start.log"
    for round in $(seq "$rounds"); do
        start_dev down --wipe || true
        start_is_up=1
        watched start_once start-empty
        start_dev down
        watched start_once start-again
        sleep 31 # the supervisor waits longer for what dies soon again
        for name in auth media notify edge; do
            watched kill_once "$name"
        done
    done
    start_dev down --wipe
    start_is_up=
    done_step "$(median start-empty ours 1) s"
}

start_stop() {
    [ -z "${start_is_up:-}" ] || start_dev down || true
}
