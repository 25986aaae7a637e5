dev_clean() {
    [ -d "$RUN/pid" ] && running supervise >/dev/null && fail "something runs: ./dev down first"
    rm -rf "$ROOT/run"
    echo "run/ is gone"
}
