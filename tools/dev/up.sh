# ./dev up: from nothing to a system that answers.

dev_up() {
    local detach= store=embedded replicas=1 demo=
    while [ $# -gt 0 ]; do
        case $1 in
        --detach) detach=1 ;;
        --demo) demo=1 ;;
        --store)
            store=${2:-}
            shift
            ;;
        --replicas)
            replicas=${2:-}
            shift
            ;;
        *) fail "up: unknown argument '$1'; './dev help' lists them" 64 ;;
        esac
        shift || fail "up: an argument is missing its value" 64
    done
    case $store in embedded | mongodb) ;; *) fail "up: --store is embedded or mongodb, not '$store'" 64 ;; esac
    [[ $replicas =~ ^[1-9]$ ]] || fail "up: --replicas is 1 to 9, not '$replicas'" 64

    mkdir -p "$RUN"
    exec 8>"$RUN/up.lock"
    flock -w 600 8 || fail "another ./dev up is at work here"

    local fresh=1
    if running supervise >/dev/null; then
        fresh=
        local now
        now=$(cat "$RUN/store" 2>/dev/null || echo embedded)
        [ "$now" = "$store" ] || [ "$store" = embedded ] || fail "it runs on the $now store; ./dev down first"
        store=$now
        echo "tonearm is running; starting what is missing"
    else
        echo "tonearm is starting (logs: ./dev logs)"
    fi
    install up
    step "building"
    [ -n "${TONEARM_BIN:-}" ] || build_all
    if [ "$store" = mongodb ]; then
        build_servers ferretdb
    fi
    done_step

    step "keys, secrets, settings"
    echo "$store" >"$RUN/store"
    make_keys
    # Two systems that start side by side must not choose the same ports: the second waits until the first listens.
    exec 7>"${XDG_RUNTIME_DIR:-/tmp}/tonearm-$(id -u).ports"
    flock -w 120 7 || fail "another system has been starting for two minutes"
    choose_addresses "$store" "$replicas"
    write_env "$store" "$replicas"
    write_procs "$store" "$replicas"
    done_step

    step "starting"
    if [ -n "$fresh" ]; then
        # Own session, no stream of ours: it outlives this shell. The lock is not for it.
        setsid -f tonearm-supervise "$RUN" </dev/null >>"$RUN/log/supervise.log" 2>&1 7>&- 8>&-
    else
        kill -HUP "$(running supervise)"
    fi
    wait_ready nats redis-auth redis-media mongo-auth mongo-media
    provision
    wait_ready
    exec 7>&-
    wait_through_edge
    done_step ready
    [ -n "$demo" ] && load_demo
    flock -u 8
    welcome
    [ -n "$detach" ] && return
    echo "Ctrl-C stops it."
    trap 'echo; . "$ROOT/tools/dev/down.sh"; dev_down; exit 0' INT TERM
    while running supervise >/dev/null; do
        sleep 1
    done
    echo "it was stopped from elsewhere"
}

build_servers() {
    "$ROOT/tools/servers/build" -o "$ROOT/run/bin" "$@" >"$ROOT/run/log/servers.log" 2>&1 || {
        local status=$?
        echo failed
        tail -n 5 "$ROOT/run/log/servers.log" >&2
        exit "$status"
    }
}

# The master secret and the first signing key. The default system has them in keys/, others beside their state.
keys_dir() {
    if [ "$RUN" = "$ROOT/run" ]; then echo "$ROOT/keys"; else echo "$RUN/keys"; fi
}

make_keys() {
    local dir
    dir=$(keys_dir)
    mkdir -p "$dir" "$RUN/log" "$RUN/pid" "$RUN/env" "$RUN/tls"
    chmod 700 "$RUN/env"
    if [ ! -s "$dir/master.key" ] || [ ! -s "$dir/signing.pem" ]; then
        tonearm keygen "$dir" >/dev/null
    fi
    local name
    for name in edge nats-edge nats-auth nats-media nats-notify nats-operator redis-auth redis-media admin; do
        secret $name >/dev/null
    done
    if [ ! -s "$RUN/tls/cert.pem" ]; then
        (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$RUN/tls/key.pem" -out "$RUN/tls/cert.pem" 2>/dev/null)
    fi
}

# take_slot: which of 240 times fifty ports are this system's, for as long as its folder is there. The lock of the ports is held.
take_slot() {
    local file=${XDG_RUNTIME_DIR:-/tmp}/tonearm-$(id -u).slots number path
    local -A taken=()
    slot=
    touch "$file"
    while read -r number path; do
        [ -d "$path" ] || continue
        [ "$path" != "$RUN" ] || slot=$number
        taken[$number]=$path
    done <"$file"
    for number in $(seq 0 239); do
        [ -n "$slot" ] && break
        [ -n "${taken[$number]:-}" ] || slot=$number
    done
    slot=${slot:-$(($(cksum <<<"$RUN" | cut -d' ' -f1) % 240))}
    taken[$slot]=$RUN
    for number in "${!taken[@]}"; do echo "$number ${taken[$number]}"; done >"$file"
}

# choose NAME PORT: writes "NAME 127.0.0.1:PORT" to run/addresses.new, with the next port that nobody has.
choose() {
    local name=$1 port=$2 old
    # Beside the default system each has fifty ports of its own: while a service is started again, nobody takes its port.
    [ "$RUN" = "$ROOT/run" ] || port=$((20000 + slot * 50))
    old=$(address "$name")
    # The edge has three addresses and one process.
    if [ -n "$old" ] && running "${name%%-@(http|tls)}" >/dev/null; then
        port=${old##*:}
    else
        while port_taken "$port" || grep -qs ":$port\$" "$RUN/addresses.new"; do
            port=$((port + 1))
        done
    fi
    echo "$name 127.0.0.1:$port" >>"$RUN/addresses.new"
}

choose_addresses() {
    local store=$1 replicas=$2 i
    [ "$RUN" = "$ROOT/run" ] || take_slot
    : >"$RUN/addresses.new"
    choose nats 14222
    choose redis-auth 16379
    choose redis-media 16380
    if [ "$store" = mongodb ]; then
        choose mongo-auth 17017
        choose mongo-media 17018
    fi
    choose auth 8010
    for i in $(seq 2 "$replicas"); do choose "auth-$i" $((8009 + i)); done
    choose media 8020
    for i in $(seq 2 "$replicas"); do choose "media-$i" $((8019 + i)); done
    choose notify 8030
    choose edge 8001
    choose edge-http 8000
    choose edge-tls 8443
    awk '$1 !~ /^edge-(http|tls)$/' "$RUN/addresses.new" >"$RUN/addresses"
    awk '$1 ~ /^edge-(http|tls)$/' "$RUN/addresses.new" >"$RUN/edge-addresses"
}

address() {
    awk -v n="$1" '$1 == n { print $2 }' < <(cat "$RUN/addresses" "$RUN/edge-addresses" 2>/dev/null)
}

# env NAME: writes stdin to run/env/NAME.env, readable by nobody else.
env_file() {
    (umask 077 && cat >"$RUN/env/$1.env.new" && mv "$RUN/env/$1.env.new" "$RUN/env/$1.env")
}

store_url() { # store_url SERVICE STORE
    if [ "$2" = mongodb ]; then
        echo "mongodb://$(address "mongo-$1")/$1"
    else
        echo "embedded:$RUN/data/$1"
    fi
}

common_env() { # common_env SERVICE STORE
    cat <<TEXT
NATS_URL=nats://$1@$(address nats)
NATS_PASSWORD_FILE=$RUN/secrets/nats-$1
EDGE_SECRET_FILE=$RUN/secrets/edge
TEXT
    case $1 in
    auth | media)
        cat <<TEXT
STORE_URL=$(store_url "$1" "$2")
STORE_FERRETDB=1
REDIS_URL=redis://:$(cat "$RUN/secrets/redis-$1")@$(address "redis-$1")/0
MIGRATIONS=$ROOT/migrations/$1
TEXT
        ;;
    esac
}

write_env() {
    local store=$1 replicas=$2 keys i
    keys=$(keys_dir)
    for i in 1 $(seq 2 "$replicas"); do
        local suffix=-$i
        [ "$i" = 1 ] && suffix=
        {
            common_env auth "$store"
            echo "AUTH_LISTEN=$(address "auth$suffix")"
            echo "AUTH_MASTER_SECRET_FILE=$keys/master.key"
            echo "AUTH_SIGNING_KEY_FILE=$keys/signing.pem"
        } | env_file "auth$suffix"
        {
            common_env media "$store"
            echo "MEDIA_LISTEN=$(address "media$suffix")"
            echo "BLOB_URL=file:$RUN/blobs"
            echo "PROJECTION_DIR=$RUN/projection/media$suffix"
            echo "MEDIA_PROBE=$BIN/tonearm-probe"
        } | env_file "media$suffix"
    done
    {
        common_env notify "$store"
        echo "NOTIFY_LISTEN=$(address notify)"
    } | env_file notify
    {
        common_env edge "$store"
        echo "EDGE_LISTEN=$(address edge-http)"
        echo "EDGE_TLS_LISTEN=$(address edge-tls)"
        echo "EDGE_TLS_CERT=$RUN/tls/cert.pem"
        echo "EDGE_TLS_KEY=$RUN/tls/key.pem"
        echo "EDGE_ADMIN_LISTEN=$(address edge)"
        echo "EDGE_CONFIG=$ROOT/gateway.yml"
    } | env_file edge
    {
        echo "NATS_PORT=$(address nats | cut -d: -f2)"
        echo "NATS_STORE_DIR=$RUN/nats"
        local user
        for user in edge auth media notify operator; do
            echo "NATS_${user^^}_PASSWORD=$(cat "$RUN/secrets/nats-$user")"
        done
    } | env_file nats
    local service
    for service in auth media; do
        mkdir -p "$RUN/redis-$service"
        (umask 077 && cat >"$RUN/redis-$service/redis.conf" <<TEXT
bind 127.0.0.1
port $(address "redis-$service" | cut -d: -f2)
dir $RUN/redis-$service
requirepass $(cat "$RUN/secrets/redis-$service")
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
TEXT
        )
    done
    # The command line works on auth's store, as auth.
    cp "$RUN/env/auth.env" "$RUN/env/cli.env"
    echo "TONEARM_RUN=$RUN" >>"$RUN/env/cli.env"
}

write_procs() {
    local store=$1 replicas=$2 i
    {
        printf 'nats\t%s\tnats-server\t-c\t%s\n' "$RUN/env/nats.env" "$ROOT/compose/nats.conf"
        printf 'redis-auth\t-\tredis-server\t%s\n' "$RUN/redis-auth/redis.conf"
        printf 'redis-media\t-\tredis-server\t%s\n' "$RUN/redis-media/redis.conf"
        if [ "$store" = mongodb ]; then
            for i in auth media; do
                mkdir -p "$RUN/mongo-$i"
                printf 'mongo-%s\t-\tferretdb\t-listen\t%s\t-state\t%s\n' "$i" "$(address "mongo-$i")" "$RUN/mongo-$i"
            done
        fi
        for i in 1 $(seq 2 "$replicas"); do
            local suffix=-$i
            [ "$i" = 1 ] && suffix=
            printf 'auth%s\t%s\ttonearm-auth\n' "$suffix" "$RUN/env/auth$suffix.env"
            printf 'media%s\t%s\ttonearm-media\n' "$suffix" "$RUN/env/media$suffix.env"
        done
        printf 'notify\t%s\ttonearm-notify\n' "$RUN/env/notify.env"
        printf 'edge\t%s\ttonearm-edge\n' "$RUN/env/edge.env"
    } >"$RUN/procs.new"
    mkdir -p "$RUN/data" "$RUN/blobs" "$RUN/projection" "$RUN/nats"
    mv "$RUN/procs.new" "$RUN/procs"
}

# wait_ready [NAME...]: of those that run here (all, without names).
wait_ready() {
    local name address until=$(($(date +%s) + 60))
    while read -r name address; do
        [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
        until is_ready "$name" "$address"; do
            if [ "$(date +%s)" -ge $until ]; then
                echo failed
                tail -n 5 "$RUN/log/$name.log" >&2
                fail "$name is not ready after 60 s; see ./dev logs $name"
            fi
            sleep 0.05
        done
    done <"$RUN/addresses"
}

wait_through_edge() {
    local path until=$(($(date +%s) + 30))
    for path in auth media; do
        until curl -fsS -m 2 -o /dev/null "http://$(address edge-http)/$path/health" 2>/dev/null; do
            [ "$(date +%s)" -lt $until ] || fail "the edge does not reach $path; see ./dev logs edge"
            sleep 0.05
        done
    done
}

# The admin and the API key, made once per store; run/tonearm.env tells them.
provision() {
    local env=$RUN/tonearm.env key email=admin@tonearm.local
    key=$(value "$env" TONEARM_API_KEY)
    if [ -z "$key" ] || [ "$(value "$env" TONEARM_STORE)" != "$(cat "$RUN/store")" ]; then
        tonearm --env-file "$RUN/env/cli.env" migrate >/dev/null
        tonearm --env-file "$RUN/env/cli.env" user create --email "$email" --name Admin --role ADMIN \
            --password-file "$RUN/secrets/admin" --if-missing >/dev/null
        key=$(tonearm --env-file "$RUN/env/cli.env" apikey create --name "dev $(date +%F)" --quiet)
    fi
    env_file tonearm <<TEXT
TONEARM_URL=http://$(address edge-http)
TONEARM_TLS_URL=https://$(address edge-tls)
TONEARM_ADMIN_URL=http://$(address edge)
TONEARM_API_KEY=$key
TONEARM_ADMIN_EMAIL=$email
TONEARM_ADMIN_PASSWORD=$(cat "$RUN/secrets/admin")
NATS_URL=nats://operator:$(cat "$RUN/secrets/nats-operator")@$(address nats)
TONEARM_STORE=$(cat "$RUN/store")
TEXT
    mv "$RUN/env/tonearm.env" "$env"
}

load_demo() {
    install test
    . "$ROOT/tools/dev/demo.sh"
    demo_load
}

welcome() {
    local env=$RUN/tonearm.env
    cat <<TEXT

tonearm is ready.

  URL       $(value "$env" TONEARM_URL)   (TLS: $(value "$env" TONEARM_TLS_URL), admin: $(value "$env" TONEARM_ADMIN_URL))
  API key   $(value "$env" TONEARM_API_KEY)
  sign-in   $(value "$env" TONEARM_ADMIN_EMAIL)  $(value "$env" TONEARM_ADMIN_PASSWORD)

Try (in a shell that has read it:  . ${RUN#"$ROOT"/}/tonearm.env):

  curl -H "X-API-Key: \$TONEARM_API_KEY" \$TONEARM_URL/media/tracks/latest
  curl -H "X-API-Key: \$TONEARM_API_KEY" -d "{\"email\":\"\$TONEARM_ADMIN_EMAIL\",\"password\":\"\$TONEARM_ADMIN_PASSWORD\"}" \$TONEARM_URL/auth/signin/basic
  ./dev status        (and: ./dev up --demo for real music, ./dev logs, ./dev down)

TEXT
}
