"""A steady load of every kind over kept connections, HTTP/1.1 and HTTP/2, with and without TLS, each request accounted for.

    with Traffic(rig) as traffic:
        rig.terminate("auth")
        ...
    traffic.failed(), traffic.rows()

The clients run on a thread of their own: what the test does to processes meanwhile does not hold them up."""

import asyncio
import collections
import hashlib
import json
import random
import struct
import threading
import time
import uuid

from fault_tools import eventually, sound
from http_clients import Http1, Http2, Lost, Refused

PASSWORD = "correct horse 1"
BIG = 50 * 1000 * 1000
JSON = {"Content-Type": "application/json"}
AUDIO = {"Content-Type": "application/octet-stream"}
# How many clients do what; the rest read.
KINDS = {"sign-in": 4, "write": 10, "own": 10, "upload": 3, "download": 1, "profile": 10}
GOOD = {"write": 201}
MIB = 1 << 20


def big_sound(size):
    """A WAV of about this many bytes that is no silence."""
    second = b"".join(struct.pack("<hh", (i * 37) % 8000 - 4000, (i * 91) % 6000 - 3000) for i in range(44100))
    data = (second * (size // len(second) + 1))[:size // 4 * 4]
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16) +
            b"data" + struct.pack("<I", len(data)) + data)


class Author:
    """An artist, an editor, and one published track of a size."""

    def __init__(self, rig, size=None):
        self.system = rig.system
        self.user, tokens = self.system.person("ARTIST")
        self.token = tokens["accessToken"]
        self.editor = self.system.person("EDITOR")[1]["accessToken"] if size else None
        eventually(lambda: self.system.ask("GET", "/media/studio/tracks", token=self.token).status == 200, 30, "the artist may")
        self.data = big_sound(size) if size else b""
        self.track = self.publish(self.data) if size else None
        self.digest = hashlib.sha256(self.data).hexdigest()

    def headers(self, **more):
        return {"X-API-Key": self.system.key, "Authorization": f"Bearer {self.token}", **more}

    def draft(self):
        answer = self.system.ask("POST", "/media/studio/tracks", {"title": f"Piece {uuid.uuid4().hex}"}, token=self.token)
        assert answer.status == 201, answer
        return answer.data["id"]

    def put(self, path, body=None, token=None, status=200):
        answer = self.system.ask("PUT", path, body, token=token or self.token, timeout=120,
                                 headers=AUDIO if isinstance(body, bytes) else None)
        assert answer.status == status, answer
        return answer

    def publish(self, data):
        track = self.draft()
        self.put(f"/media/studio/tracks/{track}/audio", data)
        self.put(f"/media/studio/tracks/{track}/submit")
        eventually(lambda: self.system.ask("GET", "/media/editor/tracks", token=self.editor).status == 200, 30, "the editor may")
        self.put(f"/media/editor/tracks/{track}/publish", token=self.editor)
        return track

    def titles(self):
        """Of all own tracks."""
        out, cursor = [], ""
        while cursor is not None:
            answer = self.system.ask("GET", f"/media/studio/tracks?limit=100{cursor and '&cursor=' + cursor}", token=self.token)
            assert answer.status == 200, answer
            out += [item["title"] for item in answer.data["items"]]
            cursor = answer.data["next"]
        return out


class Traffic:
    def __init__(self, rig, author, clients=64):
        self.rig, self.author, self.count = rig, author, clients
        self.counts, self.bad, self.titles = collections.Counter(), [], []
        self.ended, self.slow_lock = threading.Event(), threading.Lock()
        self.drafts = [author.draft() for _ in range(KINDS["upload"] + 8)]
        self.clients, self.slow_data = [], sound(100)

    # From the test's thread

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.run(),), daemon=True)
        self.began = time.monotonic()
        self.thread.start()
        try:
            eventually(lambda: self.asked() > self.count * 3, 60, "the load runs")
        except AssertionError:
            self.__exit__()
            raise AssertionError(f"the load does not run: {self.counts} {self.bad[:5]}") from None
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "a client hangs"
        self.seconds = time.monotonic() - self.began

    def slowly(self, what, address=None, seconds=4.0):
        """Begins a slow "upload" or "download" and returns what to call for its outcome: "" is good."""
        ask = self.slow_upload if what == "upload" else self.slow_download
        begun = threading.Event()
        future = asyncio.run_coroutine_threadsafe(ask(address or (self.rig.system.host, self.rig.system.port), seconds, begun), self.loop)
        assert begun.wait(30), f"the slow {what} does not begin"
        return lambda: future.result(60)

    def repeated(self):
        return sum(client.repeated for client in self.clients)

    def asked(self):
        return sum(self.counts.values())

    def wait(self, seconds):
        """So long, and until as many answers came as a quiet machine gives in a part of it."""
        before = self.asked()
        time.sleep(seconds)
        eventually(lambda: self.asked() >= before + self.count or not self.thread.is_alive(), 60, "the load goes on")

    # The clients

    async def run(self):
        kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
        kinds += ["latest"] * (self.count - len(kinds))
        random.Random(1).shuffle(kinds)
        address, host, port = (self.rig.system.host, self.rig.system.port), *self.rig.system.env["TONEARM_TLS_URL"][len("https://"):].split(":")
        self.clients = [(Http2 if i % 4 == 3 else Http1)(*((host, int(port)), True) if i % 3 == 2 else (address,)) for i in range(self.count)]
        await asyncio.gather(*(self.client(client, kind, i) for i, (client, kind) in enumerate(zip(self.clients, kinds))))
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    async def client(self, client, kind, index):
        dice = random.Random(index)
        draft = self.drafts.pop() if kind == "upload" else None
        while not self.ended.is_set():
            outcome = await self.one(client, kind, draft)
            if outcome == "refused":
                self.counts["refused"] += 1
                break
            self.counts[kind if not outcome else "failed"] += 1
            if outcome:
                self.bad.append(f"{time.monotonic() - self.began:.2f} s {type(client).__name__} {kind}: {outcome}")
            if index % 8 == 7:
                client.close()  # the next request comes on a new connection
            # Some ask at once again, some leave the connection idle for a while.
            await asyncio.sleep(dice.choice((0, 0.005, 0.02, 0.06)))
        client.close()

    async def one(self, client, kind, draft):
        """What is wrong with the answer; "" is good."""
        method, path, headers, body, check = self.request(kind, draft)
        try:
            answer = await asyncio.wait_for(client.ask(method, path, headers, body), 60)
        except Refused:
            return "refused"
        except Exception as error:
            return f"lost: {error!r}"
        if answer.status != GOOD.get(kind, 200):
            return f"{answer.status} {answer.body[:200]!r}"
        return "" if check(answer) else f"a wrong body: {answer.body[:200]!r}"

    def request(self, kind, draft):
        author, key = self.author, {"X-API-Key": self.rig.system.key}
        if kind == "sign-in":
            body = json.dumps({"email": author.user["email"], "password": PASSWORD}).encode()
            return "POST", "/auth/signin/basic", {**key, **JSON}, body, lambda a: data_of(a)["user"]["id"] == author.user["id"]
        if kind == "write":
            title = f"Draft {uuid.uuid4().hex}"
            return "POST", "/media/studio/tracks", author.headers(**JSON), json.dumps({"title": title}).encode(), lambda a: self.written(a, title)
        if kind == "own":
            return "GET", "/auth/profile/mine", author.headers(), b"", lambda a: data_of(a)["id"] == author.user["id"]
        if kind == "profile":
            return "GET", f"/auth/profile/id/{author.user['id']}", key, b"", lambda a: data_of(a)["id"] == author.user["id"]
        if kind == "upload":
            audio = sound(0.3, random.randrange(1 << 20))
            return "PUT", f"/media/studio/tracks/{draft}/audio", author.headers(**AUDIO), audio, lambda a: data_of(a)["size"] == len(audio)
        if kind == "download":
            return "GET", f"/media/tracks/{author.track}/stream", key, b"", lambda a: a.digest == author.digest
        return "GET", "/media/tracks/latest", key, b"", lambda a: data_of(a)["items"][0]["id"] == author.track

    def written(self, answer, title):
        self.titles.append(title)
        return data_of(answer)["title"] == title

    # Under way while something happens

    async def slow_upload(self, address, seconds, begun):
        data, draft = self.slow_data, self.drafts.pop()
        path = "/media" if address[1] == self.rig.system.port else ""
        reader, writer = await asyncio.open_connection(*address)
        head = {**self.author.headers(**AUDIO), "Host": "localhost", "Content-Length": str(len(data))}
        writer.write(f"PUT {path}/studio/tracks/{draft}/audio HTTP/1.1\r\n".encode() + lines(head))
        step = len(data) // 40 + 1
        for at in range(0, len(data), step):
            writer.write(data[at:at + step])
            await asyncio.sleep(seconds / 40)
            if at > 2 * step:
                begun.set()
        return await finish(reader, writer, lambda a: data_of(a)["size"] == len(data))

    async def slow_download(self, address, seconds, begun):
        reader, writer = await asyncio.open_connection(*address, limit=MIB)
        path = "/media" if address[1] == self.rig.system.port else ""
        writer.write(f"GET {path}/tracks/{self.author.track}/stream HTTP/1.1\r\n".encode() + lines({**self.author.headers(), "Host": "localhost"}))
        digest, left, step = hashlib.sha256(), len(self.author.data), len(self.author.data) // 40 + 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            while left:
                part = await reader.readexactly(min(step, left))
                digest.update(part)
                left -= len(part)
                begun.set()
                await asyncio.sleep(seconds / 40)
        except (OSError, asyncio.IncompleteReadError) as error:
            return f"lost with {left} bytes to come: {error!r}"
        finally:
            begun.set()
            writer.close()
        return "" if digest.hexdigest() == self.author.digest else "wrong bytes"

    # What came of it

    def check(self):
        """Nothing failed, and what was acknowledged is there, once."""
        assert not self.bad, f"{len(self.bad)} failed of {self.asked()}, such as {self.bad[:6]}"
        there = collections.Counter(self.author.titles())
        missing = [title for title in self.titles if there[title] != 1]
        assert not missing, f"{len(missing)} of {len(self.titles)} acknowledged writes are not there once"
        twice = [title for title, count in there.items() if count != 1]
        assert not twice, f"written twice: {twice[:3]}"

    def rows(self):
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.counts.items()) if kind not in ("failed", "refused"))
        return [("requests answered well", f"{self.asked() - self.counts['failed'] - self.counts['refused']:,} ({kinds})", "all"),
                ("requests failed or lost", len(self.bad), "0"),
                ("acknowledged writes there, once", f"{len(self.titles)} of {len(self.titles)}", "all"),
                ("repeated by the clients as RFC 9112 9.3.1 and RFC 9113 6.8 allow", self.repeated(), "no POST that may have begun")]


def data_of(answer):
    return json.loads(answer.body)["data"]


def lines(headers):
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


async def finish(reader, writer, check):
    """The answer to a request sent by hand: what is wrong with it."""
    client = Http1(("", 0))
    client.reader, client.writer = reader, writer
    try:
        answer = await client.rest("PUT", "", await reader.readuntil(b"\r\n\r\n"))
    except (OSError, asyncio.IncompleteReadError, Lost) as error:
        return f"lost: {error!r}"
    finally:
        writer.close()
    return "" if answer.status == 200 and check(answer) else f"{answer.status} {answer.body[:200]!r}"
