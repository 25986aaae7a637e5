"""HTTP/1.1 and HTTP/2 clients that account for every request: answered, or lost, or repeated as the RFCs allow it.

A connection that ends between two requests is no loss. Where one was sent and not a byte comes back (RFC 9112, 9.3.1), an
idempotent request is sent again on another connection, any other is lost. Streams above a GOAWAY's last id were not begun (RFC 9113, 6.8): sent again, whatever they are."""

import asyncio
import collections
import hashlib
import ssl
import struct
import time

Answer = collections.namedtuple("Answer", "status headers body digest size")
IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
CHUNK = 1 << 16
FRESH = 0.1  # seconds, so that a busy machine may add four times that; who stops leaves idle connections half a second
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 1 << 20
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


class Lost(Exception):
    """Sent, and there is no whole answer."""


class NotBegun(Exception):
    """The other side says, or leaves no doubt, that it did not begin: it may be sent again."""


class Refused(Exception):
    """Nobody listens: nothing was sent."""


def trusting(h2=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if h2:
        context.set_alpn_protocols(["h2"])
    return context


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """HPACK, without table and Huffman's code (RFC 7541, 6.2.2)."""
    return b"\x00" + string(name.lower()) + string(value)


def string(text):
    size, out = len(text), bytearray()
    if size < 127:
        return bytes([size]) + text.encode()
    out.append(127)
    size -= 127
    while size >= 128:
        out.append(size % 128 + 128)
        size //= 128
    return bytes(out) + bytes([size]) + text.encode()


def head_block(method, path, authority, headers, scheme="http"):
    fields = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *headers.items()]
    return b"".join(literal(name, value) for name, value in fields)


def status_of(block):
    """The edge writes :status first, never into the table."""
    if block[0] in STATUSES:
        return STATUSES[block[0]]
    assert block[:2] == b"\x08\x03", block[:8]
    return int(block[2:5])


async def settle():
    """What has come until now is seen: the loop looks at its sockets, and calls who reads them in the turn after that."""
    for _ in range(3):
        await asyncio.sleep(0)


class Http1:
    def __init__(self, address, tls=False):
        self.address, self.tls = address, trusting() if tls else None
        self.reader = self.writer = None
        self.repeated, self.answered = 0, 0.0

    async def connect(self):
        try:
            self.reader, self.writer = await asyncio.open_connection(*self.address, ssl=self.tls, limit=1 << 20)
        except OSError as error:
            raise Refused(str(error)) from error

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def ask(self, method, path, headers, body=b""):
        """Raises Lost, Refused."""
        for _ in range(5):
            await settle()
            if self.writer and (self.reader.at_eof() or self.reader.exception() or self.too_old_for(method)):
                self.close()
            kept = self.writer is not None
            if not kept:
                await self.connect()
            try:
                return await self.once(method, path, headers, body)
            except NotBegun as error:
                self.close()
                if not (kept and method in IDEMPOTENT):
                    raise Lost(f"{method} {path} on a {'kept' if kept else 'new'} connection: {error}") from error
                self.repeated += 1
            except Lost:
                self.close()
                raise
        raise Lost(f"{method} {path}: repeated too often")

    def too_old_for(self, method):
        """Who cannot ask twice uses no connection that has been idle for long (as the edge does itself with its members')."""
        return method not in IDEMPOTENT and time.monotonic() - self.answered > FRESH

    async def once(self, method, path, headers, body):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}", *(f"{k}: {v}" for k, v in headers.items())]
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        try:
            self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
            await self.writer.drain()
        except OSError:
            pass  # it may have answered before it closed
        try:
            first = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            if getattr(error, "partial", b""):
                raise Lost(f"{method} {path}: a part of a head") from error
            raise NotBegun(f"closed without a byte ({type(error).__name__})") from error
        return await self.rest(method, path, first)

    async def rest(self, method, path, head):
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        try:
            answer = await self.body(status, headers, method == "HEAD" or status in (204, 304))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost(f"{method} {path}: the body ended early ({type(error).__name__})") from error
        self.answered = time.monotonic()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    async def body(self, status, headers, empty):
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        left = 0 if empty else int(headers.get("content-length", -1))
        if left < 0 and headers.get("transfer-encoding") != "chunked":
            raise Lost("an answer without a length")
        while True:
            if left == 0 and (empty or "content-length" in headers):
                break
            if left <= 0:
                left = int(await self.reader.readuntil(b"\r\n"), 16)
                if left == 0:
                    await self.reader.readuntil(b"\r\n")
                    break
                left += 2
            data = await self.reader.readexactly(min(left, CHUNK))
            left -= len(data)
            digest.update(data)
            size += len(data)
            if len(kept) < CHUNK * 2:
                kept += data
        if headers.get("transfer-encoding") == "chunked":
            kept = kept.replace(b"\r\n", b"")
        return Answer(status, headers, bytes(kept), digest.hexdigest(), size)


class Stream:
    def __init__(self, window):
        self.window, self.done, self.status = window, asyncio.get_running_loop().create_future(), 0
        self.digest, self.size, self.kept, self.block = hashlib.sha256(), 0, bytearray(), b""


class Connection2:
    """One connection of HTTP/2; `going`: it takes no more requests."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.going = reader, writer, False
        self.streams, self.next_id, self.window, self.initial = {}, 1, 65535, 65535
        self.room, self.announced = asyncio.Event(), False

    async def begin(self):
        self.writer.write(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW)) +
                          frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24)))
        self.task = asyncio.ensure_future(self.read())

    async def read(self):
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self.take(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.end(Lost(f"the connection ended ({type(error).__name__}{', announced' if self.announced else ''})"))
        self.room.set()
        self.writer.close()

    def end(self, error, above=0):
        self.going = True
        for number, stream in list(self.streams.items()):
            if number > above and not stream.done.done():
                stream.done.set_exception(error)

    def take(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & 1:
            self.settings(payload)
        elif kind == PING and not flags & 1:
            self.writer.write(frame(PING, 1, 0, payload))
        elif kind == GOAWAY:
            self.announced = True
            last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            self.end(NotBegun("a stream above the last"), last)
        elif kind == WINDOW_UPDATE:
            self.opened(stream, number, int.from_bytes(payload, "big"))
        elif kind in (HEADERS, CONTINUATION) and stream:
            stream.block += payload
            if flags & END_HEADERS:
                stream.status = stream.status or status_of(stream.block)
        elif kind == DATA and stream:
            self.data(stream, number, payload)
        elif kind == RST_STREAM and stream and not stream.done.done():
            code = int.from_bytes(payload, "big")
            stream.done.set_exception(NotBegun("REFUSED_STREAM") if code == 7 else Lost(f"the stream was reset ({code})"))
        if kind in (HEADERS, DATA) and flags & END_STREAM and stream and not stream.done.done():
            stream.done.set_result(Answer(stream.status, {}, bytes(stream.kept), stream.digest.hexdigest(), stream.size))

    def settings(self, payload):
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == 4:
                for stream in self.streams.values():
                    stream.window += value - self.initial
                self.initial = value
        self.writer.write(frame(SETTINGS, 1, 0))
        self.room.set()

    def opened(self, stream, number, more):
        if number == 0:
            self.window += more
        elif stream:
            stream.window += more
        self.room.set()

    def data(self, stream, number, payload):
        stream.digest.update(payload)
        stream.size += len(payload)
        if len(stream.kept) < CHUNK * 2:
            stream.kept += payload
        if payload:
            more = struct.pack(">I", len(payload))
            self.writer.write(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, number, more))

    async def ask(self, method, path, headers, body):
        if self.going:
            raise NotBegun("it takes no more")
        stream, number = Stream(self.initial), self.next_id
        self.next_id += 2
        self.streams[number] = stream
        try:
            block = head_block(method, path, "localhost", headers)
            self.writer.write(frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), number, block))
            await self.send(stream, number, body)
            return await stream.done
        finally:
            del self.streams[number]

    async def send(self, stream, number, body):
        at = 0
        while at < len(body) and not stream.done.done():
            size = min(16384, len(body) - at, self.window, stream.window)
            if size <= 0:
                self.room.clear()
                await self.room.wait()
                continue
            last = at + size == len(body)
            self.writer.write(frame(DATA, END_STREAM if last else 0, number, body[at:at + size]))
            await self.writer.drain()
            self.window -= size
            stream.window -= size
            at += size


class Http2:
    def __init__(self, address, tls=False):
        self.address, self.tls, self.connection, self.repeated = address, trusting(True) if tls else None, None, 0
        self.lock = asyncio.Lock()

    async def connect(self):
        try:
            reader, writer = await asyncio.open_connection(*self.address, ssl=self.tls)
        except OSError as error:
            raise Refused(str(error)) from error
        self.connection = Connection2(reader, writer)
        await self.connection.begin()

    def close(self):
        if self.connection:
            self.connection.task.cancel()
            self.connection.writer.close()
            self.connection = None

    async def ask(self, method, path, headers, body=b""):
        for _ in range(5):
            async with self.lock:
                await settle()
                if not self.connection or self.connection.going:
                    await self.connect()
                connection = self.connection
            try:
                return await connection.ask(method, path, headers, body)
            except NotBegun:
                self.repeated += 1
            except OSError as error:
                raise Lost(f"{method} {path}: {error}") from error
            except Lost as error:
                raise Lost(f"{method} {path}: {error}") from error
        raise Lost(f"{method} {path}: repeated too often")
