# What wants processors and looks at no clock (builds, mutants, fuzzers) is done beside the suites, which mostly wait: in the
# order given, at a priority that takes only what they leave. Sourced by test.sh.

# begin_beside WORK...: starts; `await` waits for one.
begin_beside() {
    works=$ROOT/run/beside
    rm -rf "$works"
    mkdir -p "$works"
    [ $# -eq 0 ] && return
    # A session of its own: where the scheduler groups by session, a process's own priority says nothing outside of it.
    setsid "$ROOT/dev" test --beside "$@" >"$ROOT/run/log/beside.log" 2>&1 </dev/null 8>&- &
    beside=$!
    trap 'kill -TERM -- "-$beside" 2>/dev/null || :' EXIT # it has ended, mostly: which must not become the status
}

# do_beside WORK...: each, its status left in run/beside/WORK.
do_beside() {
    local work status
    works=$ROOT/run/beside
    renice -n 19 -p $BASHPID >/dev/null
    { echo 19 >/proc/self/autogroup; } 2>/dev/null || :
    for work in "$@"; do
        status=0
        ("work_$work") || status=$?
        echo "$work: $status after $SECONDS s"
        echo "$status" >"$works/.$work"
        mv "$works/.$work" "$works/$work"
    done
}

# await WORK: its status. What nobody began is done here and now.
await() {
    if [ -z "${beside:-}" ]; then
        ("work_$1")
        return
    fi
    while ! [ -f "$works/$1" ]; do
        kill -0 "$beside" 2>/dev/null || [ -f "$works/$1" ] || return 1
        sleep 0.2
    done
    [ "$(cat "$works/$1")" = 0 ]
}

# await_build WORK TEXT: says how long was waited.
await_build() {
    step "$2"
    await "$1" || {
        echo failed
        tail -n 40 "$ROOT/run/log/beside.log"
        echo "$2: failed" >>"$failures"
        echo "0 1 0" >"$results/$1"
        return 1
    }
    done_step
}

# build_tests DIR [MESON OPTION...]: the programs, and those of the tests.
build_tests() {
    build_in "$@"
    ninja -C "$1" meson-test-prereq
}

work_asan() {
    build_tests "$ROOT/run/build-asan" -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
}

work_tsan() {
    build_tests "$ROOT/run/build-tsan" -Doptimization=1 -Db_sanitize=thread -Db_lundef=false
}

# Each is the server of one test, and takes minutes to build.
work_jaeger() {
    "$ROOT/tools/servers/build" -o "$BIN" jaeger >"$ROOT/run/log/jaeger.log" 2>&1
}

work_dex() {
    "$ROOT/tools/servers/build" -o "$BIN" dex >"$ROOT/run/log/dex.log" 2>&1
}

work_mutants() {
    run_script mutants
}

work_fuzz() {
    run_script fuzz
}
