# Loads, and what is known about them afterwards. Sourced by tools/dev/bench.sh; $B is the folder of the bench.
# One measurement is a line in $B/results/ROW.SIDE:
#   rate p50_us p99_us failures load_cpu(cores) served_cpu(us per answer, or s per GB for a file) MB/s [cpu_between PSS_KiB]

seconds=${BENCH_SECONDS:-5}
rounds=${BENCH_ROUNDS:-3}
connections=64
bench_now=first

# tree PID...: these processes and all below them.
tree() {
    ps -eo pid=,ppid= | awk -v roots="$*" '
        { parent[$1] = $2 }
        END {
            n = split(roots, r, " ")
            for (i = 1; i <= n; i++) in_tree[r[i]] = 1
            for (again = 1; again;) {
                again = 0
                for (p in parent) if (!in_tree[p] && in_tree[parent[p]]) { in_tree[p] = 1; again = 1 }
            }
            for (p in parent) if (in_tree[p]) print p
        }'
}

# ticks PID...: processor time that they and all below them have used, in 1/100 s.
ticks() {
    local pid sum=0 line fields
    for pid in $(tree "$@"); do
        line=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        read -ra fields <<<"${line##*) }"
        sum=$((sum + fields[11] + fields[12]))
    done
    echo "$sum"
}

# What the whole machine has worked, and what of it was this run with all that it started (also what has ended), in 1/100 s.
machine_ticks() {
    awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat
}

own_ticks() {
    local pid sum=0 line fields
    for pid in $(tree $$ "$(cat "$B/pid/supervise" "$ROOT/$start_state/pid/supervise" 2>/dev/null || true)"); do
        line=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        read -ra fields <<<"${line##*) }"
        sum=$((sum + fields[11] + fields[12] + fields[13] + fields[14]))
    done
    echo "$sum"
}

# watched COMMAND...: runs it, and notes how much of one core others took meanwhile: a machine that is not quiet measures too little.
watched() {
    local machine own began status=0
    machine=$(machine_ticks) own=$(own_ticks) began=$(date +%s%N)
    "$@" || status=$?
    awk -v m=$(($(machine_ticks) - machine)) -v o=$(($(own_ticks) - own)) -v ns=$(($(date +%s%N) - began)) \
        'BEGIN { others = (m - o) * 1e7 / ns; printf("%.2f\n", (others > 0 ? others : 0)) }' >>"$B/results/others.$bench_now"
    return $status
}

# timed OUT COMMAND...: runs it bounded; prints the processor time it used, in seconds. Its output goes to OUT.
timed() {
    local out=$1 used
    shift
    local TIMEFORMAT='%U %S'
    used=$({ time timeout $((seconds * 2 + 30)) "$@" >"$out" 2>&1 </dev/null 8>&- || true; } 2>&1)
    awk '{ print $1 + $2 }' <<<"$used"
}

# wrk_once URL HEADERS PIDS [CONNECTIONS]
wrk_once() {
    local url=$1 headers=$2 pids=$3 before used
    # shellcheck disable=SC2086
    before=$(ticks $pids)
    used=$(BENCH_HEADERS=$headers timed "$B/wrk.out" wrk -t1 -c"${4:-$connections}" -d"${seconds}s" --timeout 10s -s "$ROOT/bench/${BENCH_SCRIPT:-wrk.lua}" "$url")
    # shellcheck disable=SC2086
    awk -v used="$used" -v served=$(($(ticks $pids) - before)) '
        $1 == "RESULT" && $2 > 0 {
            found = 1
            printf "%.1f %d %d %d %.2f %.1f %.1f\n", $2 * 1e6 / $3, $6, $7, $5, used * 1e6 / $3, served * 1e4 / $2, $4 / $3
        }
        END { if (!found) print "0 0 0 1 0 0 0" }' "$B/wrk.out"
}

# The 50th and the 99th percentile of the numbers in its input, a line each.
percentiles() {
    sort -n | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] + 0, line[int((NR * 99 + 99) / 100)] + 0 }'
}

# h2_once URL KEY PIDS: h2load takes headers from argv only; KEY is this run's own and ends with it.
h2_once() {
    local url=$1 key=$2 pids=$3 before used served
    # shellcheck disable=SC2086
    before=$(ticks $pids)
    used=$(timed "$B/h2load.out" h2load -t1 -c32 -m16 -D "$seconds" -H "x-api-key: $key" "$url")
    # shellcheck disable=SC2086
    served=$(($(ticks $pids) - before))
    # The log that percentiles are taken from costs h2load more where more is answered: a second of its own.
    rm -f "$B/h2load.log"
    timed "$B/h2load.log.out" h2load -t1 -c32 -m16 -D 1 --log-file "$B/h2load.log" -H "x-api-key: $key" "$url" >/dev/null
    awk -v used="$used" -v served="$served" -v seconds="$seconds" '
        /^finished in/ { rate = $4 }
        /^requests:/ { failed = $10 + $12 + $14 }
        /^status codes:/ { good = $3; failed += $5 + $7 + $9 }
        END {
            if (good + 0 == 0) print "0 0 0 1 0 0 0"
            else printf "%.1f %s %d %.2f %.1f 0\n", good / seconds, percentiles, failed, used / seconds, served * 1e4 / good
        }' percentiles="$(cut -f 3 "$B/h2load.log" | percentiles)" <(tr -d ',' <"$B/h2load.out")
}

# keep ROW SIDE COMMAND...: adds the measurement that it prints.
keep() {
    local file=$B/results/$1.$2
    shift 2
    "$@" >>"$file"
}

# sides ROW KIND OURS... -- PEER...: measures the two in turns, after a second of each that does not count.
# KIND is wrk_once or h2_once; the words before and after -- are its arguments.
sides() {
    local row=$1 kind=$2 ours=() peer=() round
    shift 2
    while [ "$1" != -- ]; do
        ours+=("$1")
        shift
    done
    shift
    peer=("$@")
    step "$row"
    (
        seconds=1
        "$kind" "${ours[@]}" >/dev/null
        "$kind" "${peer[@]}" >/dev/null
    )
    for round in $(seq "$rounds"); do
        watched keep "$row" ours "$kind" "${ours[@]}"
        watched keep "$row" peer "$kind" "${peer[@]}"
        yardstick "$row"
    done
    done_step "$(median "$row" ours 1 | cut -d. -f1) against $(median "$row" peer 1 | cut -d. -f1)"
}

# alone ROW KIND ARGS...: the same without a peer.
alone() {
    local row=$1 kind=$2 round
    shift 2
    step "$row"
    (
        seconds=1
        "$kind" "$@" >/dev/null
    )
    for round in $(seq "$rounds"); do
        watched keep "$row" ours "$kind" "$@"
        yardstick "$row"
    done
    done_step "$(median "$row" ours 1 | cut -d. -f1)"
}

# median ROW SIDE COLUMN: of the measurement whose rate is the median; failures of all rounds are summed in column 4.
median() {
    [ -s "$B/results/$1.$2" ] || {
        echo 0
        return
    }
    sort -n "$B/results/$1.$2" | awk -v column="$3" '{ line[NR] = $column; failed += $4 } END { print column == 4 ? failed : line[int((NR + 1) / 2)] }'
}
