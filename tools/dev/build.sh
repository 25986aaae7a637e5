dev_build() {
    install up
    step "building"
    build_all
    done_step
}
