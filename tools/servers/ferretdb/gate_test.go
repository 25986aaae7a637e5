package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// The server under test is a process of its own, so that it can be killed: this test binary, told to be the server.
const beServer = "FERRETDB_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(beServer) != "" {
		os.Exit(mainCode())
	}
	os.Exit(m.Run())
}

type server struct {
	addr string
	cmd  *exec.Cmd
}

func start(t *testing.T, state string) *server {
	t.Helper()

	cmd := exec.Command(os.Args[0], "-listen", "127.0.0.1:0", "-state", state)
	cmd.Env = append(os.Environ(), beServer+"=1")
	cmd.Stderr = os.Stderr

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	s := &server{cmd: cmd}
	t.Cleanup(s.kill)

	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("no ready line: ", err)
	}
	s.addr = strings.TrimPrefix(strings.TrimSpace(line), "ready on ")

	return s
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// connect returns a client of its own, with one connection, as another process would have.
func connect(t *testing.T, hosts string) *mongo.Client {
	t.Helper()

	c, err := mongo.Connect(context.Background(), options.Client().
		ApplyURI("mongodb://"+hosts+"/?directConnection=true").
		SetMaxPoolSize(1).SetTimeout(30*time.Second).
		SetRetryReads(false).SetRetryWrites(false).SetServerSelectionTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect(context.Background()) })

	return c
}

const (
	clients = 20
	rounds  = 100
)

// together runs f once for each client, at the same time, and waits for all.
func together(all []*mongo.Client, f func(i int, c *mongo.Client)) {
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Add(1)
		go func() { defer wg.Done(); f(i, c) }()
	}
	wg.Wait()
}

// race lets 20 clients update one document "if the version is unchanged", 100 times, and returns the number of those
// who were told that they did it, and the number of rounds that had not exactly one of them.
func race(t *testing.T, all []*mongo.Client) (winners, wrong int) {
	ctx := context.Background()

	if _, err := all[0].Database("gate").Collection("race").InsertOne(ctx, bson.M{"_id": "doc", "v": 0}); err != nil {
		t.Fatal(err)
	}

	for round := range rounds {
		var won atomic.Int32

		together(all, func(i int, c *mongo.Client) {
			res, err := c.Database("gate").Collection("race").UpdateOne(ctx,
				bson.M{"_id": "doc", "v": round}, bson.M{"$set": bson.M{"v": round + 1, "w": i}})
			if err != nil {
				t.Error(err)
			} else {
				won.Add(int32(res.ModifiedCount))
			}
		})

		winners += int(won.Load())
		if won.Load() != 1 {
			wrong++
		}
	}

	return winners, wrong
}

// count lets 20 clients add 1 to a number 100 times each and returns the number.
func count(t *testing.T, all []*mongo.Client) int {
	ctx := context.Background()

	if _, err := all[0].Database("gate").Collection("count").InsertOne(ctx, bson.M{"_id": "doc", "n": 0}); err != nil {
		t.Fatal(err)
	}

	together(all, func(i int, c *mongo.Client) {
		coll := c.Database("gate").Collection("count")
		add := bson.M{"$inc": bson.M{"n": 1}}

		for j := range rounds {
			// both commands, so that they are seen to exclude each other
			var err error
			if j%2 == 0 {
				_, err = coll.UpdateOne(ctx, bson.M{"_id": "doc"}, add)
			} else {
				err = coll.FindOneAndUpdate(ctx, bson.M{"_id": "doc"}, add).Err()
			}
			if err != nil {
				t.Error(err)
			}
		}
	})

	var doc struct{ N int }
	if err := all[0].Database("gate").Collection("count").FindOne(ctx, bson.M{"_id": "doc"}).Decode(&doc); err != nil {
		t.Fatal(err)
	}

	return doc.N
}

func TestAtomicUpdates(t *testing.T) {
	s := start(t, t.TempDir())

	var all []*mongo.Client
	for range clients {
		all = append(all, connect(t, s.addr))
	}

	if winners, wrong := race(t, all); winners != rounds || wrong != 0 {
		t.Errorf("%d winners in %d rounds, %d rounds without exactly one", winners, rounds, wrong)
	}

	if n := count(t, all); n != clients*rounds {
		t.Errorf("%d of %d increments counted", n, clients*rounds)
	}
}

// The same past the gate has to fail, or the test above shows nothing.
func TestNotAtomicWithoutGate(t *testing.T) {
	state := t.TempDir()
	start(t, state)

	// An address through /proc, because a socket's path must be short and the test's directory may not be.
	dir, err := os.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	socket := strings.ReplaceAll(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketFile), "/", "%2F")

	var all []*mongo.Client
	for range clients {
		all = append(all, connect(t, socket))
	}

	winners, wrong := race(t, all)
	n := count(t, all)
	t.Logf("without the gate: %d winners in %d rounds, %d of %d increments counted", winners, rounds, n, clients*rounds)

	if wrong == 0 && n == clients*rounds {
		t.Error("FerretDB updates atomically by itself: is the gate still needed?")
	}
}

func TestUniqueIndex(t *testing.T) {
	ctx := context.Background()
	s := start(t, t.TempDir())

	var all []*mongo.Client
	for range clients {
		all = append(all, connect(t, s.addr))
	}

	_, err := all[0].Database("gate").Collection("unique").Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{{Key: "name", Value: 1}}, Options: options.Index().SetUnique(true),
	})
	if err != nil {
		t.Fatal(err)
	}

	for round := range 20 {
		var won atomic.Int32

		together(all, func(i int, c *mongo.Client) {
			coll := c.Database("gate").Collection("unique")
			doc := bson.M{"_id": fmt.Sprintf("%d-%d", round, i), "name": round}

			var err error
			if i%2 == 0 {
				_, err = coll.InsertOne(ctx, doc)
			} else {
				_, err = coll.ReplaceOne(ctx, bson.M{"_id": doc["_id"]}, doc, options.Replace().SetUpsert(true))
			}

			if err == nil {
				won.Add(1)
			} else if !mongo.IsDuplicateKeyError(err) {
				t.Error(err)
			}
		})

		if won.Load() != 1 {
			t.Errorf("round %d: %d documents of one name", round, won.Load())
		}
	}
}

// An update of more than 99 statements would stop FerretDB's writes for good.
func TestLargeBatch(t *testing.T) {
	ctx := context.Background()
	s := start(t, t.TempDir())
	db := connect(t, s.addr).Database("gate")

	var inserts, updates []mongo.WriteModel
	var raw bson.A
	for i := range 300 {
		inserts = append(inserts, mongo.NewInsertOneModel().SetDocument(bson.M{"_id": i}))
		updates = append(updates, mongo.NewUpdateOneModel().SetFilter(bson.M{"_id": i}).SetUpdate(bson.M{"$inc": bson.M{"n": 1}}))
		raw = append(raw, bson.M{"q": bson.M{"_id": i}, "u": bson.M{"$inc": bson.M{"n": 1}}})
	}

	// The driver splits them, because hello says so.
	if _, err := db.Collection("batch").BulkWrite(ctx, inserts); err != nil {
		t.Fatal(err)
	}
	if res, err := db.Collection("batch").BulkWrite(ctx, updates); err != nil || res.ModifiedCount != 300 {
		t.Fatal(res, err)
	}

	// A bare command is not split.
	var refused mongo.CommandError
	err := db.RunCommand(ctx, bson.D{{Key: "update", Value: "batch"}, {Key: "updates", Value: raw}}).Err()
	if !errors.As(err, &refused) || refused.Code != 16 {
		t.Error("want error 16, got ", err)
	}
	err = db.RunCommand(ctx, bson.D{{Key: "update", Value: "batch"}, {Key: "updates", Value: raw[:maxBatch]}}).Err()
	if err != nil {
		t.Error(err)
	}
}

// Without write concern there is no reply to read, and the next command must not get one that is not its own.
func TestUnacknowledged(t *testing.T) {
	ctx := context.Background()
	s := start(t, t.TempDir())
	db := connect(t, s.addr).Database("gate")

	quiet := db.Collection("quiet", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	for i := range 50 {
		if _, err := quiet.InsertOne(ctx, bson.M{"_id": i}); err != nil && !errors.Is(err, mongo.ErrUnacknowledgedWrite) {
			t.Fatal(err)
		}
	}

	// One connection, and the gate answers in order: all are in.
	if n, err := db.Collection("quiet").CountDocuments(ctx, bson.M{}); err != nil || n != 50 {
		t.Errorf("%d of 50 documents, %v", n, err)
	}
}

// What was acknowledged before kill -9 is there after it, and the server starts again whenever it was killed, also in
// the middle of creating databases, collections and indexes.
func TestKill(t *testing.T) {
	ctx := context.Background()
	state := t.TempDir()
	acknowledged := map[string][]string{} // collection -> ids

	for life := range 8 {
		s := start(t, state)
		db := connect(t, s.addr)

		for name, ids := range acknowledged {
			database, collection, _ := strings.Cut(name, ".")
			for _, id := range ids {
				var doc struct{ N int }
				err := db.Database(database).Collection(collection).FindOne(ctx, bson.M{"_id": id}).Decode(&doc)
				if err != nil || doc.N != 1 {
					t.Fatalf("%s %s: n = %d, %v", name, id, doc.N, err)
				}
			}
		}

		var mu sync.Mutex
		var wg sync.WaitGroup
		for worker := range 4 {
			c := connect(t, s.addr)
			wg.Add(1)
			go func() {
				defer wg.Done()

				for i := 0; ; i++ {
					database := fmt.Sprintf("kill%d_%d_%d", life, worker, i/8)
					collection := fmt.Sprintf("c%d", i/2)
					id := fmt.Sprintf("%d-%d-%d", life, worker, i)
					coll := c.Database(database).Collection(collection)

					_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
					if err == nil {
						_, err = coll.InsertOne(ctx, bson.M{"_id": id, "n": 0})
					}
					if err == nil {
						_, err = coll.UpdateOne(ctx, bson.M{"_id": id}, bson.M{"$inc": bson.M{"n": 1}})
					}
					if err != nil {
						return // killed
					}

					mu.Lock()
					acknowledged[database+"."+collection] = append(acknowledged[database+"."+collection], id)
					mu.Unlock()
				}
			}()
		}

		time.Sleep(time.Duration(300+life*37) * time.Millisecond)
		s.kill()
		wg.Wait()
	}

	n := 0
	for _, ids := range acknowledged {
		n += len(ids)
	}
	if n == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d documents in %d collections", n, len(acknowledged))
}

// The files a killed server can leave, made by hand: the timing of TestKill does not hit all of them.
func TestRepair(t *testing.T) {
	ctx := context.Background()
	state := t.TempDir()

	s := start(t, state)
	coll := connect(t, s.addr).Database("broken").Collection("good")
	if _, err := coll.InsertOne(ctx, bson.M{"_id": "kept"}); err != nil {
		t.Fatal(err)
	}
	s.kill()

	file := filepath.Join(state, dataDir, "broken.sqlite")
	db, err := openSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		// a collection killed before it was listed: FerretDB derives the table's name from the collection's
		`CREATE TABLE "orphan_4e4ce3a0" (_ferretdb_sjson TEXT)`,
		// a collection killed before its index on _id
		`CREATE TABLE "half_1" (_ferretdb_sjson TEXT)`,
		`INSERT INTO _ferretdb_collections VALUES ('half', 'half_1', '{}')`,
		// an index killed before it was listed
		`CREATE INDEX "loose" ON _ferretdb_collections (name, table_name)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()

	// a database killed before its list of collections
	if err := os.WriteFile(filepath.Join(state, dataDir, "empty.sqlite"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	s = start(t, state)
	c := connect(t, s.addr)

	names, err := c.Database("broken").ListCollectionNames(ctx, bson.M{})
	if err != nil || len(names) != 1 || names[0] != "good" {
		t.Error(names, err)
	}
	if err := c.Database("broken").Collection("good").FindOne(ctx, bson.M{"_id": "kept"}).Err(); err != nil {
		t.Error(err)
	}
	if _, err := c.Database("empty").Collection("c").InsertOne(ctx, bson.M{"_id": 1}); err != nil {
		t.Error(err)
	}
	for i := range 2 {
		_, err := c.Database("broken").Collection("half").InsertOne(ctx, bson.M{"_id": 1})
		if (i == 1) != mongo.IsDuplicateKeyError(err) {
			t.Error(err)
		}
	}
	s.kill()

	if db, err = openSQLite(file); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	err = db.QueryRow("SELECT count(*) FROM sqlite_master WHERE name IN ('orphan_4e4ce3a0', 'half_1', 'loose')").Scan(&n)
	if err != nil || n != 0 {
		t.Errorf("%d tables and indexes left, %v", n, err)
	}
}

func TestStop(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		state := t.TempDir()
		s := start(t, state)
		c := connect(t, s.addr) // its connections stay open
		if _, err := c.Database("gate").Collection("stop").InsertOne(context.Background(), bson.M{"_id": 1}); err != nil {
			t.Fatal(err)
		}

		// A second server must not get the same files.
		second := exec.Command(os.Args[0], "-listen", "127.0.0.1:0", "-state", state)
		second.Env = append(os.Environ(), beServer+"=1")
		if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use") {
			t.Errorf("second server: %v: %s", err, out)
		}

		s.cmd.Process.Signal(signal)
		begin := time.Now()
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("%v: %v", signal, err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%v: took %v", signal, took)
		}
		if _, err := os.Stat(filepath.Join(state, dataDir, "gate.sqlite-wal")); !os.IsNotExist(err) {
			t.Error("the database was not closed: ", err)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0"} {
		if l, err := listenLoopback(addr); err == nil {
			l.Close()
			t.Error("listens on ", addr)
		}
	}
}

// message frames a body.
func message(opCode uint32, body ...byte) []byte {
	m := make([]byte, headerLen, headerLen+len(body))
	binary.LittleEndian.PutUint32(m[0:], uint32(headerLen+len(body)))
	binary.LittleEndian.PutUint32(m[4:], 7) // request id
	binary.LittleEndian.PutUint32(m[12:], opCode)
	return append(m, body...)
}

func marshal(t *testing.T, document bson.D) []byte {
	b, err := bson.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWire(t *testing.T) {
	s := start(t, t.TempDir())

	hello := marshal(t, bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}})
	update := marshal(t, bson.D{{Key: "update", Value: "wire"}, {Key: "$db", Value: "gate"}})
	statement := marshal(t, bson.D{
		{Key: "q", Value: bson.M{"_id": 1}}, {Key: "u", Value: bson.M{"$inc": bson.M{"n": 1}}}, {Key: "upsert", Value: true},
	})

	sequence := append([]byte("\x01....updates\x00"), statement...)
	binary.LittleEndian.PutUint32(sequence[1:], uint32(len(sequence)-1))

	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}

	checksummed := message(opMsg, join([]byte{flagChecksum, 0, 0, 0, 0}, hello, make([]byte, 4))...)
	end := len(checksummed) - 4
	binary.LittleEndian.PutUint32(checksummed[end:], crc32.Checksum(checksummed[:end], crc32.MakeTable(crc32.Castagnoli)))

	huge := message(opMsg)
	binary.LittleEndian.PutUint32(huge, maxMessage+1)
	negative := message(opMsg)
	binary.LittleEndian.PutUint32(negative, 1<<31)

	for _, c := range []struct {
		name    string
		send    []byte
		answers bool // else the connection is closed
	}{
		{"hello", message(opMsg, join([]byte{0, 0, 0, 0, 0}, hello)...), true},
		{"hello with a checksum", checksummed, true},
		{"update with a wrong checksum", message(opMsg, join([]byte{flagChecksum, 0, 0, 0, 0}, update, []byte{1, 2, 3, 4})...), false},
		{"hello that allows exhaust", message(opMsg, join([]byte{0, 0, 1, 0, 0}, hello)...), true},
		{"legacy hello", message(opQuery, join([]byte("\x00\x00\x00\x00admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff"),
			marshal(t, bson.D{{Key: "isMaster", Value: 1}}))...), true},
		{"sequence after the command", message(opMsg, join([]byte{0, 0, 0, 0, 0}, update, sequence)...), true},
		{"sequence before the command", message(opMsg, join([]byte{0, 0, 0, 0}, sequence, []byte{0}, update)...), true},
		{"too long", huge, false},
		{"negative length", negative, false},
		{"no body", message(opMsg), false},
		{"no section", message(opMsg, 0, 0, 0, 0), false},
		{"only a sequence", message(opMsg, join([]byte{0, 0, 0, 0}, sequence)...), false},
		{"empty document", message(opMsg, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0), false},
		{"document longer than the message", message(opMsg, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0x10, 'a', 0), false},
		{"sequence shorter than its length", message(opMsg, 0, 0, 0, 0, 1, 1, 0, 0, 0, 'a', 0), false},
		{"two commands", message(opMsg, join([]byte{0, 0, 0, 0, 0}, hello, []byte{0}, update)...), false},
		{"unknown section", message(opMsg, join([]byte{0, 0, 0, 0, 9}, hello)...), false},
		{"compressed", message(2012, make([]byte, 20)...), false},
		{"legacy insert", message(2002, make([]byte, 20)...), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))

			if _, err := conn.Write(c.send); err != nil {
				t.Fatal(err)
			}

			reply, err := readMessage(conn)
			if !c.answers {
				if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("want the connection closed, got %d bytes, %v", len(reply), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if binary.LittleEndian.Uint32(reply[8:]) != 7 {
				t.Error("the reply is not to our request")
			}
			if !strings.Contains(string(reply), "\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f") {
				t.Errorf("not ok: %q", reply)
			}
			if strings.Contains(c.name, "hello") && !strings.Contains(string(reply), "\x10maxWriteBatchSize\x00\x32\x00\x00\x00") {
				t.Error("hello does not limit batches to 50")
			}
		})
	}
}
