# The report of ./dev bench: plain text that is Markdown too, a section for each bench. Sourced by tools/dev/bench.sh.

# What afteracademy/gomicro did (64 connections, services direct, two cores shared with the load), beside an nginx that
# served 127,000 static answers a second there. Where the peer is not here, its figure is scaled by our nginx over that.
gomicro="profile-direct 7175
profile-edge 1791
latest-direct 12718
latest-edge 2222
verify-direct 17476
nats-token 3892
auth-asked 3892
auth-profile 7175
auth-profile-edge 1791
auth-refresh 733
auth-signin 500"

row_title() {
    case $1 in
    static) echo "nginx, a static file of 206 bytes" ;;
    edge-h1) echo "key check, HTTP/1.1" ;;
    edge-h2) echo "key check, HTTP/2 + TLS" ;;
    chain) echo "five plugins" ;;
    nats-route) echo "auth.profile.user" ;;
    routes-1) echo "1 route" ;;
    routes-*) echo "${1#routes-} routes" ;;
    file-1) echo "50 MB file, 1 connection" ;;
    file-8) echo "50 MB file, 8 connections" ;;
    profile-direct) echo "GET /profile/mine, direct" ;;
    profile-edge) echo "GET /auth/profile/mine" ;;
    latest-direct) echo "GET /tracks/latest, direct" ;;
    latest-edge) echo "GET /media/tracks/latest" ;;
    verify-direct) echo "GET /verify/apikey, direct" ;;
    nats-token) echo "auth.validate.token" ;;
    nats-echo) echo "request/reply, echo" ;;
    auth-asked) echo "token check, asked over NATS" ;;
    auth-remembered) echo "token check, remembered in a process" ;;
    auth-remembered-media) echo "GET /studio/tracks of media, remembered" ;;
    auth-profile) echo "GET /profile/mine, direct" ;;
    auth-profile-edge) echo "GET /auth/profile/mine, by the edge" ;;
    auth-refresh) echo "POST /token/refresh" ;;
    auth-signin) echo "POST /signin/basic" ;;
    auth-signup) echo "POST /signup/basic" ;;
    auth-argon2id) echo "the hash alone: argon2id, 2 x 19 MiB" ;;
    auth-bcrypt) echo "the hash alone: bcrypt, cost 5" ;;
    auth-same-signin) echo "wrong sign-in, account or none" ;;
    auth-same-forgot) echo "forgotten password, account or none" ;;
    store-find-*/*) echo "look-up among 1000000 over 1000" ;;
    store-find-*) echo "look-up among ${1##*-}" ;;
    store-insert-1) echo "durable insert, 1 thread" ;;
    store-insert-8) echo "durable insert, 8 threads" ;;
    memory.all.rest) echo "memory at rest" ;;
    memory.all.load) echo "memory under load" ;;
    start-empty) echo "./dev up, nothing there yet" ;;
    start-again) echo "./dev up, again" ;;
    killed-*) echo "${1#killed-} killed: answers again" ;;
    *) echo "$1" ;;
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
    printf '%s\n\n' "$title"
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

note_failures() { # ROW [SIDE ...]
    local row=$1 side failed
    shift
    for side in ${*:-ours peer}; do
        failed=$(median "$row" "$side" 4)
        [ "$failed" = 0 ] || echo "$row ($side): $failed" >>"$B/results/failed"
    done
}

# versus_gomicro ROW...: of those that it has a figure for.
versus_gomicro() {
    local row theirs printed=
    while read -r row theirs; do
        case " $* " in *" $row "*) measured "$row" && [ -s "$B/results/$row.static" ] || continue ;; *) continue ;; esac
        [ -n "$printed" ] || {
            printf '\nAgainst gomicro, whose figures are scaled by nginx here over nginx there (%.0f/s)\n\n' "$quiet_static"
            printf '| %-28s | %10s | %10s | %10s | %10s | %11s |\n' "" "ours /s" "measured" "nginx here" "scaled" "ours/scaled"
            printf '|%s|%s\n' "$(printf -- '-%.0s' {1..30})" '-----------:|-----------:|-----------:|-----------:|------------:|'
        }
        printed=1
        awk -v title="$(row_title "$row")" -v o="$(median "$row" ours 1)" -v t="$theirs" -v n="$(median "$row" static 1)" -v q="$quiet_static" \
            'BEGIN { printf "| %-28s | %10.0f | %10.0f | %10.0f | %10.0f | %11.2f |\n", title, o, t, n, t * n / q, o / (t * n / q) }'
    done <<<"$gomicro"
}

memory_table() {
    local part
    [ -s "$B/results/memory.all.load" ] || return 0
    printf 'Sum of PSS from smaps_rollup, MiB (media with its helper): 60 s after start on an empty library, and the most of %s s of\n' "$memory_seconds"
    printf '%s connections that sign in, ask for profiles and lists, and upload.\n\n' "$connections"
    printf '| %-28s | %10s | %10s |\n' "" "at rest" "under load"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..30})" '-----------:|-----------:|'
    for part in $memory_parts all; do
        awk -v part="$part" -v rest="$(cat "$B/results/memory.$part.rest")" -v load="$(cat "$B/results/memory.$part.load")" \
            'BEGIN { printf "| %-28s | %10.1f | %10.1f |\n", part, rest / 1024, load / 1024 }'
    done
}

# What these figures were measured on, and how much others had of it meanwhile.
run_line() { # BENCH
    local commit
    commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || echo unknown)
    # The report itself is no change of what is measured.
    [ -z "$(git -C "$ROOT" status --porcelain -- ':!docs' 2>/dev/null | head -n 1)" ] || commit="$commit with changes"
    printf '\n*%s UTC, commit %s; %s rounds of %s s; other processes of the machine had %s*\n' "$(date -u +%F\ %H:%M)" "$commit" "$rounds" "$seconds" \
        "$(awk '{ sum += $1; if ($1 > most) most = $1 } END { printf "%.0f%% of one core (%.0f%% in the busiest measurement)", NR ? sum / NR * 100 : 0, most * 100 }' "$B/results/others.$1")"
}

# section NAME: what bench NAME found.
section() {
    "section_$1"
    run_line "$1"
}

section_edge() {
    printf '## The edge\n\n'
    versus "Beside nginx + Lua in turns, requests a second (CPU in us)" "/s" edge-h1 edge-h2
    field_tables
    aims_table edge-h1 edge-h2 routes-1000 chain nats-route
}

section_services() {
    local rows="profile-direct profile-edge latest-direct latest-edge verify-direct"
    printf '## The services\n\n'
    # shellcheck disable=SC2086
    versus "Requests a second (CPU in us)" "/s" $rows
    # shellcheck disable=SC2086
    aims_table $rows
    # shellcheck disable=SC2086
    versus_gomicro $rows
}

section_nats() {
    printf '## Questions over NATS\n\n'
    versus "The load is in the asking process; CPU in us is of auth, or of nats-server" "/s" nats-token nats-echo
    aims_table nats-token nats-echo
    versus_gomicro nats-token
    printf "\ngomicro's figure is twice its best rate of a call that asks auth twice (1,946/s).\n"
}

section_file() {
    printf '## A file\n\n'
    versus "CPU in s for each GB" "MB/s" file-1 file-8
    aims_table file-1 file-8
}

section_memory() {
    printf '## Memory\n\n'
    memory_table
    aims_table memory.all.rest memory.all.load
}

section_store() {
    local rows="store-find-1000 store-find-10000 store-find-100000 store-find-1000000 store-insert-1 store-insert-8"
    printf '## The embedded store\n\n'
    # shellcheck disable=SC2086
    versus "Beside SQLite by hand, in one process with the load (CPU in us)" "/s" $rows
    # shellcheck disable=SC2086
    aims_table $rows store-find-1000000/store-find-1000
}

section_start() {
    local rows="start-empty start-again killed-auth killed-media killed-notify killed-edge"
    printf '## Start, and start again after kill -9\n\n'
    printf 'Seconds until `./dev up` returns, built before; until the /health of a killed service answers; for the edge, until a request with\n'
    printf 'a key comes through it.\n'
    # shellcheck disable=SC2086
    aims_table $rows
}

conditions() {
    cat <<TEXT
## Conditions

- $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r), load on the same machine over loopback
- $connections connections by wrk, one thread (HTTP/2: 32 connections with 16 streams each by h2load, one thread); NATS: 64 questions under way
- ours and the peer in turns; each figure is of the round whose rate is the median
- p99 is the time that 99 of 100 answers took at most; CPU is what the measured processes used, us for each answer (file: s for each GB);
  load CPU is what the load generator took of one core
- where others work on the machine too, a rate is held against its aim after scaling: nginx with a static file of 206 bytes is measured beside it, and
  does $quiet_static/s where a machine like this one has nothing else to do. What comes out is never more than all cores can do at the CPU that an
  answer cost, of servers and load together
- peer: $(nginx -v 2>&1 | sed 's/^nginx version: //') of Debian. Key check: the same 206 bytes from the same nginx backend, one thread each, which
  keep more connections to it than there are requests at a time, and it answers with one segment; the key stands
  in an nginx Lua shared dictionary, ours in the edge's table after auth was asked once. Services direct: nginx with the same bytes in a file. Services
  through the edge: nginx with a worker for each core and the same key check before the same services
- NATS peer: natsConnection_Request by 64 threads and a bare subscription. Store peer: SQLite by hand (WAL, synchronous=FULL), one connection a thread
TEXT
}

report() { # BENCH...
    local name
    for name in "$@"; do
        section "$name" | tee "$B/section.$name"
        echo
    done
    conditions | tee "$B/section.conditions"
}

# write_section NAME: puts it in the place that docs/performance.md has for it; what is written by hand around it stays.
write_section() {
    "$ROOT/tools/dev/section" "$ROOT/docs/performance.md" "bench $1" <"$B/section.$1"
}
