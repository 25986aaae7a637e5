# What is aimed at, and the table that says how far each figure is from it. Sourced by tools/dev/bench.sh.
#
# ROW KIND AIM, by |. KIND:
#   rate     answers a second on a quiet machine: what was measured is scaled by nginx here over nginx there (scale_of),
#            and is at most what all cores can do at the CPU that one answer cost, of servers and load together
#   core     answers a second of one core that has nothing else to do: by the CPU of one answer, of one thread's work
#   ratio    ours over the peer of the same run
#   thread   the same for one thread each; beside it the ratio of the processor time that they take for an answer, which
#            is what counts where load, edge and backend do not have to share two cores
#   p99      ours at most the peer's, of the same run, the quietest round of each: where the machine is shared, a tail is
#            mostly the time that others had the processor
#   most     at most so many MiB
#   seconds  at most so many
#   same     two medians, apart by at most this part of the longer
#   flat     one row's rate of a core over another's: the name is ROW/ROW
aims() {
    cat <<'TEXT'
edge-h1|thread|1.1
edge-h1|p99|1.0
edge-h2|thread|2.4
routes-1000|thread|1.1
chain|thread|0.9
nats-route|ratio|0.5
profile-edge|rate|18000
latest-edge|rate|22000
nats-token|rate|20000
auth-asked|rate|20000
auth-remembered|rate|100000
auth-profile-edge|rate|17910
auth-refresh|rate|3665
auth-same-signin|same|0.1
auth-same-forgot|same|0.1
store-find-1000|core|100000
store-find-10000|core|100000
store-find-100000|core|100000
store-find-1000000|core|100000
store-find-1000000/store-find-1000|flat|0.9
store-insert-8|rate|5000
file-1|ratio|0.9
file-8|ratio|0.9
memory.all.rest|most|60
memory.all.load|most|150
start-empty|seconds|3
start-again|seconds|3
killed-auth|seconds|2
killed-media|seconds|2
killed-notify|seconds|2
killed-edge|seconds|2
TEXT
}

# The next obstacle of a figure that falls short, by hand: ROW|WORDS. Said only while it does.
obstacles() {
    cat <<'TEXT'
edge-h1|four system calls for a request are the least there can be; the kernel's loopback path to the member is half of the time, and load, edge and backend share two cores
edge-h2|edge, backend and load fill both cores (9, 8 and 4 us an answer), so that the rate ends at 95,000 whatever the edge does; of its own time half is the kernel's loopback path of one small request to the member, then libh2o: 5,000 instructions for frames, 2,200 for HPACK, 2,100 for the head of the reply
auth-asked|a question crosses four threads (libnats reads, libnats delivers, a worker, the sender), and each answer is a send of its own: libnats driven by one thread of ours would read and write in batches
auth-refresh|two RSA signatures of 2,048 bits (access and ID token), already by AVX-512 IFMA, are 60% of the CPU of a refresh: with AUTH_SIGNING_ALG=ES256 both together are a twelfth of that
auth-same-forgot|with an account an event goes to NATS, and without none: both write the same, and hash a password beside whose time that is lost
nats-token|a question crosses four threads (libnats reads, libnats delivers, a worker, the sender), and each answer is a send of its own: libnats driven by one thread of ours would read and write in batches
store-find-1000000|two file locks for each look-up, and pages of the map that are touched for the first time
store-find-1000000/store-find-1000|two B-trees are a level deeper, and a random page is in no processor cache; SQLite by hand is beside it
TEXT
}

# Where the machine is shared, a rate says how busy others were. nginx with a static file is measured beside each rate
# that has an aim (yardstick), and what it does here over what it does alone on such a machine is the scale.
quiet_static=127000

has_rate_aim() {
    aims | grep -qE "^$1\|rate\|"
}

# yardstick ROW: one short measurement of nginx alone, kept as the scale of ROW.
yardstick() {
    { has_rate_aim "$1" || grep -q "^$1 " <<<"$gomicro"; } && (
        seconds=2
        keep "$1" static wrk_once "http://127.0.0.1:$backend_port/answer.json" "" "$backend_pid"
    )
    return 0
}

# 1 where nothing was measured beside it, and at most 1: a machine that is faster is not made slower.
scale_of() {
    awk -v now="$(median "$1" static 1)" -v quiet="$quiet_static" 'BEGIN { s = now / quiet; print (now == 0 || s > 1 ? 1 : s) }'
}

# us of processor time for one answer: of what was asked, of who asked, and of what stood between them (column 8).
cpu_of_all() {
    awk -v asked="$(median "$1" ours 6)" -v load="$(median "$1" ours 5)" -v rate="$(median "$1" ours 1)" -v between="$(median "$1" ours 8)" \
        'BEGIN { print (asked > 0 ? asked + between + (rate > 0 ? load * 1e6 / rate : 0) : 0) }'
}

# least ROW SIDE COLUMN: of all rounds.
least() {
    awk -v column="$3" 'NR == 1 || $column < out { out = $column } END { print out + 0 }' "$B/results/$1.$2"
}

# What is held against an aim: "FIGURE SCALED", both in words, and last the bare number.
aim_figure() { # ROW KIND
    local row=$1 other
    case $2 in
    rate)
        awk -v n="$(median "$row" ours 1)" -v s="$(scale_of "$row")" -v cpu="$(cpu_of_all "$row")" -v cores="$(nproc)" 'BEGIN {
            quiet = n / s
            if (cpu > 0 && quiet > cores * 1e6 / cpu) quiet = cores * 1e6 / cpu
            printf "%.0f/s|%.0f/s|%f\n", n, quiet, (n > quiet ? n : quiet)
        }'
        ;;
    core)
        awk -v n="$(median "$row" ours 1)" -v cpu="$(median "$row" ours 6)" 'BEGIN {
            quiet = cpu > 0 ? 1e6 / cpu : n
            printf "%.0f/s|%.0f/s|%f\n", n, quiet, (n > quiet ? n : quiet)
        }'
        ;;
    seconds)
        awk -v n="$(median "$row" ours 1)" 'BEGIN { printf "%.2f s|-|%f\n", n, n }'
        ;;
    ratio)
        awk -v o="$(median "$row" ours 1)" -v p="$(median "$row" peer 1)" 'BEGIN { r = p > 0 ? o / p : 0; printf "%.2f of the peer|-|%f\n", r, r }'
        ;;
    thread)
        awk -v o="$(median "$row" ours 1)" -v p="$(median "$row" peer 1)" -v oc="$(median "$row" ours 6)" -v pc="$(median "$row" peer 6)" 'BEGIN {
            r = p > 0 ? o / p : 0
            quiet = oc > 0 ? pc / oc : 0
            printf "%.2f of the peer|%.2f of the peer|%f\n", r, quiet, r
        }'
        ;;
    p99)
        awk -v o="$(least "$row" ours 3)" -v p="$(least "$row" peer 3)" 'BEGIN { r = p > 0 ? o / p : 99; printf "p99 %.2f of the peer|-|%f\n", r, r }'
        ;;
    same)
        awk -v apart="$(median "$row" ours 1)" -v o="$(median "$row" ours 2)" -v p="$(median "$row" ours 3)" \
            'BEGIN { printf "%.2f ms and %.2f ms|-|%f\n", o / 1000, p / 1000, apart }'
        ;;
    most) awk -v n="$(cat "$B/results/$row")" 'BEGIN { printf "%.1f MiB|-|%f\n", n / 1024, n / 1024 }' ;;
    flat)
        other=${row#*/} row=${row%/*}
        awk -v a="$(median "$row" ours 6)" -v b="$(median "$other" ours 6)" 'BEGIN { printf "%.2f by CPU|-|%f\n", b / a, b / a }'
        ;;
    esac
}

aim_words() { # KIND AIM
    case $1 in
    rate | core) echo "$2/s" ;;
    ratio | thread) echo "$2 of the peer" ;;
    p99) echo "at most the peer's" ;;
    most) echo "under $2 MiB" ;;
    seconds) echo "within $2 s" ;;
    flat) echo "$2 (flat)" ;;
    same) echo "within a tenth" ;;
    esac
}

is_met() { # KIND AIM NUMBER
    case $1 in
    rate | core | ratio | thread | flat) awk -v n="$3" -v a="$2" 'BEGIN { exit !(n >= a) }' ;;
    *) awk -v n="$3" -v a="$2" 'BEGIN { exit !(n <= a) }' ;;
    esac
}

aim_measured() { # ROW
    case $1 in
    */*) measured "${1%/*}" && measured "${1#*/}" ;;
    memory.*) [ -s "$B/results/$1" ] ;;
    *) measured "$1" ;;
    esac
}

# aims_table ROW...: the aims that these rows have, and what stands in the way of those that are short.
aims_table() {
    local row kind aim figure scaled number verdict why short=() printed=
    while IFS='|' read -r row kind aim; do
        case " $* " in *" $row "*) aim_measured "$row" || continue ;; *) continue ;; esac
        [ -n "$printed" ] || printf '\n| %-36s | %-20s | %-22s | %-18s | %-5s |\n|---|---|---|---|---|\n' "figure" "aim" "measured" "scaled, or by CPU" "so"
        printed=1
        IFS='|' read -r figure scaled number < <(aim_figure "$row" "$kind")
        verdict=met
        is_met "$kind" "$aim" "$number" || {
            verdict=short
            why=$(obstacles | sed -n "s,^$row|,,p")
            short+=("$(row_title "$row")$([ "$kind" != p99 ] || echo ", p99"): ${why:-not yet looked into}")
        }
        printf '| %-36s | %-20s | %-22s | %-18s | %-5s |\n' "$(row_title "$row")" "$(aim_words "$kind" "$aim")" "$figure" "$scaled" "$verdict"
    done < <(aims)
    [ ${#short[@]} -eq 0 ] || printf '\nThe next obstacle:\n\n'
    [ ${#short[@]} -eq 0 ] || printf -- '- %s\n' "${short[@]}"
}
