dev_tonearm() {
    [ -x "$BIN/tonearm" ] || fail "not built yet: ./dev up" 69
    exec "$BIN/tonearm" --env-file "$RUN/env/cli.env" "$@"
}
