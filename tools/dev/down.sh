dev_down() {
    local wipe=
    for arg in "$@"; do
        case $arg in
        --wipe) wipe=1 ;;
        *) fail "down: unknown argument '$arg'" 64 ;;
        esac
    done
    local pid
    if pid=$(running supervise); then
        kill -TERM "$pid"
        for _ in $(seq 300); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -0 "$pid" 2>/dev/null && fail "the supervisor ($pid) does not stop; see $RUN/log"
        echo "stopped"
    else
        echo "nothing runs"
    fi
    rm -f "$RUN/procs" "$RUN/addresses"
    if [ -n "$wipe" ]; then
        rm -rf "$RUN/data" "$RUN/blobs" "$RUN/projection" "$RUN/nats" "$RUN/redis-auth" "$RUN/redis-media" \
            "$RUN/mongo-auth" "$RUN/mongo-media" "$RUN/mail" "$RUN/tonearm.env" "$RUN/demo"
        echo "stores, blobs, streams and mail are gone"
    fi
}
