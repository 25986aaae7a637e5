. "$ROOT/tools/dev/lint.sh"
dev_fmt() {
    install test
    (cd "$ROOT" && c_files | xargs clang-format -i)
}
