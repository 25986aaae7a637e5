# Memory: the sum of PSS (what a process has to itself, and its part of what it shares), of a process and all below it.

# pss PID...: KiB
pss() {
    rollup Pss "$@"
}

# rollup FIELD PID...: the sum over them and all below, in KiB.
rollup() {
    local pid field=$1
    shift
    for pid in $(tree "$@"); do
        cat "/proc/$pid/smaps_rollup" 2>/dev/null || true
    done | awk -v field="$field:" '$1 == field { sum += $2 } END { print sum + 0 }'
}

memory_parts="edge auth media notify"

memory_take() { # memory_take WHEN: raises what $B/results/memory.PART.WHEN says, when there is more now
    local part now
    for part in $memory_parts; do
        now=$(pss "$(cat "$B/pid/$part")")
        [ "$now" -le "$(cat "$B/results/memory.$part.$1" 2>/dev/null || echo 0)" ] || echo "$now" >"$B/results/memory.$part.$1"
    done
}

memory_seconds=30

# As the system stands a minute after its start, and nobody has asked it for anything.
memory_rest() {
    step "a minute at rest"
    sleep 60
    memory_take rest
    done_step
}

# What the four processes have to do at once: sign-ins (argon2 costs memory by design), profiles, lists, uploads.
memory_load() {
    local i seconds=$memory_seconds loads=() half=$(((connections - 4) / 2))
    BENCH_HEADERS="X-API-Key: $key" BENCH_BODY=$admin_body timeout $((seconds + 10)) wrk -t1 -c4 -d"${seconds}s" -s "$ROOT/bench/wrk.lua" "$url/auth/signin/basic" >"$B/memory3.out" 2>&1 8>&- &
    loads+=($!)
    BENCH_HEADERS="X-API-Key: $key
Authorization: Bearer $token" timeout $((seconds + 10)) wrk -t1 -c$half -d"${seconds}s" -s "$ROOT/bench/wrk.lua" "$url/auth/profile/mine" >"$B/memory1.out" 2>&1 8>&- &
    loads+=($!)
    BENCH_HEADERS="X-API-Key: $key" timeout $((seconds + 10)) wrk -t1 -c$half -d"${seconds}s" -s "$ROOT/bench/wrk.lua" "$url/media/tracks/latest" >"$B/memory2.out" 2>&1 8>&- &
    loads+=($!)
    (
        started=()
        id=$(ask POST /media/studio/tracks "$admin" '{"title":"Heavy piece"}' | jq -r .id)
        for _ in 1 2 3; do
            ask PUT "/media/studio/tracks/$id/audio" "$admin" "@$B/sine.flac" application/octet-stream >/dev/null
        done
    ) 8>&- &
    loads+=($!)
    for i in $(seq $((seconds * 4))); do
        memory_take load
        sleep 0.25
    done
    wait "${loads[@]}"
}

bench_memory() {
    step "memory"
    watched memory_load
    local part rest=0 load=0
    for part in $memory_parts; do
        rest=$((rest + $(cat "$B/results/memory.$part.rest")))
        load=$((load + $(cat "$B/results/memory.$part.load")))
    done
    echo "$rest" >"$B/results/memory.all.rest"
    echo "$load" >"$B/results/memory.all.load"
    done_step
}
