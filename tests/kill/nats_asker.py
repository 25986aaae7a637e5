"""The little of NATS' protocol that reading a stream needs, as the operator: many requests at once, answers in order."""

import json
import socket
import urllib.parse

MANY = 500


class NatsAsker:
    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port), 10)
        self.socket.settimeout(20)
        self.input = self.socket.makefile("rb")
        self.input.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", "version": "0",
                   "user": at.username, "pass": at.password}
        self.send(f"CONNECT {json.dumps(options)}\r\nSUB _INBOX.kill.* 1\r\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask_many(self, subject, bodies):
        """(headers, body) of each, in their order."""
        answers = []
        for first in range(0, len(bodies), MANY):
            some = bodies[first : first + MANY]
            self.send(b"".join(f"PUB {subject} _INBOX.kill.{i} {len(body)}\r\n".encode() + body + b"\r\n" for i, body in enumerate(some)))
            got = {}
            while len(got) < len(some):
                number, headers, body = self.next_message()
                got[number] = (headers, body)
            answers += [got[i] for i in range(len(some))]
        return answers

    def ask(self, subject, body):
        return json.loads(self.ask_many(subject, [json.dumps(body).encode()])[0][1])

    def next_message(self):
        while True:
            words = self.input.readline().split()
            if not words:
                raise OSError("NATS has gone")
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                data = self.input.read(int(words[-1]) + 2)[:-2]
                return int(words[1].rsplit(b".", 1)[1]), data[:head].decode(), data[head:]
            elif words[0] == b"-ERR":
                raise OSError(b" ".join(words).decode())


def read_stream(asker, name):
    """All messages: (sequence, subject, seconds since 1970, event)."""
    state = asker.ask(f"$JS.API.STREAM.INFO.{name}", {})["state"]
    numbers = range(state["first_seq"], state["last_seq"] + 1)
    out = []
    for number, (headers, body) in zip(numbers, asker.ask_many(f"$JS.API.DIRECT.GET.{name}", [b'{"seq":%d}' % n for n in numbers])):
        lines = dict(line.split(": ", 1) for line in headers.split("\r\n") if ": " in line)
        if "Nats-Subject" in lines:
            out.append((number, lines["Nats-Subject"], lines["Nats-Time-Stamp"], json.loads(body)))
    return out
