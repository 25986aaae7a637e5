"""Clients that go away in a phase: how each comes into it, and how it leaves."""

import socket
import ssl
import struct

from http_clients import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, head_block, trusting

SPOOLED = 1300 * 1000  # more than the mebibyte from which on a body lies in a file
WAYS = ("FIN", "RST")
PIECE = b"x" * 16384


def dial(port, timeout=30):
    sock = socket.socket()
    sock.settimeout(timeout)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)  # what nobody reads shall not cost the test's time
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def leave(sock, way):
    """The other side hears a FIN or an RST; frozen clients do not come here."""
    if way == "RST":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def head(method, path, headers, *more):
    fields = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **dict(more)}.items())
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode()


class Phases:
    """Of HTTP/1.1; `paths` of a target: small, file, part, wait, sink; `headers` that its requests need."""

    def __init__(self, port, paths, headers=None, part=()):
        self.port, self.paths, self.headers, self.part = port, paths, headers or {}, part

    def opened(self, first=b""):
        sock = dial(self.port)
        if first:
            sock.sendall(first)
        return sock

    def silent(self):
        return self.opened()

    def half_a_head(self):
        return self.opened(head("GET", self.paths["small"], self.headers)[:-7])

    def head_without_body(self):
        return self.opened(self.upload(("Content-Length", "100")))

    def half_a_small_body(self):
        return self.opened(self.upload(("Content-Length", "100")) + b"x" * 50)

    def half_a_small_body_in_chunks(self):
        return self.opened(self.upload(("Transfer-Encoding", "chunked")) + b"40\r\n" + b"x" * 20)

    def half_a_spooled_body(self):
        sock = self.opened(self.upload(("Content-Length", str(SPOOLED * 2))))
        sock.sendall(PIECE * (SPOOLED // len(PIECE)))
        return sock

    def half_a_spooled_body_in_chunks(self):
        sock = self.opened(self.upload(("Transfer-Encoding", "chunked")))
        sock.sendall((b"4000\r\n" + PIECE + b"\r\n") * (SPOOLED // len(PIECE)) + b"4000\r\nxxx")
        return sock

    def upload(self, framing):
        return head("PUT", self.paths["sink"], self.headers, framing, ("Content-Type", "application/octet-stream"))

    def after_the_request(self):
        method, path, body = self.paths["wait"]
        return self.opened(head(method, path, self.headers, ("Content-Length", str(len(body)))) + body)

    def before_a_small_answer(self):
        return self.opened(head("GET", self.paths["small"], self.headers))

    def within_a_file(self):
        return self.begun(self.paths["file"])

    def within_a_range(self):
        return self.begun(self.paths["part"], *self.part)

    def begun(self, path, *more):
        sock = self.opened(head("GET", path, self.headers, *more))
        got = 0
        while got < 100000:
            data = sock.recv(65536)
            assert data, f"{path}: closed after {got} bytes"
            got += len(data)
        return sock

    def kept(self):
        sock = self.opened(head("GET", self.paths["small"], self.headers))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200"), self.paths["small"]
        return sock

    def all(self):
        return [self.silent, self.half_a_head, self.head_without_body, self.half_a_small_body, self.half_a_small_body_in_chunks, self.half_a_spooled_body,
                self.half_a_spooled_body_in_chunks, self.after_the_request, self.before_a_small_answer, self.within_a_file, self.within_a_range, self.kept]


class Tunnels(Phases):
    def tunnel(self):
        sock = self.opened(head("GET", "/socket", {"Connection": "Upgrade", "Upgrade": "websocket"}))
        assert sock.recv(65536).startswith(b"HTTP/1.1 101")
        return sock

    def tunnel_in_use(self):
        sock = self.tunnel()
        sock.sendall(b"words")
        return sock

    def all(self):
        return [self.tunnel, self.tunnel_in_use]


class Handshakes:
    """TLS, and HTTP behind it."""

    def __init__(self, port):
        self.port = port

    def hello(self):
        """What a client says first."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting(True).wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def before_the_handshake(self):
        return dial(self.port)

    def half_a_hello(self):
        sock = dial(self.port)
        sock.sendall(self.hello()[:60])
        return sock

    def within_the_handshake(self):
        sock = dial(self.port)
        sock.sendall(self.hello())
        assert sock.recv(1)
        return sock

    def kept_with_tls(self):
        sock = trusting().wrap_socket(dial(self.port), server_hostname="localhost")
        sock.sendall(head("GET", "/small", {}))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        return sock

    def within_a_file_with_tls(self):
        sock = trusting(True).wrap_socket(dial(self.port), server_hostname="localhost")
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + request(1, "/file?size=16000000"))
        got = 0
        while got < 50000:
            got += len(sock.recv(65536))
        return sock

    def all(self):
        return [self.before_the_handshake, self.half_a_hello, self.within_the_handshake, self.kept_with_tls, self.within_a_file_with_tls]


def request(stream, path, method="GET", flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, head_block(method, path, "x", {}))


class Streams:
    """HTTP/2; `reset`: the stream is reset first, and the connection has another request answered before it ends."""

    def __init__(self, port, reset):
        self.port, self.reset, self.unread = port, reset, {}

    def opened(self, *frames):
        sock = dial(self.port)
        self.unread.pop(sock, None)
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + b"".join(frames))
        return sock

    def only_the_preface(self):
        return self.opened()

    def half_a_frame(self):
        return self.opened(request(1, "/small")[:20])

    def unfinished_continuation(self):
        return self.opened(request(1, "/small", flags=END_STREAM), frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b"))

    def over(self, sock):
        if self.reset:
            sock.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)) + frame(RST_STREAM, 0, 1, struct.pack(">I", 8)) + request(3, "/small"))
            self.hear(sock, lambda kind, flags, number: number == 3 and flags & END_STREAM and kind in (DATA, HEADERS))
        return sock

    def frames(self, sock):
        """Each as (type, flags, stream, payload); what is left of the last read is kept for the next call."""
        data = self.unread.pop(sock, b"")
        while True:
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                size = 9 + int.from_bytes(data[:3], "big")
                one, self.unread[sock] = data[:size], data[size:]
                data = data[size:]
                yield one[3], one[4], int.from_bytes(one[5:9], "big"), one[9:]
            more = sock.recv(65536)
            assert more, "the connection was closed"
            data += more

    def hear(self, sock, wanted):
        for kind, flags, number, _ in self.frames(sock):
            if wanted(kind, flags, number):
                return

    def head_without_body(self):
        return self.over(self.opened(request(1, "/sink", "PUT", END_HEADERS)))

    def half_a_body(self):
        return self.over(self.opened(request(1, "/sink", "PUT", END_HEADERS), frame(DATA, 0, 1, PIECE)))

    def half_a_spooled_body(self):
        """As far as the windows go that h2o gives: it is some MB."""
        sock = self.opened(request(1, "/sink", "PUT", END_HEADERS))
        left, given = SPOOLED, 65535
        while left > 0:
            size = min(len(PIECE), left, given)
            if size:
                sock.sendall(frame(DATA, 0, 1, PIECE[:size]))
                left -= size
                given -= size
            else:
                given += self.windows(sock)
        return self.over(sock)

    def windows(self, sock):
        """What a WINDOW_UPDATE of the connection gives; that of the stream comes with it."""
        for kind, _, number, payload in self.frames(sock):
            if kind == WINDOW_UPDATE and number == 0:
                return int.from_bytes(payload, "big")

    def after_the_request(self):
        return self.over(self.opened(request(1, "/wait?ms=1500")))

    def within_a_file(self):
        sock = self.opened(request(1, "/file?size=16000000"))
        self.hear(sock, lambda kind, flags, number: kind == DATA)
        return self.over(sock)

    def kept(self):
        sock = self.opened(request(1, "/small"))
        self.hear(sock, lambda kind, flags, number: number == 1 and flags & END_STREAM)
        return sock

    def all(self):
        bodies = [self.head_without_body, self.half_a_body, self.half_a_spooled_body, self.after_the_request, self.within_a_file]
        return bodies if self.reset else [self.only_the_preface, self.half_a_frame, self.unfinished_continuation, *bodies, self.kept]
