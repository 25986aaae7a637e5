// Command ferretdb is the MongoDB-speaking server of tonearm's tests: FerretDB 1.24 on SQLite behind a gate that lets
// one write through at a time (see gate.go for the reason). It has no users and no TLS, so it listens on loopback
// only. It is not meant for production.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Names inside the state directory. The process changes into it: a Unix socket's path may have 107 bytes at most, and
// this keeps it short wherever the directory is.
const (
	lockFile   = "lock"
	dataDir    = "data"
	socketFile = "ferretdb.sock"
)

// An acknowledged write is in the write-ahead log, and the log is synced, before the reply goes out: it survives
// kill -9 of this process, and a loss of power too. SQLite rolls the log forward at the next start.
// busy_timeout comes first: the pragmas run in this order on every new connection, and the others may have to wait.
const sqliteURL = "file:" + dataDir + "/?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)"

type config struct {
	listen   string // public address, loopback only
	maxConns int
	log      *slog.Logger
}

func main() {
	os.Exit(mainCode())
}

func mainCode() int {
	listen := flag.String("listen", "127.0.0.1:27017", "loopback `address` to listen on; port 0 picks a free one")
	state := flag.String("state", "", "`directory` for the databases, created if missing (required)")
	maxConns := flag.Int("max-connections", 1000, "more connections than this are closed at once")
	verbose := flag.Bool("v", false, "log FerretDB's own notices, not only errors")
	flag.Parse()

	if *state == "" || flag.NArg() != 0 {
		flag.Usage()
		return 2
	}

	level := slog.LevelError
	if *verbose {
		level = slog.LevelInfo
	}

	cfg := config{
		listen:   *listen,
		maxConns: *maxConns,
		log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	if err := enterState(*state); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		return 1
	}

	if err := run(ctx, cfg, func(addr string) { fmt.Println("ready on", addr) }); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		return 1
	}

	return 0
}

// enterState makes the state directory the working directory and locks it until the process ends: two servers on the
// same files would each hold their own copy of the collections' list.
func enterState(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, dataDir), 0o700); err != nil {
		return err
	}

	if err := os.Chdir(dir); err != nil {
		return err
	}

	fd, err := syscall.Open(lockFile, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("%s: %w", lockFile, err)
	}

	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("state directory %s is in use by another server: %w", dir, err)
	}

	// Left over from a killed process; with the lock held it is nobody's.
	if err := os.Remove(socketFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	return nil
}

// run serves until ctx ends. It expects to be in the state directory and calls ready with the address in use.
func run(ctx context.Context, cfg config, ready func(addr string)) error {
	if err := repair(dataDir, cfg.log); err != nil {
		return err
	}

	// Listen before starting FerretDB, so that a port in use is the first thing to fail.
	l, err := listenLoopback(cfg.listen)
	if err != nil {
		return err
	}
	defer l.Close()

	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socketFile},
		Logger:    cfg.log,
		Handler:   "sqlite",
		SQLiteURL: sqliteURL,
	})
	if err != nil {
		return err
	}

	// FerretDB has its own context: it must outlive the gate, which waits for the replies under way.
	dbCtx, stopDB := context.WithCancel(context.Background())
	dbDone := make(chan error, 1)
	go func() { dbDone <- f.Run(dbCtx) }()

	g := &gate{
		dial:     func() (net.Conn, error) { return net.Dial("unix", socketFile) },
		maxConns: cfg.maxConns,
		log:      cfg.log,
	}

	ready(l.Addr().String())
	g.serve(ctx, l)

	stopDB()

	select {
	case err = <-dbDone: // it has closed its SQLite files
		return err
	case <-time.After(10 * time.Second):
		return errors.New("FerretDB did not stop within 10 s")
	}
}

// listenLoopback refuses any other address: anybody who can connect can read and write everything.
func listenLoopback(addr string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}

	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address, and this server has no authentication", addr)
	}

	return net.ListenTCP("tcp", a)
}
