# ./dev test: everything, from a clean machine; the last line counts every test of every suite.

# Suites in the order in which they fail soonest.
suites="lint unit sanitize threads e2e mutants"

dev_test() {
    local wanted=${*:-$suites} suite failed=0
    for suite in $wanted; do
        case " $suites " in *" $suite "*) ;; *) fail "test: no suite '$suite'; there are: $suites" 64 ;; esac
    done
    # CI's machines may have packages of other projects, never ours.
    install up test
    results=$ROOT/run/results
    rm -rf "$results"
    mkdir -p "$results" "$ROOT/run/log"
    test_servers
    step "building"
    build_all
    done_step
    for suite in $wanted; do
        echo "== $suite"
        "test_$suite" || {
            failed=1
            echo "   $suite: FAILED"
        }
    done
    sum_up || failed=1
    return $failed
}

# What Debian has no package for. Without Go 1.24 their tests are counted as skipped, in CI as failed.
test_servers() {
    step "test servers (FerretDB, nats)"
    if "$ROOT/tools/servers/build" -o "$BIN" ferretdb nats >"$ROOT/run/log/servers.log" 2>&1; then
        done_step
    else
        echo "not there"
        tail -n 3 "$ROOT/run/log/servers.log"
        servers_missing=1
        if [ -n "${CI:-}" ]; then echo "0 1 0" >"$results/servers"; else echo "0 0 1" >"$results/servers"; fi
    fi
}

# run_unit BUILD-DIR NAME [test...]: Criterion's executables, each counted from its own report.
run_unit() {
    local dir=$1 name=$2 status=0 reports=$ROOT/run/results/$2.d
    shift 2
    mkdir -p "$reports"
    ninja -C "$dir" meson-test-prereq >"$ROOT/run/log/$name-build.log" 2>&1 || {
        tail -n 40 "$ROOT/run/log/$name-build.log"
        echo "0 1 0" >"$results/$name"
        return 1
    }
    ROOT=$ROOT REPORTS=$reports meson test -C "$dir" --no-rebuild --suite unit --num-processes 2 --print-errorlogs \
        --wrapper "$ROOT/tools/dev/unit-wrapper" "$@" >"$ROOT/run/log/$name.log" 2>&1 || status=1
    [ $status -eq 0 ] || tail -n 200 "$ROOT/run/log/$name.log"
    cat "$reports"/* 2>/dev/null | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' >"$results/$name"
    # A test program that died before it counted is a failure too.
    if [ $status -ne 0 ] && [ "$(cut -d' ' -f2 "$results/$name")" = 0 ]; then
        awk '{ print $1, 1, $3 }' "$results/$name" >"$results/$name.new" && mv "$results/$name.new" "$results/$name"
    fi
    echo "   $(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$results/$name")"
    return $status
}

test_unit() {
    run_unit "$BUILD" unit
}

test_sanitize() {
    local dir=$ROOT/run/build-asan
    step "building with ASan and UBSan"
    build_in "$dir" -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
    done_step
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        LSAN_OPTIONS=suppressions=$ROOT/tools/dev/lsan.supp run_unit "$dir" sanitize
}

test_threads() {
    local dir=$ROOT/run/build-tsan
    step "building with TSan"
    build_in "$dir" -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
    done_step
    # shellcheck disable=SC2046
    TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:suppressions=$ROOT/tools/dev/tsan.supp run_unit "$dir" threads $(cat "$ROOT/tools/dev/threads")
}

# The whole system, on both stores. The embedded one runs the sanitized binaries.
test_e2e() {
    local status=0 store
    for store in embedded mongodb; do
        [ $store = mongodb ] && [ -n "${servers_missing:-}" ] && continue
        e2e_on $store || status=1
    done
    return $status
}

e2e_on() {
    local store=$1 status=0
    echo "   on the $store store"
    (
        export TONEARM_RUN=$ROOT/run/e2e-$store
        # Once with the binaries as they are shipped, once with those that watch themselves.
        if [ "$store" = embedded ] && [ -f "$ROOT/run/build-asan/build.ninja" ]; then
            take_programs "$ROOT/run/build-asan" "$ROOT/run/bin-asan"
            export TONEARM_BIN=$ROOT/run/bin-asan PATH=$ROOT/run/bin-asan:$ROOT/run/bin:$PATH
            export ASAN_OPTIONS=detect_leaks=0:log_path=$TONEARM_RUN/log/asan UBSAN_OPTIONS=print_stacktrace=1:log_path=$TONEARM_RUN/log/ubsan
        fi
        "$ROOT/dev" down --wipe >/dev/null
        "$ROOT/dev" up --detach --store "$store" >"$ROOT/run/log/e2e-$store-up.log" 2>&1 8>&- || {
            tail -n 20 "$ROOT/run/log/e2e-$store-up.log"
            exit 1
        }
        python3 "$ROOT/tests/run_e2e.py" --count "$results/e2e-$store" >"$ROOT/run/log/e2e-$store.log" 2>&1
    ) || status=1
    if compgen -G "$ROOT/run/e2e-$store/log/*san.*" >/dev/null; then
        head -n 40 "$ROOT/run/e2e-$store"/log/*san.*
        echo "   a sanitizer spoke up"
        echo "0 1 0" >"$results/e2e-$store-sanitizers"
        status=1
    fi
    TONEARM_RUN=$ROOT/run/e2e-$store "$ROOT/dev" down >/dev/null || status=1
    [ -f "$results/e2e-$store" ] || echo "0 1 0" >"$results/e2e-$store"
    [ $status -eq 0 ] || grep -E '^(FAIL|ERROR|Traceback|AssertionError|[A-Za-z]*Error)|^  File .*tests/' "$ROOT/run/log/e2e-$store.log" | tail -n 60
    echo "   $(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$results/e2e-$store")"
    return $status
}

# Each check taken out, one after the other: a test must notice.
test_mutants() {
    COUNT=$results/mutants "$ROOT/tests/mutants/run" 2>&1 | sed 's/^/   /'
    [ -f "$results/mutants" ] || echo "0 1 0" >"$results/mutants"
    [ "$(cut -d' ' -f2 "$results/mutants")" = 0 ]
}

test_lint() {
    . "$ROOT/tools/dev/lint.sh"
    if dev_lint; then echo "1 0 0" >"$results/lint"; else
        echo "0 1 0" >"$results/lint"
        return 1
    fi
}

sum_up() {
    local passed failed skipped
    read -r passed failed skipped < <(find "$results" -maxdepth 1 -type f -exec cat {} + | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
    if [ -n "${CI:-}" ] && [ "$skipped" -gt 0 ]; then
        echo "   $skipped skipped under CI count as failed: something that a test needs is missing"
        failed=$((failed + skipped))
        skipped=0
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
