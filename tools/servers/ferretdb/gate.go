package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

// FerretDB 1.24 does not update atomically: it reads the documents that match, changes them in memory and writes them
// back by _id, without a transaction around it. Two clients that both match version 7 both "win". The gate sits in
// front of it, reads each request's command name off the wire, and lets one write through at a time, from its first
// byte to the last byte of FerretDB's reply. Reads pass at once.

const (
	headerLen = 16

	// FerretDB announces this as maxMessageSizeBytes (in hello) and closes the connection on anything longer, header
	// included.
	maxMessage = 48_000_000

	// An update command keeps one of the 100 SQLite connections FerretDB has for a database busy for each of its
	// statements until its end: at about 100 statements it waits for itself, and all writes behind it for ever. So hello
	// tells the clients to send no more than this in one command (their drivers split what is longer), and an update
	// with more is refused. It leaves half of the connections to cursors.
	maxBatch = 50

	opQuery = 2004 // legacy; FerretDB answers hello and SASL only
	opMsg   = 2013

	flagChecksum   = 1 << 0 // four bytes of CRC-32C follow the sections; FerretDB checks them
	flagMoreToCome = 1 << 1 // in a request: the client does not read a reply
)

// writes are the commands that pass one at a time. update, findAndModify and delete need it for correctness. Inserts
// are correct without it (SQLite checks unique indexes), but SQLite has one writer anyway and those who wait for it
// poll: with 10 updaters and 10 inserters an insert took up to 1.3 s past the gate and 0.06 s through it, at the same
// number of writes per second. The rest changes the schema, which FerretDB does in several statements.
var writes = map[string]bool{
	"update":        true,
	"findAndModify": true,
	"findandmodify": true, // FerretDB takes both spellings
	"delete":        true,
	"insert":        true,

	"collMod":          true,
	"compact":          true,
	"create":           true,
	"createIndexes":    true,
	"drop":             true,
	"dropDatabase":     true,
	"dropIndexes":      true,
	"renameCollection": true,
}

const (
	lateReply   = 30 * time.Second // a write that takes longer is reported
	lastReplies = 5 * time.Second
)

type gate struct {
	dial     func() (net.Conn, error) // opens a connection to FerretDB
	maxConns int
	log      *slog.Logger

	write sync.Mutex // held from a write's request to its reply
	wg    sync.WaitGroup
}

// serve takes connections from l until ctx ends, then waits up to lastReplies for the requests under way.
func (g *gate) serve(ctx context.Context, l net.Listener) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	slots := make(chan struct{}, g.maxConns)

	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				break
			}

			g.log.Error("accept", "error", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely: let some close
			continue
		}

		select {
		case slots <- struct{}{}:
		default:
			g.log.Error("too many connections", "limit", g.maxConns)
			conn.Close()
			continue
		}

		g.wg.Add(1)
		go func() {
			defer g.wg.Done()
			defer func() { <-slots }()
			defer conn.Close()

			if err := g.serveConn(ctx, conn); err != nil {
				g.log.Error("connection closed", "client", conn.RemoteAddr().String(), "error", err)
			}
		}()
	}

	idle := make(chan struct{})
	go func() {
		g.wg.Wait()
		close(idle)
	}()

	select {
	case <-idle:
	case <-time.After(lastReplies):
		g.log.Error("some requests were not answered before the end")
	}
}

// serveConn answers one client's requests in the order they come, over a FerretDB connection of their own.
func (g *gate) serveConn(ctx context.Context, client net.Conn) error {
	server, err := g.dial()
	if err != nil {
		return err
	}
	defer server.Close()

	// At the end a client that is between two requests is let go at once; one that waits for a reply gets it first.
	stop := context.AfterFunc(ctx, func() { client.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	fromClient := bufio.NewReader(client)
	fromServer := bufio.NewReader(server)

	for {
		message, err := readMessage(fromClient)
		if err != nil {
			// Clients come and go: the end of the stream, a reset, and our own deadline are no news.
			var netErr net.Error
			if errors.Is(err, io.EOF) || errors.As(err, &netErr) {
				return nil
			}
			return err
		}

		r, err := parseRequest(message)
		if err != nil {
			return err
		}

		var reply []byte
		if r.command == "update" && r.statements > maxBatch {
			reply = batchError(message, r.statements)
		} else if reply, err = g.exchange(server, fromServer, message, r.command); err != nil {
			return fmt.Errorf("%s: FerretDB: %w", r.command, err)
		}

		// FerretDB replies to everything. A client that said moreToCome (write concern w:0) would take the reply for
		// that of its next request.
		if r.noReply {
			continue
		}

		switch r.command {
		case "hello", "isMaster", "ismaster", "":
			limitBatch(reply)
		}

		// The gate is open again by now: a client that does not read holds up nobody else.
		if _, err := client.Write(reply); err != nil {
			return nil
		}
	}
}

// exchange sends a request to FerretDB and returns the reply. It does not care whether the client is still there: a
// write must come to its end before the next one starts.
func (g *gate) exchange(server net.Conn, fromServer *bufio.Reader, message []byte, command string) ([]byte, error) {
	if writes[command] {
		g.write.Lock()
		defer g.write.Unlock()

		// Nothing sensible can be done then, but whoever looks for the reason should find it here.
		late := time.AfterFunc(lateReply, func() {
			g.log.Error("FerretDB does not answer, all writes wait for it", "command", command, "for", lateReply)
		})
		defer late.Stop()
	}

	if _, err := server.Write(message); err != nil {
		return nil, err
	}

	return readMessage(fromServer)
}

// readMessage returns one whole message. Its error wraps io.EOF if the stream ended before or inside the message.
func readMessage(r io.Reader) ([]byte, error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, io.EOF
		}
		return nil, err
	}

	// Read as unsigned: a negative length is a huge one.
	length := binary.LittleEndian.Uint32(header[0:4])
	if length < headerLen || length > maxMessage {
		return nil, fmt.Errorf("message of %d bytes", length)
	}

	// The buffer grows with what arrives, not with what the header promises.
	var message bytes.Buffer
	message.Write(header[:])
	if _, err := io.CopyN(&message, r, int64(length)-headerLen); err != nil {
		return nil, err
	}

	return message.Bytes(), nil
}

// request is what the gate needs to know of a message from a client.
type request struct {
	command    string // "" for a legacy query
	statements int    // in an update: how many updates
	noReply    bool   // the client does not read one
}

var errMalformed = errors.New("malformed message")

// parseRequest refuses what FerretDB would only close the connection for: the legacy writes and OP_COMPRESSED, which a
// client does not send because FerretDB's hello names no compressor.
func parseRequest(message []byte) (request, error) {
	var r request

	switch opCode := binary.LittleEndian.Uint32(message[12:16]); opCode {
	case opQuery:
		return r, nil
	case opMsg:
		// below
	default:
		return r, fmt.Errorf("opcode %d is not supported", opCode)
	}

	body := message[headerLen:]
	if len(body) < 4 {
		return r, errMalformed
	}

	flags := binary.LittleEndian.Uint32(body)
	body = body[4:]
	r.noReply = flags&flagMoreToCome != 0

	if flags&flagChecksum != 0 {
		if len(body) < 4 {
			return r, errMalformed
		}
		body = body[:len(body)-4]
	}

	// One section of kind 0 holds the command; sections of kind 1, sequences of documents, stand before or after it.
	for len(body) > 0 {
		kind := body[0]
		body = body[1:]

		switch kind {
		case 0:
			document, rest, ok := bsoncore.ReadDocument(body)
			if !ok || r.command != "" {
				return r, errMalformed
			}
			body = rest

			first, err := document.IndexErr(0)
			if err != nil {
				return r, errMalformed
			}
			r.command = first.Key()

			if updates, ok := document.Lookup("updates").ArrayOK(); ok {
				values, err := updates.Values()
				if err != nil {
					return r, errMalformed
				}
				r.statements += len(values)
			}

		case 1:
			size, _, ok := bsoncore.ReadLength(body)
			if !ok || size < 4 || int(size) > len(body) {
				return r, errMalformed
			}
			section := body[4:size]
			body = body[size:]

			name, documents, found := bytes.Cut(section, []byte{0})
			if !found {
				return r, errMalformed
			}
			for string(name) == "updates" && len(documents) > 0 {
				if _, documents, ok = bsoncore.ReadDocument(documents); !ok {
					return r, errMalformed
				}
				r.statements++
			}

		default:
			return r, errMalformed
		}
	}

	if r.command == "" {
		return r, errMalformed
	}

	return r, nil
}

// limitBatch puts maxBatch in the place of FerretDB's own limit in a reply to hello.
func limitBatch(reply []byte) {
	field := []byte("\x10maxWriteBatchSize\x00") // 0x10: int32
	if at := bytes.Index(reply, field); at >= 0 && at+len(field)+4 <= len(reply) {
		binary.LittleEndian.PutUint32(reply[at+len(field):], maxBatch)
	}
}

// batchError is the reply MongoDB gives to a command with too many statements.
func batchError(message []byte, statements int) []byte {
	text := fmt.Sprintf("Write batch sizes must be between 1 and %d. Got %d operations.", maxBatch, statements)
	document := bsoncore.NewDocumentBuilder().
		AppendDouble("ok", 0).
		AppendString("errmsg", text).
		AppendInt32("code", 16).
		AppendString("codeName", "InvalidLength").
		Build()

	reply := make([]byte, headerLen+4+1, headerLen+4+1+len(document)) // header, flags (none), section of kind 0
	reply = append(reply, document...)

	binary.LittleEndian.PutUint32(reply[0:], uint32(len(reply)))
	copy(reply[8:12], message[4:8]) // responseTo: the request's id
	binary.LittleEndian.PutUint32(reply[12:], opMsg)

	return reply
}
