"""The wire itself, where a test must stand in it: a proxy that delays or cuts, and NATS spoken by hand."""

import collections
import json
import select
import socket
import threading
import time
import urllib.parse

Message = collections.namedtuple("Message", "subject reply status data")


class Proxy:
    """TCP, byte for byte; `delay` holds back what the server says, `cut()` ends all and refuses until `mend()`."""

    def __init__(self, target, delay=0.0):
        self.target, self.delay, self.ended = target, delay, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "%s:%d" % self.listener.getsockname()
        self.open, self.whole = set(), True
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.cut()
        self.listener.close()

    def accept(self):
        while not self.ended.is_set():
            if not select.select([self.listener], [], [], 0.1)[0]:
                continue
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target, 5) if self.whole else None
            except OSError:
                continue
            if not server:
                client.close()
                continue
            for stream in (client, server):
                stream.settimeout(None)
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open |= {client, server}
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source, target, slow):
        try:
            while data := source.recv(1 << 16):
                if slow and self.delay:
                    self.ended.wait(self.delay)
                target.sendall(data)
        except OSError:
            pass
        for stream in (source, target):
            self.close(stream)

    def close(self, stream):
        self.open.discard(stream)
        try:
            stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def cut(self):
        self.whole = False
        for stream in list(self.open):
            self.close(stream)

    def mend(self):
        self.whole = True


class Nats:
    """One connection of the operator's: listens, asks."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.stream = socket.create_connection((at.hostname, at.port), 5)
        self.file = self.stream.makefile("rb")
        self.file.readline()  # INFO
        self.say("CONNECT " + json.dumps({"verbose": False, "user": at.username, "pass": at.password, "headers": True, "no_responders": True}) + "\r\nPING\r\n")
        while not (line := self.file.readline()).startswith(b"PONG"):
            if not line or line.startswith(b"-ERR"):
                raise OSError(f"nats: {line}")
        self.messages, self.arrived, self.last = [], threading.Condition(), 0
        threading.Thread(target=self.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.shutdown(socket.SHUT_RDWR)

    def say(self, text):
        self.stream.sendall(text.encode())

    def read(self):
        try:
            while line := self.file.readline():
                words = line.split()
                if words[:1] == [b"PING"]:
                    self.say("PONG\r\n")
                elif words and words[0] in (b"MSG", b"HMSG"):
                    self.take([word.decode() for word in words])
        except (OSError, ValueError):
            pass

    def take(self, words):
        total, head = int(words[-1]), int(words[-2]) if words[0] == "HMSG" else 0
        rest = words[3:-2] if words[0] == "HMSG" else words[3:-1]
        body = self.file.read(total + 2)[:total]
        first = body[:head].split(b"\r\n")[0].split()
        status = first[1].decode() if len(first) > 1 else ""
        with self.arrived:
            self.messages.append((words[2], Message(words[1], rest[0] if rest else "", status, body[head:])))
            self.arrived.notify_all()

    def listen(self, subject):
        self.last += 1
        self.say(f"SUB {subject} {self.last}\r\n")
        return str(self.last)

    def heard(self, sid):
        with self.arrived:
            return [message for to, message in self.messages if to == sid]

    def ask(self, subject, body="", seconds=1.0, answers=1):
        """What came within that time, at most so many."""
        inbox = f"_INBOX.operator.{time.monotonic_ns()}"
        sid = self.listen(inbox)
        self.say(f"PUB {subject} {inbox} {len(body)}\r\n{body}\r\n")
        with self.arrived:
            self.arrived.wait_for(lambda: sum(to == sid for to, _ in self.messages) >= answers, seconds)
        return [message for message in self.heard(sid) if not message.status]


def names_that_answer(url, wanted):
    """Of the services, by $SRV.PING."""
    with Nats(url) as nats:
        return sorted(json.loads(message.data)["name"] for message in nats.ask("$SRV.PING", seconds=2.0, answers=wanted))


def stream_info(url, name):
    """The answer of JetStream; {} when there was none."""
    with Nats(url) as nats:
        found = nats.ask(f"$JS.API.STREAM.INFO.{name}", seconds=2.0)
        return json.loads(found[0].data) if found else {}
