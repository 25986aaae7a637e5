"""Clients that read 300 MB at 1 MB/s, then stop for half a minute, and clients that write so: they cost the edge nothing that counts."""

import hashlib
import socket
import struct
import threading
import time

from edge_bed import BLOCK, Bed, pattern_digest
from http_clients import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, head_block, trusting
from measures import MIB, megabytes, spooled, until

NAME = "slow"
TITLE = "Slow clients"
SYSTEMS = [None]
SECONDS = 90
SIZE = 300 * 1000 * 1000
RATE = 1000 * 1000
SLOW, STOP = 10, 30  # seconds
KINDS = [("HTTP/1.1", False, False), ("HTTP/2", True, False), ("HTTP/1.1 and TLS", False, True), ("HTTP/2 and TLS", True, True)]
RECEIVE = 128 << 10


def between():
    """What the kernel buffers on the way: the member's and the edge's buffers for sending, the edge's for receiving, and the client's small one."""
    most = []
    for name in ("tcp_wmem", "tcp_rmem"):
        with open(f"/proc/sys/net/ipv4/{name}") as file:
            most.append(int(file.read().split()[2]))
    return 2 * most[0] + most[1] + 2 * MIB


def connect(bed, h2, tls):
    sock = socket.socket()
    sock.settimeout(60)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
    sock.connect(("127.0.0.1", bed.tls_port if tls else bed.port))
    return trusting(h2).wrap_socket(sock, server_hostname="localhost") if tls else sock


class Download:
    """Payload, as much as is asked for at a time; the window of HTTP/2 is given back as it is read."""

    def __init__(self, bed, path, h2, tls):
        self.sock, self.h2, self.size, self.digest = connect(bed, h2, tls), h2, 0, hashlib.sha256()
        self.buffered, self.ended = b"", False
        if h2:
            self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | END_STREAM, 1, head_block("GET", path, "x", {})))
        else:
            self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            while b"\r\n\r\n" not in self.buffered:
                self.buffered += self.receive()
            self.buffered = self.buffered.split(b"\r\n\r\n", 1)[1]
            self.take(self.buffered)

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise AssertionError(f"closed after {self.size:,} bytes")
        return data

    def take(self, data):
        self.size += len(data)
        self.digest.update(data)

    def read_to(self, wanted):
        while self.size < wanted:
            if self.h2:
                self.read_frame()
            else:
                self.take(self.receive())

    def exactly(self, size):
        while len(self.buffered) < size:
            self.buffered += self.receive()
        data, self.buffered = self.buffered[:size], self.buffered[size:]
        return data

    def read_frame(self):
        head = self.exactly(9)
        payload = self.exactly(int.from_bytes(head[:3], "big"))
        if head[3] == DATA and payload:
            self.take(payload)
            more = struct.pack(">I", len(payload))
            self.sock.sendall(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, 1, more))
        elif head[3] == SETTINGS and not head[4] & 1:
            self.sock.sendall(frame(SETTINGS, 1, 0))
        elif head[3] not in (HEADERS, SETTINGS, WINDOW_UPDATE):
            raise AssertionError(f"frame {head[3]} after {self.size:,} bytes: {payload[:20]!r}")


class Reader(threading.Thread):
    def __init__(self, bed, h2, tls):
        super().__init__(daemon=True)
        self.bed, self.h2, self.tls, self.error, self.download, self.phase = bed, h2, tls, None, None, "begin"
        self.between = 0

    def run(self):
        try:
            self.download = Download(self.bed, f"/file?size={SIZE}", self.h2, self.tls)
            self.phase = "slow"
            for i in range(SLOW * 10):
                self.download.read_to(i * RATE // 10)
                time.sleep(0.1)
            self.phase = "stopped"
            time.sleep(STOP)
            self.between = self.bed.member.sent - self.download.size
            self.phase = "fast"
            self.download.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
            self.download.read_to(SIZE)
            assert self.download.digest.hexdigest() == pattern_digest(SIZE), "other bytes"
        except Exception as error:
            self.error = f"{self.phase}: {error!r}"
        self.phase = "done"


class Watched:
    """A bed and the clients in it: how much its edge grows, how long others wait."""

    def __init__(self, bed, reader):
        self.bed, self.reader, self.grown, self.longest, self.files = bed, reader, 0, 0.0, 0
        self.base = 0

    def begin(self, warm):
        for _ in range(48):  # every loop of every process has seen one
            warm()
        until(lambda: self.bed.member.open <= 16, 60, "the warm ones are over")
        time.sleep(0.5)
        self.bed.member.sent = 0
        self.base = self.bed.memory()
        self.reader.start()

    def look(self):
        began = time.monotonic()
        assert self.bed.get("/small", timeout=30).status == 200
        self.longest = max(self.longest, time.monotonic() - began)
        self.grown = max(self.grown, self.bed.memory() - self.base)
        self.files = max(self.files, len(spooled(self.bed.pid)))


def warm_download(bed, h2, tls):
    Download(bed, "/file?size=3000000", h2, tls).read_to(3000000)


def case_slow_readers(_):
    """Four slow readers of 300 MB"""
    beds = [Bed(f"slow-{i}") for i in range(len(KINDS))]
    rows = []
    try:
        watched = []
        for bed, (_, h2, tls) in zip(beds, KINDS):
            one = Watched(bed.__enter__(), Reader(bed, h2, tls))
            one.begin(lambda bed=bed, h2=h2, tls=tls: warm_download(bed, h2, tls))
            watched.append(one)
        while any(one.reader.phase != "done" for one in watched):
            for one in watched:
                one.look()
            time.sleep(0.3)
        for one, (name, *_) in zip(watched, KINDS):
            assert not one.reader.error, f"{name}: {one.reader.error}"
            assert one.grown < MIB, f"{name}: the edge grew by {one.grown:,} bytes"
            assert one.reader.between < between(), f"{name}: the member has sent {one.reader.between:,} bytes that nobody read"
            assert not one.files, f"{name}: an answer lies in a file"
            rows += [(f"{name}: the edge's memory grows by", megabytes(max(0, one.grown)), "< 1 MB"),
                     (f"{name}: sent by the member and not read, when it stands still", megabytes(one.reader.between), "what the kernel buffers; no file"),
                     (f"{name}: the longest that another waited", f"{one.longest * 1000:.0f} ms", "served")]
    finally:
        for bed in beds:
            if bed.process:
                bed.__exit__()
    return rows


class Writer(threading.Thread):
    """Sends a body of SIZE slowly, `stops`: stops for good in its midst."""

    SIZE = 60 * 1000 * 1000

    def __init__(self, bed, stops):
        super().__init__(daemon=True)
        self.bed, self.stops, self.phase, self.error, self.closed_after = bed, stops, "begin", None, None

    def run(self):
        try:
            self.send()
        except Exception as error:
            self.error = repr(error)
        self.phase = "done"

    def send(self):
        sock = connect(self.bed, False, False)
        sock.sendall(f"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: {self.SIZE}\r\n\r\n".encode())
        body = (BLOCK * (self.SIZE // len(BLOCK) + 1))[:self.SIZE]
        at = 0
        for _ in range(80):
            sock.sendall(body[at:at + 150000])
            at += 150000
            time.sleep(0.1)
        if self.stops:
            began = time.monotonic()
            while sock.recv(65536):
                pass
            self.closed_after = time.monotonic() - began
            return
        sock.sendall(body[at:])
        answer = b""
        while not answer.endswith(hashlib.sha256(body).hexdigest().encode()):
            data = sock.recv(65536)
            assert data, f"closed: {answer[-200:]!r}"
            answer += data
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]


def case_slow_writers(_):
    """Six slow senders of 60 MB, three of which stop in their midst"""
    with Bed("slow-writer") as bed:
        before = bed.held()
        anonymous, longest, grown = bed.memory("RssAnon"), 0.0, 0
        writers = [Writer(bed, stops) for stops in (False, True) * 3]
        for writer in writers:
            writer.start()
        while any(writer.phase != "done" for writer in writers):
            began = time.monotonic()
            assert bed.get("/small", timeout=30).status == 200
            longest = max(longest, time.monotonic() - began)
            grown = max(grown, bed.memory("RssAnon") - anonymous)
            time.sleep(0.2)
        errors = [writer.error for writer in writers if writer.error]
        assert not errors, errors
        cut = max(writer.closed_after for writer in writers if writer.stops)
        assert cut < 60, f"who stopped was kept for {cut:.0f} s"
        assert grown < 8 * MIB, f"{grown:,} bytes"
        until(lambda: bed.held()["files"] == 0 and bed.held()["body_bytes"] == 0, 60, lambda: f"{before} and now {bed.held()}")
        return [("memory that is no file grows, for six of them, by", megabytes(max(grown, 0)), "< 8 MB: bodies lie in files without a name"),
                ("who stopped in the midst was cut off after", f"{cut:.0f} s", "< 60 s, and nothing is left"),
                ("the longest that another waited", f"{longest * 1000:.0f} ms", "served")]
