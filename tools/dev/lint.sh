# ./dev lint: what the house holds itself to and a machine can see.
c_files() {
    git -C "$ROOT" ls-files '*.c' '*.h' '*.cc' | while read -r file; do [ -f "$ROOT/$file" ] && echo "$file"; done
}

dev_lint() {
    install test
    local status=0 found
    found=$(cd "$ROOT" && c_files | xargs clang-format --dry-run 2>&1 | grep -c 'warning:' || true)
    if [ "$found" -gt 0 ]; then
        echo "   $found places are not laid out as .clang-format says; ./dev fmt mends them"
        status=1
    fi
    found=$(c_files | xargs -n1 basename | sort | uniq -d | grep -v '^main.c$' || true)
    if [ -n "$found" ]; then
        echo "   two files of one name:" $found
        status=1
    fi
    check_layers || status=1
    found=$(git -C "$ROOT" grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' '*.cc' '*.py' 'dev' 'tools/dev' ':!tools/dev/lint.sh' || true)
    if [ -n "$found" ]; then
        echo "$found"
        status=1
    fi
    found=$(python3 "$ROOT/shared/languages/messages" check) || { echo "$found" | sed 's/^/   /'; status=1; }
    python3 "$ROOT/docs/check" | sed 's/^/   /'
    [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
    if [ -x "$BIN/tonearm" ] && ! "$BIN/tonearm" docs | cmp -s - "$ROOT/docs/api.md"; then
        echo "   docs/api.md is not what the tables say; run/bin/tonearm docs > docs/api.md"
        status=1
    fi
    if [ -x "$BIN/tonearm-edge" ] && ! "$BIN/tonearm-edge" --docs from-kong | grep . | cmp -s - <(sed -n '/^<!-- tables -->$/,/^<!-- \/tables -->$/p' "$ROOT/docs/from-kong.md" | sed '1d;$d' | grep .); then
        echo "   docs/from-kong.md is not what the tables say; run/bin/tonearm-edge --docs from-kong | tools/dev/section docs/from-kong.md tables"
        status=1
    fi
    [ $status -eq 0 ] && echo "   layout, names, layers and documents are right"
    return $status
}

# A folder of shared/ includes only what stands left of it; services never include each other.
check_layers() {
    local order="base record store crypto metrics http nats contract" status=0 folder include file
    while IFS=: read -r file include; do
        folder=${file#shared/}
        folder=${folder%%/*}
        include=${include%%/*}
        case " $order " in *" $include "*) ;; *) continue ;; esac
        local left=${order%%"$folder"*}
        case " $left $folder " in
        *" $include "*) ;;
        *)
            # what is asked and told is a vocabulary of names: any layer may use it
            [ "$include" = contract ] && [ "$folder" = nats ] && continue
            [ "$include" = contract ] && [ "$folder" = http ] && continue
            echo "   $file includes $include/, which stands right of it"
            status=1
            ;;
        esac
    done < <(cd "$ROOT" && grep -rnoE '#include "[a-z]+/' shared --include='*.[ch]' | grep -v '/test_' | sed -E 's/^([^:]+):[0-9]+:#include "([a-z]+)\//\1:\2\//')
    return $status
}
