# What the commands of ./dev share. Sourced; no output of its own.

fail() {
    echo "./dev: $1" >&2
    exit "${2:-1}"
}

step() { # step TEXT: what happens next, with the time it took printed by `done_step`
    printf '  %-44s' "$1 ..."
    step_began=$(date +%s%N)
}

done_step() {
    printf '%s (%s s)\n' "${1:-done}" "$(awk -v ns=$(($(date +%s%N) - step_began)) 'BEGIN { printf "%.1f", ns / 1e9 }')"
}

# install KIND...: the packages of these kinds in tools/packages that are not there yet.
install() {
    local wanted missing=()
    wanted=$(awk -v kinds=" $* " '!/^#/ && index(kinds, " " $1 " ") { print $2 }' "$ROOT/tools/packages")
    local there
    # shellcheck disable=SC2086
    there=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' $wanted 2>/dev/null || true)"
    for package in $wanted; do
        case $there in *" $package=installed "*) ;; *) missing+=("$package") ;; esac
    done
    [ ${#missing[@]} -eq 0 ] && return
    local as=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            as=(sudo)
        else
            echo "./dev: these packages are missing, and this is not root:" >&2
            echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 77
        fi
    fi
    mkdir -p "$RUN/log"
    step "installing ${#missing[@]} packages"
    {
        "${as[@]}" apt-get update &&
            "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
    } >"$RUN/log/apt.log" 2>&1 || {
        echo failed
        tail -n 5 "$RUN/log/apt.log" >&2
        fail "apt-get failed; all of it is in $RUN/log/apt.log"
    }
    done_step
}

# The quicker linker, where it is there: 200 programs are linked in a fifth of the time.
linker() {
    if command -v ld.gold >/dev/null; then echo gold; else echo bfd; fi
}

# build_in DIR [MESON OPTION...]: sets up where it is new, then builds; the log is shown only when it fails.
build_in() {
    local dir=$1
    shift
    mkdir -p "$ROOT/run/log"
    local log
    log=$ROOT/run/log/$(basename "$dir").log
    {
        { [ -f "$dir/build.ninja" ] || CC_LD=$(linker) CXX_LD=$(linker) meson setup "$dir" "$ROOT" "$@"; } && ninja -C "$dir"
    } >"$log" 2>&1 || {
        echo failed
        tail -n 40 "$log" >&2
        fail "the build failed; all of it is in $log"
    }
}

programs="gateway_plugin/tonearm-edge auth_service/tonearm-auth media_service/tonearm-media media_service/tonearm-probe
    notification_service/tonearm-notify tools/tonearm tools/tonearm-supervise"

# take_programs BUILD BIN: the binaries, replaced only where they changed.
take_programs() {
    mkdir -p "$2"
    local file
    for file in $programs; do
        cmp -s "$1/$file" "$2/${file##*/}" || cp --remove-destination "$1/$file" "$2/${file##*/}"
    done
}

build_all() {
    build_in "$BUILD" -Dbuildtype=debugoptimized
    take_programs "$BUILD" "$ROOT/run/bin"
}

running() { # running NAME: its id, when it runs
    local pid
    pid=$(cat "$RUN/pid/$1" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# value FILE NAME: of a NAME=value file.
value() {
    [ ! -f "$1" ] || sed -n "s/^$2=//p" "$1" | tail -n 1
}

secret() { # secret NAME: the path of run/secrets/NAME, made where it is missing
    local path=$RUN/secrets/$1
    if [ ! -s "$path" ]; then
        mkdir -p "$RUN/secrets"
        chmod 700 "$RUN/secrets"
        (umask 077 && printf 'p%s' "$(openssl rand -hex 24)" >"$path.new" && mv "$path.new" "$path")
    fi
    echo "$path"
}

is_ready() { # is_ready NAME ADDRESS
    case $1 in
    nats) (exec 3<>"/dev/tcp/${2/:/\/}" && read -r -t 1 line <&3 && [ "${line%% *}" = INFO ]) 2>/dev/null ;;
    redis-*) (exec 3<>"/dev/tcp/${2/:/\/}" && printf 'PING\r\n' >&3 && read -r -t 1 line <&3 && [[ $line == +PONG* || $line == -NOAUTH* ]]) 2>/dev/null ;;
    mongo-*) port_taken "${2##*:}" ;;
    edge | edge-*) curl -fsS -m 2 -o /dev/null "http://$2/status" 2>/dev/null ;;
    *) curl -fsS -m 2 -o /dev/null "http://$2/ready" 2>/dev/null ;;
    esac
}

stamp() { # when, of which commit and on what a section of docs/reliability.md was measured
    printf '\n%s UTC, commit %s, %s\n' "$(date -u '+%F %H:%M')" "$(git -C "$ROOT" rev-parse --short HEAD)" "$(uname -mr), $(nproc) cores"
}
