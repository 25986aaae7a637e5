# The tables of ./dev bench: plain text that is Markdown too.

# What afteracademy/gomicro did (64 connections, services direct, two cores shared with the load), beside an nginx that
# served 127,000 static answers a second there. Where the peer is not here, its figure is scaled by our nginx over that.
gomicro_static=127000
gomicro="profile-direct 7175
profile-edge 1791
latest-direct 12718
latest-edge 2222
verify-direct 17476
nats-token 3892"

row_title() {
    case $1 in
    static) echo "nginx, a static file of 206 bytes" ;;
    edge-h1) echo "key check, HTTP/1.1" ;;
    edge-h2) echo "key check, HTTP/2 + TLS" ;;
    file-1) echo "50 MB file, 1 connection" ;;
    file-8) echo "50 MB file, 8 connections" ;;
    profile-direct) echo "GET /profile/mine, direct" ;;
    profile-edge) echo "GET /auth/profile/mine" ;;
    latest-direct) echo "GET /tracks/latest, direct" ;;
    latest-edge) echo "GET /media/tracks/latest" ;;
    verify-direct) echo "GET /verify/apikey, direct" ;;
    nats-token) echo "auth.validate.token" ;;
    nats-echo) echo "request/reply, echo" ;;
    store-find-*) echo "look-up among ${1##*-}" ;;
    store-insert-1) echo "durable insert, 1 thread" ;;
    store-insert-8) echo "durable insert, 8 threads" ;;
    esac
}

measured() {
    [ -s "$B/results/$1.ours" ]
}

# versus TITLE UNIT ROW...: ours and the peer of the same run.
versus() {
    local title=$1 unit=$2 row rows=()
    shift 2
    for row in "$@"; do measured "$row" && rows+=("$row"); done
    [ ${#rows[@]} -gt 0 ] || return 0
    printf '\n%s\n\n' "$title"
    printf '| %-28s | %10s | %10s | %10s | %9s | %9s | %9s | %9s | %8s |\n' "" "ours $unit" "peer $unit" "ours/peer" "p99 ours" "p99 peer" "CPU ours" "CPU peer" "load CPU"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..30})" '-----------:|-----------:|-----------:|----------:|----------:|----------:|----------:|---------:|'
    for row in "${rows[@]}"; do
        note_failures "$row"
        awk -v title="$(row_title "$row")" \
            -v o="$(median "$row" ours 1)" -v p="$(median "$row" peer 1)" \
            -v o99="$(median "$row" ours 3)" -v p99="$(median "$row" peer 3)" \
            -v oc="$(median "$row" ours 6)" -v pc="$(median "$row" peer 6)" \
            -v ol="$(median "$row" ours 5)" -v pl="$(median "$row" peer 5)" '
            function ms(us) { return us > 0 ? sprintf("%.2f ms", us / 1000) : "-" }
            function cpu(n) { return n > 0 ? sprintf("%.1f", n) : "-" }
            BEGIN {
                printf("| %-28s | %10.0f | %10s | %10s | %9s | %9s | %9s | %9s | %8s |\n", title, o,
                    (p > 0 ? sprintf("%.0f", p) : "-"), (p > 0 ? sprintf("%.2f", o / p) : "-"), ms(o99), ms(p99), cpu(oc), cpu(pc),
                    (ol > 0 ? sprintf("%.0f%%", ol * 100) : "-"))
            }'
    done
}

note_failures() {
    local side failed
    for side in ours peer; do
        failed=$(median "$1" $side 4)
        [ "$failed" = 0 ] || echo "$1 ($side): $failed" >>"$B/results/failed"
    done
}

versus_gomicro() {
    local row theirs scale
    measured static || return 0
    scale=$(awk -v now="$(median static ours 1)" -v then="$gomicro_static" 'BEGIN { print now / then }')
    printf '\nAgainst gomicro, whose figures are scaled by nginx here over nginx there (%.0f / %d = %.2f)\n\n' \
        "$(median static ours 1)" "$gomicro_static" "$scale"
    printf '| %-28s | %10s | %10s | %10s | %10s |\n' "" "ours /s" "measured" "scaled" "ours/scaled"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..30})" '-----------:|-----------:|-----------:|------------:|'
    while read -r row theirs; do
        measured "$row" || continue
        awk -v title="$(row_title "$row")" -v o="$(median "$row" ours 1)" -v t="$theirs" -v s="$scale" \
            'BEGIN { printf "| %-28s | %10.0f | %10.0f | %10.0f | %11.2f |\n", title, o, t, t * s, o / (t * s) }'
    done <<<"$gomicro"
    echo
    echo "gomicro's figure for auth.validate.token is twice its best rate of a call that asks auth twice (1,946/s)."
}

memory_table() {
    local part
    [ -s "$B/results/memory.all.load" ] || return 0
    printf '\nMemory: sum of PSS from smaps_rollup, MiB (media with its helper)\n\n'
    printf '| %-28s | %10s | %10s |\n' "" "at rest" "under load"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..30})" '-----------:|-----------:|'
    for part in $memory_parts all; do
        awk -v part="$part" -v rest="$(cat "$B/results/memory.$part.rest")" -v load="$(cat "$B/results/memory.$part.load")" \
            'BEGIN { printf "| %-28s | %10.1f | %10.1f |\n", part, rest / 1024, load / 1024 }'
    done
}

conditions() {
    local commit
    commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || echo unknown)
    [ -z "$(git -C "$ROOT" status --porcelain 2>/dev/null | head -n 1)" ] || commit="$commit with changes"
    cat <<TEXT

Conditions

- $(date -u +%F\ %H:%M) UTC, commit $commit, $(($(date +%s) - began)) s in all
- $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r), load on the same machine over loopback
- $connections connections by wrk, one thread (HTTP/2: 32 connections with 16 streams each by h2load, one thread); NATS: 64 questions under way
- $rounds rounds of $seconds s, ours and the peer in turns; each figure is of the round whose rate is the median
- other processes of this machine took $(awk '{ sum += $1; if ($1 > most) most = $1 } END { printf "%.0f%% of one core (in the busiest measurement %.0f%%)", NR ? sum / NR * 100 : 0, most * 100 }' "$B/results/others")
- p99 is the time that 99 of 100 answers took at most; CPU is what the measured processes used, us for each answer (file: s for each GB);
  load CPU is what the load generator took of one core
- peer: $(nginx -v 2>&1 | sed 's/^nginx version: //') of Debian. Key check: the same 206 bytes from the same nginx backend, one thread each; the key stands
  in an nginx Lua shared dictionary, ours in the edge's table after auth was asked once. Services direct: nginx with the same bytes in a file. Services
  through the edge: nginx with a worker for each core and the same key check before the same services
- NATS peer: natsConnection_Request by 64 threads and a bare subscription. Store peer: SQLite by hand (WAL, synchronous=FULL), one connection a thread
TEXT
}

report() {
    echo
    echo "# tonearm beside its peers"
    versus "Requests a second (CPU in us)" "/s" edge-h1 edge-h2 profile-direct profile-edge latest-direct latest-edge verify-direct
    versus "A file (CPU in s for each GB)" "MB/s" file-1 file-8
    versus "NATS (the load is in the asking process; CPU in us is of auth, or of nats-server)" "/s" nats-token nats-echo
    versus "Embedded store, beside SQLite by hand" "/s" store-find-1000 store-find-10000 store-find-100000 store-insert-1 store-insert-8
    if measured static; then
        printf "\nnginx alone with a static file of 206 bytes: %.0f/s\n" "$(median static ours 1)"
    fi
    versus_gomicro
    memory_table
    conditions
}
