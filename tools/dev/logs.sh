dev_logs() {
    local files=("$RUN"/log/*.log)
    if [ $# -gt 0 ]; then
        files=("$RUN/log/$1.log")
        [ -f "${files[0]}" ] || fail "no log of '$1'; there are: $(cd "$RUN/log" && echo *.log)" 64
    fi
    exec tail -n 50 -F "${files[@]}"
}
