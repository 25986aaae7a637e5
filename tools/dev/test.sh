# ./dev test [--write] [SUITE...]: everything, from a clean machine; the last line counts every test of every suite.
# --write puts what the suites found into docs/reliability.md, each section with its commit and date.

# shellcheck source=tools/dev/beside.sh
. "$ROOT/tools/dev/beside.sh"

# Suites: first those that wait most, while there is most to build beside them; those that are done beside the others last.
suites="lint unit faults stores sanitize jaeger threads e2e valgrind kill mutants fuzz"
# What is done beside them: work:the suites that want it, in the order in which it is wanted.
works_of="asan:sanitize,jaeger,e2e jaeger:jaeger,threads tsan:threads dex:e2e mutants:mutants fuzz:fuzz"

dev_test() {
    local write= suite failed=0 began
    results=$ROOT/run/results
    fragments=$ROOT/run/reliability
    # What failed, a line each: told again before the last line.
    failures=$ROOT/run/failures
    # What failed and passed when it was run once more, alone: told too, and to be mended.
    unsteady=$ROOT/run/unsteady
    [ "${1:-}" = --beside ] && shift && do_beside "$@" && return
    [ "${1:-}" = --write ] && write=1 && shift
    local wanted=${*:-$suites}
    for suite in $wanted; do
        case " $suites " in *" $suite "*) ;; *) fail "test: no suite '$suite'; there are: $suites" 64 ;; esac
    done
    # CI's machines may have packages of other projects, never ours.
    install up test
    rm -rf "$results" "$fragments"
    mkdir -p "$results" "$fragments" "$ROOT/run/log"
    : >"$failures"
    : >"$unsteady"
    build_and_servers
    # shellcheck disable=SC2046
    begin_beside $(works_wanted $wanted)
    for suite in $wanted; do
        echo "== $suite"
        began=$(date +%s)
        "test_$suite" || {
            failed=1
            echo "   $suite: FAILED"
        }
        note_suite "$suite" $(($(date +%s) - began))
    done
    [ -z "$write" ] || write_reliability
    sum_up || failed=1
    return $failed
}

# works_wanted SUITE...: what is to be done for these.
works_wanted() {
    local entry suite
    for entry in $works_of; do
        for suite in "$@"; do
            case ",${entry#*:}," in *",$suite,"*) echo "${entry%%:*}" && break ;; esac
        done
    done
}

# What Debian has no package for, built beside ours. Without Go 1.24 their tests are counted as skipped, in CI as failed.
build_and_servers() {
    local servers
    "$ROOT/tools/servers/build" -o "$BIN" ferretdb h2spec mockoidc nats >"$ROOT/run/log/servers.log" 2>&1 8>&- &
    servers=$!
    step "building"
    build_all
    done_step
    step "test servers (FerretDB, h2spec, mockoidc, nats)"
    if wait "$servers"; then
        done_step
    else
        echo "not there"
        tail -n 3 "$ROOT/run/log/servers.log"
        servers_missing=1
        if [ -n "${CI:-}" ]; then echo "0 1 0" >"$results/servers"; else echo "0 0 1" >"$results/servers"; fi
    fi
}

# run_unit BUILD-DIR NAME SUITE [OPTION or test...]: Criterion's executables of meson's suite, each counted from its own report.
run_unit() {
    local dir=$1 name=$2 suite=$3 status=0 reports=$ROOT/run/results/$2.d
    shift 3
    mkdir -p "$reports"
    : >"$ROOT/run/log/$name-failed"
    ninja -C "$dir" meson-test-prereq >"$ROOT/run/log/$name-build.log" 2>&1 || {
        tail -n 40 "$ROOT/run/log/$name-build.log"
        echo "$name: it does not build" >>"$failures"
        echo "0 1 0" >"$results/$name"
        return 1
    }
    export ROOT REPORTS=$reports FAILED=$ROOT/run/log/$name-failed
    meson test -C "$dir" --no-rebuild --suite "$suite" --num-processes 2 --print-errorlogs --wrapper "$ROOT/tools/dev/unit-wrapper" \
        "$@" >"$ROOT/run/log/$name.log" 2>&1 || status=1
    [ $status -eq 0 ] || tail -n 200 "$ROOT/run/log/$name.log"
    [ $status -eq 0 ] || ! again "$dir" "$name" || status=0
    cat "$reports"/* 2>/dev/null | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' >"$results/$name"
    sed "s/^/$name: /" "$ROOT/run/log/$name-failed" >>"$failures"
    # A test program that died before it counted is a failure too.
    if [ $status -ne 0 ] && [ "$(cut -d' ' -f2 "$results/$name")" = 0 ]; then
        awk '{ print $1, 1, $3 }' "$results/$name" >"$results/$name.new" && mv "$results/$name.new" "$results/$name"
    fi
    echo "   $(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$results/$name")"
    return $status
}

# What failed beside other work is run once more, alone: a busy machine makes nobody's time. Of many failures none, and none
# that a sanitizer has told of: those are no matter of time.
again() { # again BUILD-DIR NAME
    local log=$ROOT/run/log/$2.log programs
    programs=$(cut -d: -f1 "$FAILED" | sort -u)
    [ -n "$programs" ] && [ "$(wc -w <<<"$programs")" -le 5 ] && ! grep -qE 'Sanitizer|runtime error:' "$log" || return 1
    echo "   once more, alone: ${programs//$'\n'/ }"
    cp "$FAILED" "$FAILED-first"
    : >"$FAILED"
    # shellcheck disable=SC2086
    meson test -C "$1" --no-rebuild --num-processes 1 --print-errorlogs --wrapper "$ROOT/tools/dev/unit-wrapper" $programs \
        >"$log-again" 2>&1 || {
        tail -n 60 "$log-again"
        return 1
    }
    sed "s/^/$2: /" "$FAILED-first" >>"$unsteady"
}

test_unit() {
    run_unit "$BUILD" unit unit --no-suite jaeger
}

# What has tests on the embedded store has the same on the other.
test_stores() {
    [ -z "${servers_missing:-}" ] || return 0
    local state pid status=0 log=$ROOT/run/log/stores-ferretdb.log
    state=$(mktemp -d)
    "$BIN/ferretdb" -listen 127.0.0.1:0 -state "$state" >"$log" 2>&1 </dev/null 8>&- &
    pid=$!
    for _ in {1..300}; do
        grep -qs '^ready on ' "$log" && break
        sleep 0.1
    done
    STORE_FERRETDB=1 TEST_STORE_URL=mongodb://$(sed -n 's/^ready on //p' "$log") run_unit "$BUILD" stores stores || status=1
    kill "$pid"
    wait "$pid" || :
    rm -rf "$state"
    return $status
}

test_sanitize() {
    await_build asan "building with ASan and UBSan" || return 1
    run_sanitized sanitize unit --no-suite jaeger
}

run_sanitized() { # run_sanitized NAME SUITE [OPTION...]
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        LSAN_OPTIONS=suppressions=$ROOT/tools/dev/lsan.supp run_unit "$ROOT/run/build-asan" "$@"
}

# What needs the server that is longest in the making, plain and with ASan; with TSan it is among `threads`.
test_jaeger() {
    local status=0
    step "test servers (Jaeger)"
    if await jaeger; then done_step; else echo "not there"; fi
    await_build asan "building with ASan and UBSan" || return 1
    run_unit "$BUILD" jaeger jaeger || status=1
    run_sanitized jaeger-sanitized jaeger || status=1
    return $status
}

test_threads() {
    local dir=$ROOT/run/build-tsan
    await_build tsan "building with TSan" || return 1
    await jaeger || :
    # shellcheck disable=SC2046
    TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:suppressions=$ROOT/tools/dev/tsan.supp run_unit "$dir" threads unit $(unit_tests_but "$ROOT/tools/dev/threads" "$dir")
}

# unit_tests_but FILE BUILD-DIR: the names of all, but for those that the file names with a reason.
unit_tests_but() {
    meson test -C "$2" --list --suite unit 2>/dev/null | grep -oE 'test_[a-z0-9_]+$' |
        awk 'NR == FNR { if (!/^#/) out[$1] = 1; next } !($1 in out)' "$1" -
}

# The whole system, on both stores: once with the binaries as they are shipped, once with those that watch themselves.
test_e2e() {
    local status=0 store
    await_build asan "building with ASan and UBSan" || return 1
    step "test servers (Dex)"
    if await dex; then done_step; else echo "not there"; fi
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
        if [ "$store" = embedded ]; then
            take_programs "$ROOT/run/build-asan" "$ROOT/run/bin-asan"
            export TONEARM_BIN=$ROOT/run/bin-asan PATH=$ROOT/run/bin-asan:$ROOT/run/bin:$PATH
            export ASAN_OPTIONS=detect_leaks=1:log_path=$TONEARM_RUN/log/asan LSAN_OPTIONS=print_suppressions=0:suppressions=$ROOT/tools/dev/lsan.supp UBSAN_OPTIONS=print_stacktrace=1:log_path=$TONEARM_RUN/log/ubsan
        fi
        "$ROOT/dev" down --wipe >/dev/null
        "$ROOT/dev" up --detach --store "$store" >"$ROOT/run/log/e2e-$store-up.log" 2>&1 8>&- || {
            tail -n 20 "$ROOT/run/log/e2e-$store-up.log"
            echo "e2e-$store: the system did not come up" >>"$failures"
            exit 1
        }
        python3 "$ROOT/tests/run_e2e.py" --count "$results/e2e-$store" >"$ROOT/run/log/e2e-$store.log" 2>&1
    ) || status=1
    # What is left behind shows at the stop.
    TONEARM_RUN=$ROOT/run/e2e-$store "$ROOT/dev" down >/dev/null || status=1
    if compgen -G "$ROOT/run/e2e-$store/log/*san.*" >/dev/null; then
        head -n 40 "$ROOT/run/e2e-$store"/log/*san.*
        echo "   a sanitizer spoke up"
        note_failures "e2e-$store" '^(==|SUMMARY|WARNING).*(ERROR|SUMMARY|WARNING)|runtime error' "$ROOT/run/e2e-$store"/log/*san.*
        echo "0 1 0" >"$results/e2e-$store-sanitizers"
        status=1
    fi
    [ -f "$results/e2e-$store" ] || echo "0 1 0" >"$results/e2e-$store"
    sed -n "s/^UNSTEADY /e2e-$store: /p" "$ROOT/run/log/e2e-$store.log" >>"$unsteady"
    [ $status -eq 0 ] || note_failures "e2e-$store" '^(FAIL|ERROR): |^[A-Za-z.]*(Error|Exception): ' "$ROOT/run/log/e2e-$store.log"
    [ $status -eq 0 ] || grep -E '^(FAIL|ERROR|Traceback|AssertionError|[A-Za-z]*Error)|^  File .*tests/' "$ROOT/run/log/e2e-$store.log" | tail -n 60
    echo "   $(awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }' "$results/e2e-$store")"
    return $status
}

# A suite that is a script: it counts into COUNT, and leaves what it found in run/reliability.
run_script() { # run_script NAME
    COUNT=$results/$1 "$ROOT/tests/$1/run" >"$ROOT/run/log/$1.log" 2>&1 || true
    [ -s "$results/$1" ] || echo "0 1 0" >"$results/$1"
}

tell_script() { # tell_script NAME: what it printed
    sed 's/^/   /' "$ROOT/run/log/$1.log"
    sed -n "s/^UNSTEADY /$1: /p" "$ROOT/run/log/$1.log" >>"$unsteady"
    [ "$(cut -d' ' -f2 "$results/$1")" != 0 ] || return 0
    note_failures "$1" ': SURVIVED |mend tests/mutants/table|: does not build|of a test that failed|: FAILED: |: failed \(|it did not come to that|WRONG: |: [1-9][0-9]* faults$' "$ROOT/run/log/$1.log"
    return 1
}

test_script() {
    run_script "$1"
    tell_script "$1"
}

# Each program's start, some work, and its stop under memcheck.
test_valgrind() {
    test_script valgrind
}

# Killed at random moments: what was acknowledged is found again.
test_kill() {
    test_script kill
}

# What a system depends on, taken away and given back.
test_faults() {
    test_script faults
}

# Each check taken out, one after the other: a test must notice.
test_mutants() {
    await mutants || :
    tell_script mutants
}

test_fuzz() {
    await fuzz || :
    tell_script fuzz
}

# note_failures SUITE PATTERN LOG...: the lines that tell of a failure, for the end.
note_failures() {
    local suite=$1 pattern=$2
    shift 2
    { grep -hE "$pattern" "$@" || true; } | cut -c1-400 | sed "s/^ */$suite: /" >>"$failures"
}

# A row for each suite: what it counted, in how long.
note_suite() {
    [ -s "$fragments/suites.md" ] || printf '## Suites\n\nEvery suite of one run, in its order.\n\n| suite | passed | failed | skipped | seconds |\n|---|---:|---:|---:|---:|\n' >"$fragments/suites.md"
    find "$results" -maxdepth 1 -type f -name "$1*" -exec cat {} + |
        awk -v suite="$1" -v seconds="$2" '{ p += $1; f += $2; s += $3 } END { printf "| %s | %d | %d | %d | %d |\n", suite, p, f, s, seconds }' >>"$fragments/suites.md"
}

write_reliability() {
    local file name
    for file in "$fragments"/*.md; do
        name=$(basename "$file" .md)
        { cat "$file" && stamp; } | "$ROOT/tools/dev/section" "$ROOT/docs/reliability.md" "$name"
    done
}

test_lint() {
    . "$ROOT/tools/dev/lint.sh"
    if dev_lint; then echo "1 0 0" >"$results/lint"; else
        echo "lint: see above" >>"$failures"
        echo "0 1 0" >"$results/lint"
        return 1
    fi
}

sum_up() {
    local passed failed skipped
    read -r passed failed skipped < <(find "$results" -maxdepth 1 -type f -exec cat {} + | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
    # What a sandbox forbids even to root (mounting a small disk to fill it) is no server that is missing.
    local forbidden
    forbidden=$(cut -d' ' -f3 "$results/faults" 2>/dev/null || echo 0)
    if [ -n "${CI:-}" ] && [ "$skipped" -gt "$forbidden" ]; then
        echo "   $((skipped - forbidden)) skipped under CI count as failed: something that a test needs is missing"
        failed=$((failed + skipped - forbidden))
        skipped=$forbidden
    fi
    if [ -s "$unsteady" ]; then
        echo "== what failed beside other work and passed alone"
        head -n 20 "$unsteady" | sed 's/^/   /'
    fi
    if [ "$failed" -gt 0 ] && [ -s "$failures" ]; then
        echo "== what failed"
        head -n 60 "$failures" | sed 's/^/   /'
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
