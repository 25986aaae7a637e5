# ./dev fuzz [--write] [TARGET...]: each fuzzer for an hour, side by side at nice 19; what was newly reached goes into
# tests/fuzz/corpus. --write puts the figures into docs/reliability.md.
dev_fuzz() {
    local write= status=0
    [ "${1:-}" = --write ] && write=1 && shift
    install up test
    "$ROOT/tests/fuzz/run" --hour "$@" || status=$?
    if [ -n "$write" ]; then
        { cat "$ROOT/run/reliability/fuzz-hour.md" && stamp; } | "$ROOT/tools/dev/section" "$ROOT/docs/reliability.md" fuzz-hour
    fi
    return $status
}
