# The edge in its field: Debian's nginx with a key check in Lua, haproxy with a key map, h2o (which checks nothing), and
# Caddy, all before the same backend. Sourced by tools/dev/bench.sh. Each stands for itself while it is measured, so
# that none of the others has a part of the machine.

field_names="ours nginx haproxy h2o caddy"
field_idle=5000

# field_start NAME THREADS: $field_pid, $field_port, $field_tls_port.
field_start() {
    local dir=$B/field
    mkdir -p "$dir"
    field_port=$(free_port 18200)
    field_tls_port=$(free_port 18600)
    [ ! -f "$dir/$1.pid" ] || rm "$dir/$1.pid"
    "field_$1" "$2" "$dir" 8>&- &
    field_pid=$!
    started+=($!)
    wait_port "$field_port" && wait_port "$field_tls_port" || {
        tail -n 5 "$dir/$1.log" >&2
        fail "$1 does not start"
    }
}

# Waits until it has gone: the next one takes its ports.
field_stop() {
    kill -TERM "$field_pid" 2>/dev/null || true
    wait "$field_pid" 2>/dev/null || true
}

# Caddy is built here alone: where there is no Go, it is left out.
field_build() {
    step "Caddy"
    if "$ROOT/tools/servers/build" -o "$BIN" caddy >"$ROOT/run/log/servers.log" 2>&1; then
        done_step
    else
        field_names=${field_names% caddy}
        done_step "not there: $(tail -n 1 "$ROOT/run/log/servers.log")"
    fi
}

field_ours() { # THREADS DIR
    edge_config >"$2/edge.yml"
    EDGE_LISTEN=127.0.0.1:$field_port EDGE_TLS_LISTEN=127.0.0.1:$field_tls_port EDGE_TLS_CERT=$B/tls/cert.pem \
        EDGE_TLS_KEY=$B/tls/key.pem EDGE_ADMIN_LISTEN='' EDGE_CONFIG=${field_config:-$2/edge.yml} EDGE_THREADS=$1 \
        NATS_URL="nats://edge@$(bench_address nats)" NATS_PASSWORD_FILE=$B/secrets/nats-edge EDGE_SECRET_FILE=$B/secrets/edge \
        exec "$BIN/tonearm-edge" </dev/null >>"$2/ours.log" 2>&1
}

# As nginx_gate, on ports of its own and with as many workers.
field_nginx() {
    (umask 077 && mkdir -p "$B/nginx/field.tmp" && gate_port=$field_port gate_tls_port=$field_tls_port nginx_gate |
        sed "s/^worker_processes .*/worker_processes $1;/; s,$B/nginx/gate\\.,$B/nginx/field.," >"$B/nginx/field.conf")
    exec nginx -p "$B/nginx/" -e "$2/nginx.log" -c "$B/nginx/field.conf" </dev/null >>"$2/nginx.log" 2>&1
}

field_haproxy() {
    (umask 077 && echo "$key bench-key" >"$2/keys" && cat "$B/tls/cert.pem" "$B/tls/key.pem" >"$2/both.pem")
    cat >"$2/haproxy.cfg" <<TEXT
global
  nbthread $1
  maxconn 6000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout http-keep-alive 300s
  http-reuse always
frontend gate
  bind 127.0.0.1:$field_port
  bind 127.0.0.1:$field_tls_port ssl crt $2/both.pem alpn h2,http/1.1
  option forwardfor
  unique-id-format %{+X}o%pid%rt%Ts
  unique-id-header X-Request-Id
  http-request set-var(txn.key) req.hdr(x-api-key),map_str($2/keys)
  http-request deny deny_status 401 unless { var(txn.key) -m found }
  http-request set-header X-Consumer-ID %[var(txn.key)]
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  default_backend members
backend members
  server one 127.0.0.1:$backend_port
TEXT
    exec haproxy -db -f "$2/haproxy.cfg" </dev/null >>"$2/haproxy.log" 2>&1
}

field_h2o() {
    cat >"$2/h2o.conf" <<TEXT
$([ "$(id -u)" -ne 0 ] || echo "user: $(id -un)")
num-threads: $1
max-connections: 6000
error-log: $2/h2o.log
http1-request-timeout: 300
listen: { host: 127.0.0.1, port: $field_port }
listen:
  host: 127.0.0.1
  port: $field_tls_port
  ssl: { certificate-file: $B/tls/cert.pem, key-file: $B/tls/key.pem, minimum-version: TLSv1.2 }
hosts:
  default:
    paths:
      "/":
        proxy.reverse.url: http://127.0.0.1:$backend_port/
        proxy.timeout.keepalive: 60000
TEXT
    exec h2o -m worker -c "$2/h2o.conf" </dev/null >>"$2/h2o.log" 2>&1
}

field_caddy() {
    (umask 077 && cat >"$2/Caddyfile" <<TEXT
{
	admin off
	auto_https off
	persist_config off
	storage file_system $2/caddy
}
(gate) {
	@known header X-API-Key $key
	handle @known {
		reverse_proxy 127.0.0.1:$backend_port {
			header_up X-Consumer-ID bench-key
			transport http {
				keepalive_idle_conns_per_host 1024
			}
		}
	}
	respond 401
}
http://127.0.0.1:$field_port {
	bind 127.0.0.1
	import gate
}
https://127.0.0.1:$field_tls_port {
	bind 127.0.0.1
	tls $B/tls/cert.pem $B/tls/key.pem
	import gate
}
TEXT
    )
    GOMAXPROCS=$1 exec "$BIN/caddy" run --adapter caddyfile --config "$2/Caddyfile" </dev/null >>"$2/caddy.log" 2>&1
}

field_check() { # NAME
    local url
    for url in "http://127.0.0.1:$field_port" "https://127.0.0.1:$field_tls_port"; do
        expect 200 206 "$url/answer.json" "X-API-Key: $key"
        [ "$1" = h2o ] || expect 401 - "$url/answer.json"
    done
}

# field_round ROW THREADS: each one once, over both protocols, and what memory it has then.
field_round() {
    local name
    for name in $field_names; do
        field_start "$name" "$2"
        field_check "$name"
        (
            seconds=1
            wrk_once "http://127.0.0.1:$field_port/answer.json" "X-API-Key: $key" "$field_pid" >/dev/null
        )
        watched keep "$1-h1" "$name" wrk_once "http://127.0.0.1:$field_port/answer.json" "X-API-Key: $key" "$field_pid"
        watched keep "$1-h2" "$name" h2_once "https://127.0.0.1:$field_tls_port/answer.json" "$key" "$field_pid"
        keep "$1-memory" "$name" pss "$field_pid"
        field_stop
    done
}

# Connections that each had one answer and then wait: what one of them costs.
field_hold() { # NAME
    local before after nginx_connections=6000
    field_start "$1" 1
    before=$(rollup Pss_Anon "$field_pid") # libraries are shared with whoever runs beside it
    python3 "$ROOT/bench/idle.py" 127.0.0.1 "$field_port" "$field_idle" "$B/field/key" >"$B/field/idle.out" 2>&1 8>&- < <(sleep 600) &
    started+=($!)
    local holder=$!
    for _ in $(seq 600); do
        ! grep -q '^held' "$B/field/idle.out" || break
        kill -0 "$holder" 2>/dev/null || fail "$1 does not hold $field_idle connections: $(tail -n 1 "$B/field/idle.out")"
        sleep 0.1
    done
    after=$(rollup Pss_Anon "$field_pid")
    echo "$before $after" >"$B/results/idle.$1"
    kill "$holder" 2>/dev/null || true
    wait "$holder" 2>/dev/null || true
    field_stop
}

# field_routes COUNT: one request's route among so many, ours and nginx in turns.
field_routes() {
    local count=$1 i dir=$B/field
    mkdir -p "$dir"
    {
        printf '_format_version: "3.0"\nservices:\n- name: backend\n  url: http://127.0.0.1:%s\n  routes:\n' "$backend_port"
        for i in $(seq "$count"); do printf '  - { name: r%s, paths: [/r%s] }\n' "$i" "$i"; done
        sed -n '/^plugins:/,$p' "$ROOT/bench/edge.yml"
    } >"$dir/routes.yml"
    field_config=$dir/routes.yml field_start ours 1
    local ours_pid=$field_pid ours_port=$field_port
    field_port=$(free_port 18300)
    {
        nginx_head routes 1
        nginx_lua
        nginx_upstream backend "127.0.0.1:$backend_port"
        printf '    server {\n        listen 127.0.0.1:%s;\n' "$field_port"
        nginx_check
        for i in $(seq "$count"); do printf '        location /r%s/ { proxy_pass http://backend/; }\n' "$i"; done
        printf '    }\n}\n'
    } >"$B/nginx/routes.conf"
    mkdir -p "$B/nginx/routes.tmp"
    nginx -p "$B/nginx/" -e "$B/nginx/routes.log" -c "$B/nginx/routes.conf" </dev/null >>"$B/nginx/routes.log" 2>&1 8>&- &
    local peer_pid=$!
    started+=($!)
    wait_port "$field_port" || fail "nginx with $count routes does not start"
    i=$(((count + 1) / 2))
    local ours=http://127.0.0.1:$ours_port/r$i/answer.json peer=http://127.0.0.1:$field_port/r$i/answer.json
    expect 200 206 "$ours" "X-API-Key: $key"
    expect 200 206 "$peer" "X-API-Key: $key"
    expect 401 - "$ours"
    expect 401 - "$peer"
    sides "routes-$count" wrk_once "$ours" "X-API-Key: $key" "$ours_pid" -- "$peer" "X-API-Key: $key" "$peer_pid"
    kill "$ours_pid" "$peer_pid"
    wait "$ours_pid" "$peer_pid" 2>/dev/null || true
}

# What plugins cost: the key check alone, and with four more, each of which has something to do.
field_chain() {
    local dir=$B/field one_pid one_port
    field_config=$B/edge.yml field_start ours 1
    one_pid=$field_pid one_port=$field_port
    {
        edge_config
        cat <<TEXT
- name: correlation-id
  config: { header_name: X-Correlation-Id, echo_downstream: true }
- name: ip-restriction
  config: { allow: [127.0.0.0/8] }
- name: rate-limiting
  config: { limit_by: credential, minute: 1000000000, policy: local }
- name: response-transformer
  config: { add: { headers: ["x-served-by:tonearm"] }, remove: { headers: [server] } }
TEXT
    } >"$dir/chain.yml"
    field_config=$dir/chain.yml field_start ours 1
    local url=http://127.0.0.1:$field_port/answer.json
    expect 200 206 "$url" "X-API-Key: $key"
    expect 401 - "$url"
    curl -sS -D - -o /dev/null -H @<(echo "X-API-Key: $key") "$url" | grep -qi '^x-served-by: tonearm' || fail "the chain of plugins does not run"
    sides chain wrk_once "$url" "X-API-Key: $key" "$field_pid" -- "http://127.0.0.1:$one_port/answer.json" "X-API-Key: $key" "$one_pid"
    kill "$one_pid"
    wait "$one_pid" 2>/dev/null || true
    field_stop
}

# The same person asked of auth, over HTTP and over NATS.
field_nats() {
    local id
    id=$(ask GET /auth/profile/mine "$token" | jq -r .id)
    {
        cat <<TEXT
_format_version: "3.0"
upstreams:
- name: auth
  targets: [{ target: "nats:auth" }]
services:
- name: by-http
  host: auth
  path: /profile/id
  routes: [{ name: by-http, paths: [/by-http] }]
- name: by-nats
  url: nats://auth.profile.user
  routes: [{ name: by-nats, paths: [/by-nats] }]
TEXT
        sed -n '/^plugins:/,$p' "$ROOT/bench/edge.yml"
    } >"$B/field/nats.yml"
    field_config=$B/field/nats.yml field_start ours 1
    local nats=http://127.0.0.1:$field_port/by-nats?id=$id http=http://127.0.0.1:$field_port/by-http/$id auth
    auth=$(cat "$B/pid/auth")
    expect 200 - "$nats" "X-API-Key: $key"
    expect 200 - "$http" "X-API-Key: $key"
    sides nats-route wrk_once "$nats" "X-API-Key: $key" "$field_pid $auth $(cat "$B/pid/nats")" -- "$http" "X-API-Key: $key" "$field_pid $auth"
    field_stop
}

bench_field() {
    local round name
    field_build
    for round in $(seq "$rounds"); do
        step "one thread each, round $round"
        field_round one 1
        done_step
        step "all cores, round $round"
        field_round all "$(nproc)"
        done_step
    done
    (umask 077 && echo "$key" >"$B/field/key")
    for name in $field_names; do
        step "$field_idle idle connections, $name"
        field_hold "$name"
        done_step
    done
    for round in 1 10 1000; do field_routes "$round"; done
    field_chain
    field_nats
}

# The tables

field_table() { # TITLE ROW UNIT
    local name ours ours_cpu
    printf '\n%s\n\n' "$1"
    printf '| %-16s | %10s | %10s | %10s | %10s | %10s | %12s |\n' "" "/s" "ours/it" "p50" "p99" "CPU us" "its CPU/ours"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..18})" '-----------:|-----------:|-----------:|-----------:|-----------:|-------------:|'
    ours=$(median "$2" ours 1) ours_cpu=$(median "$2" ours 6)
    for name in $field_names; do
        [ -s "$B/results/$2.$name" ] || continue
        note_failures "$2" "$name"
        awk -v title="$(field_title "$name")" -v r="$(median "$2" "$name" 1)" -v p50="$(median "$2" "$name" 2)" -v p99="$(median "$2" "$name" 3)" \
            -v cpu="$(median "$2" "$name" 6)" -v ours="$ours" -v ours_cpu="$ours_cpu" '
            function ms(us) { return us > 0 ? sprintf("%.2f ms", us / 1000) : "-" }
            BEGIN { printf "| %-16s | %10.0f | %10.2f | %10s | %10s | %10.1f | %12.2f |\n", title, r, (r > 0 ? ours / r : 0), ms(p50), ms(p99), cpu, (ours_cpu > 0 ? cpu / ours_cpu : 0) }'
    done
}

field_title() {
    case $1 in
    ours) echo tonearm-edge ;;
    nginx) echo "nginx + Lua" ;;
    haproxy) echo "haproxy, key map" ;;
    h2o) echo "h2o, no check" ;;
    caddy) echo Caddy ;;
    esac
}

field_memory_table() {
    local name
    printf '\nMemory (PSS, MiB) after that load, and what one of %s idle connections costs (one thread)\n\n' "$field_idle"
    printf '| %-16s | %12s | %12s | %16s |\n' "" "one thread" "all cores" "idle, KiB each"
    printf '|%s|%s\n' "$(printf -- '-%.0s' {1..18})" '-------------:|-------------:|-----------------:|'
    for name in $field_names; do
        [ -s "$B/results/idle.$name" ] || continue
        awk -v title="$(field_title "$name")" -v one="$(median one-memory "$name" 1)" -v all="$(median all-memory "$name" 1)" -v count="$field_idle" '
            { printf "| %-16s | %12.1f | %12.1f | %16.2f |\n", title, one / 1024, all / 1024, ($2 - $1) / count }' "$B/results/idle.$name"
    done
}

field_tables() {
    printf '\nAnd the others: the same key check before the same backend (h2o checks nothing), each alone on the machine while it is measured.\n'
    field_table "One thread each, HTTP/1.1" one-h1
    field_table "One thread each, HTTP/2 with TLS" one-h2
    field_table "All cores, HTTP/1.1" all-h1
    field_table "All cores, HTTP/2 with TLS" all-h2
    field_memory_table
    printf '\n'
    versus "A route among so many, HTTP/1.1, one thread each, nginx with as many locations (CPU in us)" "/s" routes-1 routes-10 routes-1000
    printf '\n'
    versus "A chain of five plugins, beside one that checks the key alone (CPU in us)" "/s" chain
    printf '\n'
    versus "A route that ends at a NATS subject, beside the same answer over HTTP (CPU in us of edge, auth and nats-server)" "/s" nats-route
}
