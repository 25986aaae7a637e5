dev_help() {
    cat <<'TEXT'
usage: ./dev COMMAND

  up [--detach] [--store mongodb] [--replicas N] [--demo]
                   install what is missing, build, start everything, wait until it is ready;
                   Ctrl-C stops it all. A second one starts what is missing.
                   --detach   return when all is ready
                   --store    embedded (default) or mongodb (a FerretDB built here; needs Go 1.24)
                   --replicas so many of auth and of media
                   --demo     put real music in, through the public API
  down [--wipe]    stop; --wipe also forgets stores, blobs, streams and mail
  status           NAME PID ADDRESS STATE, a line each; exit 0 when all are ready
  logs [PROCESS]   follow what the processes print
  tonearm ARGS     the command line in the running system's environment (try: ./dev tonearm --help)
  build            build only
  test [NAME ...]  everything from a clean machine, or only: lint, unit, faults, stores, sanitize, jaeger,
                   threads, e2e, valgrind, kill, mutants, fuzz;
                   --write first: what the suites found goes into docs/reliability.md
  fuzz [NAME ...]  an hour of each fuzzer; what is newly reached goes into tests/fuzz/corpus
  bench [NAME ...] measure side by side with peers in one run: start, memory, edge, attacks, services, nats, auth, file,
                   store; --write first: what was found goes into docs/performance.md
  lint, fmt        check, or mend, the layout of the code
  clean            remove what was built and all state
  help             this page

State lives under run/. Addresses, the API key and the admin's sign-in stand in run/tonearm.env.
TEXT
}
