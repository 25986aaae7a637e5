dev_status() {
    [ -f "$RUN/addresses" ] || {
        echo "nothing runs; ./dev up starts it"
        exit 1
    }
    local all=0 name address pid state
    while read -r name address; do
        if pid=$(running "$name"); then
            state=ready
            is_ready "$name" "$address" || state=starting
        else
            pid=-
            state=down
        fi
        [ $state = ready ] || all=1
        printf '%-12s %-8s %-22s %s\n' "$name" "$pid" "$address" "$state"
    done <"$RUN/addresses"
    return $all
}
