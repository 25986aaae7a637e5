# ./dev bench [--write] [NAME ...]: measured side by side with peers in one run, then stopped. Loopback only; everything is bounded.
#   --write puts what was found into docs/performance.md, the section of each NAME.
#   BENCH_SECONDS (5) of each measurement, BENCH_ROUNDS (3) of which the median counts.

# In this order: memory at rest is taken before anything is stored.
benches="start memory edge attacks services nats auth file store"

dev_bench() {
    local wanted= name write=
    [ "${1:-}" != --write ] || {
        write=1
        shift
    }
    for name in ${*:-$benches}; do
        case " $benches " in *" $name "*) ;; *) fail "bench: no '$name'; there are: $benches" 64 ;; esac
    done
    for name in $benches; do
        case " ${*:-$benches} " in *" $name "*) wanted="$wanted $name" ;; esac
    done
    B=$ROOT/run/bench
    . "$ROOT/bench/load.sh"
    . "$ROOT/bench/nginx.sh"
    . "$ROOT/bench/system.sh"
    . "$ROOT/bench/memory.sh"
    . "$ROOT/bench/start.sh"
    . "$ROOT/bench/attacks.sh"
    . "$ROOT/bench/field.sh"
    . "$ROOT/bench/auth.sh"
    . "$ROOT/bench/aims.sh"
    . "$ROOT/bench/report.sh"
    [[ $seconds =~ ^[1-9][0-9]?$ && $rounds =~ ^[1-9]$ ]] || fail "BENCH_SECONDS is 1 to 99, BENCH_ROUNDS 1 to 9" 64
    tracks=12
    started=()
    mkdir -p "$B" "$ROOT/run/log"
    exec 8>"$ROOT/run/bench.lock"
    flock -n 8 || fail "another ./dev bench is at work"
    install up bench
    step "building"
    build_all
    build_in "$BUILD" # sets up what is new
    ninja -C "$BUILD" bench/bench_nats bench/bench_auth bench/bench_store bench/bench_attacks >"$ROOT/run/log/bench-build.log" 2>&1 || {
        tail -n 20 "$ROOT/run/log/bench-build.log" >&2
        fail "the benches do not build"
    }
    done_step
    trap 'bench_stop' EXIT
    trap 'exit 130' INT TERM
    rm -rf "$B/results" "$B/bench-store"
    mkdir -p "$B/results"
    nginx_backend_start
    for name in $wanted; do
        bench_now=$name
        case $name in start | store | attacks) ;; *) [ -n "${system_is_up:-}" ] || bench_system "$wanted" ;; esac
        "bench_$name"
    done
    echo
    # shellcheck disable=SC2086
    report $wanted
    case $(grep -c . "$B/results/failed" 2>/dev/null || true) in '' | 0) ;; *) fail "measurements with failures are no measurements: $(cat "$B/results/failed")" ;; esac
    [ -z "$write" ] || for name in $wanted conditions; do
        write_section "$name"
    done
}

# nginx with files: what both gateways stand before, and the measure of how busy the machine is.
nginx_backend_start() {
    backend_port=$(free_port 18110)
    nginx_files
    nginx_start backend "$backend_port"
    alone static wrk_once "http://127.0.0.1:$backend_port/answer.json" "" "$backend_pid"
}

# The system, and what stands beside it. Memory at rest is taken of an empty library, before the first load.
bench_system() {
    system_is_up=1
    system_up
    case " $1 " in *" memory "*) memory_rest ;; esac
    system_fill
    gate_port=$(free_port 18120)
    gate_tls_port=$(free_port 18563)
    front_port=$(free_port 18130)
    step "nginx and an edge with one thread"
    nginx_key
    nginx_start gate "$gate_port"
    nginx_start front "$front_port"
    edge_start
    done_step
}

bench_edge() {
    local ours=http://127.0.0.1:$edge_port/answer.json peer=http://127.0.0.1:$gate_port/answer.json side
    local ours_tls=https://127.0.0.1:$edge_tls_port/answer.json peer_tls=https://127.0.0.1:$gate_tls_port/answer.json
    for side in "$ours" "$peer" "$ours_tls" "$peer_tls"; do
        expect 200 206 "$side" "X-API-Key: $key"
        expect 401 - "$side"
        expect 401 - "$side" "X-API-Key: ta_000000000000000000000000_x"
    done
    sides edge-h1 wrk_once "$ours" "X-API-Key: $key" "$edge_pid" -- "$peer" "X-API-Key: $key" "$gate_pid"
    sides edge-h2 h2_once "$ours_tls" "$key" "$edge_pid" -- "$peer_tls" "$key" "$gate_pid"
    bench_field
}

# One connection as a browser has, and eight.
bench_file() {
    local ours=http://127.0.0.1:$edge_port/50m.bin peer=http://127.0.0.1:$gate_port/50m.bin side
    for side in "$ours" "$peer"; do
        expect 200 50000000 "$side" "X-API-Key: $key"
        curl -sS -H @<(echo "X-API-Key: $key") "$side" | cmp - "$B/nginx/www/50m.bin" || fail "$side is not the file"
    done
    sides file-1 file_once "$ours" "X-API-Key: $key" "$edge_pid" 1 -- "$peer" "X-API-Key: $key" "$gate_pid" 1
    sides file-8 file_once "$ours" "X-API-Key: $key" "$edge_pid" 8 -- "$peer" "X-API-Key: $key" "$gate_pid" 8
}

# MB a second, from the bytes that came: a download cut off by the end of the time counts as far as it came.
file_once() {
    local rate p50 p99 failures load served megabytes
    read -r rate p50 p99 failures load served megabytes < <(wrk_once "$@")
    awk -v b="$megabytes" -v r="$rate" -v us="$served" -v l="$load" -v f="$failures" -v p50="$p50" -v p99="$p99" \
        'BEGIN { printf "%.1f %d %d %d %.2f %.2f 0\n", b, p50, p99, f, l, b ? us * r / 1e6 / (b / 1e3) : 0 }'
}

# Direct, beside nginx with the very same bytes in a file; through the edge as shipped, beside nginx doing the same.
bench_services() {
    local signed="X-API-Key: $key
Authorization: Bearer $token" keyed="X-API-Key: $key" auth media edge
    auth=$(cat "$B/pid/auth") media=$(cat "$B/pid/media") edge=$(cat "$B/pid/edge")
    service_row profile auth /profile/mine "$signed" "$auth"
    service_row latest media /tracks/latest "$keyed" "$media"
    expect 200 - "$auth_url/verify/apikey" "$keyed"
    alone verify-direct wrk_once "$auth_url/verify/apikey" "$keyed" "$auth"
}

# service_row NAME SERVICE PATH HEADERS PID
service_row() {
    local row=$1 service=$2 path=$3 headers=$4 pid=$5 base=${2}_url file
    file=http://127.0.0.1:$backend_port/$row.json
    curl -sS -m 10 -o "$B/nginx/www/$row.json" -H @<(echo "$headers") "${!base}$path"
    expect 401 - "${!base}$path"
    for side in "${!base}$path" "$url/$service$path" "http://127.0.0.1:$front_port/$service$path"; do
        expect 200 "$(stat -c %s "$B/nginx/www/$row.json")" "$side" "$headers"
    done
    sides "$row-direct" wrk_once "${!base}$path" "$headers" "$pid" -- "$file" "" "$backend_pid"
    sides "$row-edge" wrk_once "$url/$service$path" "$headers" "$edge $pid" -- \
        "http://127.0.0.1:$front_port/$service$path" "$headers" "$front_pid $pid"
}

# nats_once MODE PIDS [BETWEEN]: a line for each RESULT of bench_nats, with what the asked processes used, and as an
# eighth what stood BETWEEN them.
nats_once() {
    local before between=0 used
    # shellcheck disable=SC2086
    before=$(ticks $2)
    [ -z "${3:-}" ] || between=$(ticks "$3")
    used=$(timed "$B/nats.out" "$BUILD/bench/bench_nats" "$1" "$seconds")
    [ -z "${3:-}" ] || between=$(($(ticks "$3") - between))
    # shellcheck disable=SC2086
    awk -v used="$used" -v served=$(($(ticks $2) - before)) -v between="$between" -v seconds="$seconds" '
        $1 == "RESULT" {
            found = 1
            answers = $4 * seconds
            printf "%s %s %s %s %.2f %.1f 0 %.1f\n", $4, $5, $6, $7, used / seconds, answers ? served * 1e4 / answers : 0, answers ? between * 1e4 / answers : 0
        }
        END { if (!found) print "0 0 0 1 0 0 0 0" }' "$B/nats.out"
}

bench_nats() {
    local port
    export BENCH_TOKENS=$B/tokens NATS_URL
    NATS_URL=$(value "$B/tonearm.env" NATS_URL)
    alone nats-token nats_once token "$(cat "$B/pid/auth")" "$(cat "$B/pid/nats")"
    # A server where anybody may serve: the system's own lets only its services.
    port=$(free_port 14322)
    mkdir -p "$B/nats-echo"
    (umask 077 && printf 'listen: "127.0.0.1:%s"\nauthorization { user: bench, password: %s }\n' "$port" "$(cat "$(secret bench)")" >"$B/nats-echo/conf")
    nats-server -c "$B/nats-echo/conf" </dev/null >>"$B/log/nats-echo.log" 2>&1 8>&- &
    started+=($!)
    wait_port "$port" || fail "no nats-server on port $port"
    NATS_URL=nats://bench:$(cat "$(secret bench)")@127.0.0.1:$port
    sides nats-echo nats_once echo $! -- plain $!
}

# The writes are scaled by what nginx did before and after; a look-up is one thread's work and counted by its CPU.
bench_store() {
    step "store"
    rm -rf "$B/bench-store"
    mkdir -p "$B/bench-store"
    yardstick store-insert-8
    watched timeout $((seconds * 100 + 900)) "$BUILD/bench/bench_store" "$B/bench-store" "$ROOT/bench/migrations" "$seconds" "$rounds" >"$B/store.out" 2>"$B/store.err" 8>&- || {
        tail -n 5 "$B/store.err" >&2
        fail "bench_store failed"
    }
    yardstick store-insert-8
    local row side rest
    while read -r _ row side rest; do
        keep "$row" "$side" echo "$rest"
    done < <(grep '^RESULT' "$B/store.out")
    rm -rf "$B/bench-store"
    done_step
}
