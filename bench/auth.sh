# What auth does a second: token checks, profiles, refreshes, sign-ins, sign-ups; and whether it takes the same time
# where there is no account. Sourced by tools/dev/bench.sh. No limit of the service is raised: the people who sign in
# know their passwords, so none of them is locked out; those who do not are asked about once each, from addresses of their own.

auth_people=96 # more than connections, so that a refresh token is always waiting
auth_rows="auth-asked auth-remembered auth-remembered-media auth-profile auth-profile-edge auth-refresh auth-signin auth-signup"
auth_hashes="auth-argon2id auth-bcrypt"

auth_python() { # auth_python COMMAND [WORDS...]
    local command=$1
    shift
    BENCH_KEY=$key timeout $((seconds + 120)) python3 "$ROOT/bench/auth_people.py" "$command" "$auth_url" "$B/auth" "$@" 8>&-
}

# with_memory PID COMMAND...: the measurement that it prints with, as a ninth figure, the most of PID's PSS meanwhile, in KiB.
with_memory() {
    local pid=$1 watcher line
    shift
    (while sleep 0.2; do cat "/proc/$pid/smaps_rollup"; done >"$B/auth/memory" 2>/dev/null 8>&-) &
    watcher=$!
    line=$("$@")
    kill "$watcher"
    wait "$watcher" 2>/dev/null || true
    awk -v line="$line" '$1 == "Pss:" && $2 > most { most = $2 } END {
        n = split(line, figure, " ")
        print line (n < 8 ? " 0" : "") " " most + 0
    }' "$B/auth/memory"
}

# own_once MODE: what a process of its own does; CPU and memory are its own.
own_once() {
    timeout $((seconds * 2 + 30)) "$BUILD/bench/bench_auth" "$1" "$seconds" >"$B/auth/own.out" 2>"$B/auth/own.err" 8>&- || true
    awk '$1 == "RESULT" { found = 1; print $4, $5, $6, $7, $8, $9, $10 } END { if (!found) print "0 0 0 1 0 0 0" }' "$B/auth/own.out"
}

# posts_once KIND PATH FILE: each with another body.
posts_once() {
    BENCH_KIND=$1 BENCH_FILE=$3 BENCH_RUN=$RANDOM$RANDOM BENCH_SCRIPT=wrk_auth.lua wrk_once "$auth_url$2" "X-API-Key: $key
Content-Type: application/json" "$auth_pid"
}

# hashed_once KIND PATH FILE: begins when what an earlier load has left behind is hashed.
hashed_once() {
    local until=$((SECONDS + 60))
    until [ "$(curl -sS -m 5 "$auth_url/metrics" | awk '$1 == "tonearm_auth_password_queue" { print $2 }')" = 0 ] || [ $SECONDS -ge $until ]; do sleep 0.05; done
    with_memory "$auth_pid" posts_once "$@"
}

# A token that was sent is used up, so each round begins with new sessions; making them is not measured.
refresh_once() {
    auth_python signin || {
        echo "0 0 0 1 0 0 0"
        return
    }
    with_memory "$auth_pid" posts_once refresh /token/refresh "$B/auth/refresh"
}

bench_auth() {
    local auth_pid media_pid signed="X-API-Key: $key
Authorization: Bearer $token" studio="X-API-Key: $key
Authorization: Bearer $admin"
    auth_pid=$(cat "$B/pid/auth") media_pid=$(cat "$B/pid/media")
    mkdir -p "$B/auth"
    export BENCH_TOKENS=$B/tokens NATS_URL
    NATS_URL=$(value "$B/tonearm.env" NATS_URL)
    step "$auth_people people"
    auth_python signup "$auth_people" || fail "nobody can sign up"
    done_step
    alone auth-asked with_memory "$auth_pid" nats_once token "$auth_pid" "$(cat "$B/pid/nats")"
    alone auth-remembered own_once remembered
    expect 200 - "$media_url/studio/tracks?limit=1" "$studio"
    alone auth-remembered-media with_memory "$media_pid" wrk_once "$media_url/studio/tracks?limit=1" "$studio" "$media_pid"
    expect 200 - "$auth_url/profile/mine" "$signed"
    alone auth-profile with_memory "$auth_pid" wrk_once "$auth_url/profile/mine" "$signed" "$auth_pid"
    alone auth-profile-edge with_memory "$auth_pid" wrk_once "$url/auth/profile/mine" "$signed" "$(cat "$B/pid/edge") $auth_pid"
    alone auth-refresh refresh_once
    alone auth-signin hashed_once line /signin/basic "$B/auth/people"
    alone auth-signup hashed_once signup /signup/basic ""
    alone auth-argon2id own_once argon2id
    alone auth-bcrypt own_once bcrypt
    auth_same signin /signin/basic
    auth_same forgot /password/forgot
}

# auth_same ROW PATH: the medians of 40 each in turns, with an account and without.
auth_same() {
    local round there nobody
    step "$1, account or none"
    for round in $(seq "$rounds"); do
        watched auth_python same "$1" "$2" "$round" >"$B/auth/same" || fail "$2 does not answer alike"
        read -r there nobody <"$B/auth/same"
        # As a measurement whose rate is how far they are apart: of the rounds the middle one counts.
        awk -v a="$there" -v b="$nobody" '{ most = a > b ? a : b; print (most - (a < b ? a : b)) / most, a, b, 0, 0, 0, 0 }' <<<"" >>"$B/results/auth-same-$1.ours"
    done
    done_step "$(median "auth-same-$1" ours 2) us and $(median "auth-same-$1" ours 3) us"
}

auth_table() {
    local row
    printf '| %-40s | %10s | %10s | %10s | %10s | %8s | %8s |\n' "" "/s" "p50" "p99" "CPU us" "load CPU" "PSS MiB"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..42})" '-----------:|-----------:|-----------:|-----------:|---------:|---------:|'
    for row in $auth_rows $auth_hashes; do
        measured "$row" || continue
        note_failures "$row" ours
        awk -v title="$(row_title "$row")" -v rate="$(median "$row" ours 1)" -v p50="$(median "$row" ours 2)" -v p99="$(median "$row" ours 3)" \
            -v load="$(median "$row" ours 5)" -v cpu="$(median "$row" ours 6)" -v pss="$(median "$row" ours 9)" '
            function ms(us) { return us < 100 ? us " us" : sprintf("%.2f ms", us / 1000) }
            BEGIN {
                printf("| %-40s | %10.0f | %10s | %10s | %10.1f | %8s | %8s |\n", title, rate, ms(p50), ms(p99), cpu,
                    (load > 0 ? sprintf("%.0f%%", load * 100) : "-"), (pss > 0 ? sprintf("%.1f", pss / 1024) : "-"))
            }'
    done
}

# What of a sign-in is not the hash, here and where bcrypt stands at gomicro's cost.
auth_hash_words() {
    measured auth-argon2id && measured auth-bcrypt && measured auth-signin || return 0
    awk -v in_="$(median auth-signin ours 6)" -v up="$(median auth-signup ours 6)" -v argon="$(median auth-argon2id ours 6)" \
        -v bcrypt="$(median auth-bcrypt ours 6)" 'BEGIN {
        printf("\nThe hash is the cost: argon2id, 2 passes over 19 MiB, takes %.1f ms of the %.1f ms of CPU of a sign-in and of the %.1f ms of a sign-up; bcrypt at\n", argon / 1000, in_ / 1000, up / 1000)
        printf("cost 5, which gomicro has, %.2f ms. Sign-ins and sign-ups wait their turn for two threads that do nothing else (`PASSWORD_THREADS`).\n", bcrypt / 1000)
    }'
}

section_auth() {
    printf '## Auth\n\n'
    printf '%s connections, or as many questions over NATS; PSS is the most of the process that is asked (auth, or media), CPU us that of\n' "$connections"
    printf 'auth, media, or auth and edge. What is remembered in a process is asked by a thread for each core and has no load beside it.\n\n'
    auth_table
    auth_hash_words
    # shellcheck disable=SC2086
    aims_table $auth_rows auth-same-signin auth-same-forgot
    # shellcheck disable=SC2086
    versus_gomicro $auth_rows
    printf '\ngomicro signs in at bcrypt cost 5, asks auth anew for each request, and its figure for a check is twice its best rate of a call that asks\n'
    printf 'auth twice (1,946/s). The same time: medians of 40 requests each in turns, with an account and without.\n'
}
