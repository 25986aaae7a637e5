# The system that is measured: one of its own under $B, with people, tokens and music made through its public API.

bench_address() {
    awk -v n="$1" '$1 == n { print $2 }' "$B/addresses" "$B/edge-addresses"
}

# The next free port from PORT on.
free_port() {
    local port=$1
    while port_taken "$port"; do port=$((port + 1)); done
    echo "$port"
}

wait_port() {
    for _ in $(seq 100); do
        port_taken "$1" && return
        sleep 0.05
    done
    return 1
}

system_up() {
    echo "  a system of its own (run/bench)"
    TONEARM_RUN=$B "$ROOT/dev" down --wipe >/dev/null 2>&1 8>&- || true
    TONEARM_RUN=$B "$ROOT/dev" up --detach >"$ROOT/run/log/bench-up.log" 2>&1 8>&- || {
        tail -n 20 "$ROOT/run/log/bench-up.log" >&2
        fail "the system to be measured does not start; all of it is in run/log/bench-up.log"
    }
    url=$(value "$B/tonearm.env" TONEARM_URL)
    key=$(value "$B/tonearm.env" TONEARM_API_KEY)
    auth_url=http://$(bench_address auth)
    media_url=http://$(bench_address media)
}

# ask METHOD PATH TOKEN [BODY]: through the edge; prints the answer's data. Key and token go by a file, not by argv.
ask() {
    local out
    (umask 077 && printf 'header = "X-API-Key: %s"\n' "$key" >"$B/curlrc" && { [ -z "$3" ] || printf 'header = "Authorization: Bearer %s"\n' "$3"; } >>"$B/curlrc")
    out=$(curl -sS -m 60 -K "$B/curlrc" -X "$1" ${4:+--data-binary "$4"} ${5:+-H "Content-Type: $5"} "$url$2")
    jq -e '.code == "10000"' >/dev/null 2>&1 <<<"$out" || fail "$1 $2 answered: $out"
    jq -c .data <<<"$out"
}

# An admin, 8 people whose tokens are checked, and tracks. An artist's and an editor's work is done by the admin.
system_fill() {
    step "people and $tracks tracks"
    local i id
    admin_body=$(jq -nc --arg e "$(value "$B/tonearm.env" TONEARM_ADMIN_EMAIL)" --arg p "$(value "$B/tonearm.env" TONEARM_ADMIN_PASSWORD)" '{email:$e,password:$p}')
    admin=$(ask POST /auth/signin/basic "" "$admin_body" | jq -r .tokens.accessToken)
    : >"$B/tokens"
    chmod 600 "$B/tokens"
    for i in $(seq 8); do
        ask POST /auth/signup/basic "" "{\"email\":\"bench$i@example.com\",\"password\":\"a bench of oak $i\",\"name\":\"Bench $i\"}" |
            jq -r .tokens.accessToken >>"$B/tokens"
    done
    token=$(head -n 1 "$B/tokens")
    ffmpeg -nostdin -v error -y -f lavfi -i "sine=frequency=440:duration=3" -c:a flac "$B/sine.flac" || fail "ffmpeg makes no audio"
    for i in $(seq "$tracks"); do
        id=$(ask POST /media/studio/tracks "$admin" "{\"title\":\"Bench piece number $i\",\"tags\":[\"bench\"]}" | jq -r .id)
        ask PUT "/media/studio/tracks/$id/audio" "$admin" "@$B/sine.flac" application/octet-stream >/dev/null
        ask PUT "/media/studio/tracks/$id/submit" "$admin" >/dev/null
        ask PUT "/media/editor/tracks/$id/publish" "$admin" >/dev/null
    done
    [ "$(ask GET /media/tracks/latest "" | jq '.items | length')" = "$tracks" ] || fail "the published tracks are not in latest"
    done_step
}

# A second edge with one thread before nginx's backend; it asks the same auth for keys.
edge_config() {
    sed -e "s/@BACKEND@/127.0.0.1:$backend_port/" "$ROOT/bench/edge.yml"
}

edge_start() {
    edge_config >"$B/edge.yml"
    edge_port=$(free_port 18100)
    edge_tls_port=$(free_port 18543)
    EDGE_LISTEN=127.0.0.1:$edge_port EDGE_TLS_LISTEN=127.0.0.1:$edge_tls_port EDGE_TLS_CERT=$B/tls/cert.pem \
        EDGE_TLS_KEY=$B/tls/key.pem EDGE_ADMIN_LISTEN='' EDGE_CONFIG=$B/edge.yml EDGE_THREADS=1 \
        NATS_URL="nats://edge@$(bench_address nats)" NATS_PASSWORD_FILE=$B/secrets/nats-edge EDGE_SECRET_FILE=$B/secrets/edge \
        "$BIN/tonearm-edge" </dev/null >>"$B/log/edge-one.log" 2>&1 8>&- &
    edge_pid=$!
    started+=($!)
    wait_port "$edge_port" || {
        tail -n 5 "$B/log/edge-one.log" >&2
        fail "the edge with one thread does not start"
    }
}

# expect STATUS SIZE URL [HEADER]: what is measured must be what is meant. SIZE - = any.
expect() {
    local got
    got=$(curl -ksS -m 30 -o /dev/null -w '%{http_code} %{size_download}' ${4:+-H @<(printf '%s\n' "$4")} "$3") || true
    case "$got" in
    "$1 $2") ;;
    "$1 "*) [ "$2" = - ] || fail "$3 answered $got, not $1 with $2 bytes" ;;
    *) fail "$3 answered $got, not $1" ;;
    esac
}

# Ends by their ids what this run started, and no more.
bench_stop() {
    local pid
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    start_stop
    [ -z "${system_is_up:-}" ] || TONEARM_RUN=$B "$ROOT/dev" down >/dev/null 2>&1 8>&- || true
}
