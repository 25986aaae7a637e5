"""Clients that vanish from auth and media themselves, and slow ones: past the edge, as from another network."""

import hashlib
import json
import os
import threading
import time

from fault_helper import blobs
from fault_tools import eventually
from measures import MIB, links, megabytes, memory, metric, spooled, until
from traffic import PASSWORD, Author
from vanish import WAYS, Phases, dial, head, leave

NAME = "services"
TITLE = "Clients of a service itself"
SECONDS = 80
BIG = 60 * 1000 * 1000
MANY, ROUNDS = 50, 4
STOP = 35  # seconds: longer than anything else may stand still
RATE = 1000 * 1000


def held(rig, name):
    text = rig.system.ask("GET", "/metrics", key=None, address=rig.address(name), timeout=30).body.decode()
    pid = rig.pid(name)
    # How many threads have opened the store is no matter of clients.
    own = [link for link in links(pid) if not link.startswith((f"{rig.run}/data/", f"{rig.run}/projection/"))]
    return {"descriptors": len(own), "files": len(spooled(pid)), "connections": metric(text, "tonearm_http_connections"),
            "waiting": metric(text, "tonearm_http_queue")}


def as_before(rig, name, before, margin=0):
    """`margin`: descriptors to other processes, which come and go."""
    def check():
        now = held(rig, name)
        return all(now[what] <= value + (margin if what == "descriptors" else 0) for what, value in before.items())

    until(check, 90, lambda: f"before {before}, now {held(rig, name)}")


def vanish(rig, name, before, phases, rounds):
    """Each time those before have gone, so that no more are there at once on a busy machine."""
    for _ in range(rounds):
        for phase in phases:
            for way in WAYS:
                socks = [phase() for _ in range(MANY // 2)]
                for sock in socks:
                    leave(sock, way)
                until(lambda: held(rig, name)["connections"] <= before["connections"] + 4, 90, lambda: f"{phase.__name__}: before {before}, now {held(rig, name)}", 0.01)


def phases_of(rig, name, author, draft):
    sign_in = json.dumps({"email": author.user["email"], "password": PASSWORD}).encode()
    stream = f"/tracks/{author.track}/stream"
    paths = {"auth": {"small": "/profile/mine", "sink": "/profile/mine", "wait": ("POST", "/signin/basic", sign_in)},
             "media": {"small": "/tracks/latest", "sink": f"/studio/tracks/{draft}/audio", "wait": ("GET", "/studio/tracks", b""), "file": stream, "part": stream}}[name]
    phases = Phases(rig.address(name)[1], paths, author.headers(), (("Range", "bytes=1000000-40000000"),))
    return [phase for phase in phases.all() if name == "media" or not any(word in phase.__name__ for word in ("file", "range", "spooled"))]


def from_one(rig, name, author):
    draft = author.draft()
    stored = len(blobs(rig))
    phases = phases_of(rig, name, author, draft)
    time.sleep(6)  # the edge's kept connections go
    before = held(rig, name)
    vanish(rig, name, before, phases, 1)
    as_before(rig, name, before, 4)
    base = memory(rig.pid(name))
    vanish(rig, name, before, phases, ROUNDS)
    as_before(rig, name, before, 4)
    grown = memory(rig.pid(name)) - base
    assert grown < 12 * MIB, f"{name} grew by {grown:,} bytes"
    assert rig.system.ask("GET", phases_path(name), token=author.token, address=rig.address(name)).status == 200
    assert not os.listdir(os.path.join(rig.run, "blobs", "tmp")) and len(blobs(rig)) == stored, "an upload that was cut off left something"
    assert not rig.system.ask("GET", f"/media/studio/tracks/{draft}", token=author.token).data.get("duration"), "half a file was taken"
    return [(f"{name}: phases, {MANY * ROUNDS} clients in each", len(phases), "descriptors, connections and jobs as before"),
            (f"{name}: memory, from the first {MANY} to the {MANY * ROUNDS} after them", megabytes(max(grown, 0)), "< 12.58 MB")]


def phases_path(name):
    return "/profile/mine" if name == "auth" else "/tracks/latest"


def case_vanish(rig):
    """Clients that vanish from auth and media"""
    author = Author(rig, BIG)
    return from_one(rig, "auth", author) + from_one(rig, "media", author)


class Reader(threading.Thread):
    """Reads at 1 MB/s, stops for longer than half a minute, reads the rest."""

    def __init__(self, address, path, author):
        super().__init__(daemon=True)
        self.address, self.path, self.author, self.error, self.phase = address, path, author, None, "begin"

    def run(self):
        try:
            self.read()
        except Exception as error:
            self.error = f"{self.phase}: {error!r}"
        self.phase = "done"

    def read(self):
        sock = dial(self.address[1], 60)
        sock.sendall(head("GET", self.path, self.author.headers()))
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        digest, size = hashlib.sha256(data.split(b"\r\n\r\n", 1)[1]), len(data.split(b"\r\n\r\n", 1)[1])
        self.phase = "slow"
        for step in range(60):
            while size < step * RATE // 10:
                part = sock.recv(65536)
                assert part, f"closed after {size:,} bytes"
                digest.update(part)
                size += len(part)
            time.sleep(0.1)
        self.phase = "stopped"
        time.sleep(STOP)
        self.phase = "fast"
        while size < len(self.author.data):
            part = sock.recv(1 << 20)
            assert part, f"closed after {size:,} of {len(self.author.data):,} bytes"
            digest.update(part)
            size += len(part)
        assert digest.hexdigest() == self.author.digest, "other bytes"


def case_slow(rig):
    """Eight slow readers of a 60 MB track, half of them through the edge"""
    author = Author(rig, BIG)
    path = f"/tracks/{author.track}/stream"
    through, direct = (rig.system.host, rig.system.port), rig.address("media")
    for address, prefix in ((through, "/media"), (direct, "")) * 4:
        assert rig.system.ask("GET", prefix + path, address=address, timeout=60).body == author.data
    for i in range(48):  # every loop of every process has seen one
        address, prefix = ((through, "/media"), (direct, ""))[i % 2]
        assert rig.system.ask("GET", prefix + path, address=address, headers={"Range": "bytes=0-2999999"}, timeout=60).status == 206
    time.sleep(1)
    base = {name: memory(rig.pid(name)) for name in ("edge", "media")}
    readers = [Reader(address, prefix + path, author) for address, prefix in ((through, "/media"), (direct, "")) * 4]
    grown, longest = {"edge": 0, "media": 0}, 0.0
    for reader in readers:
        reader.start()
    while any(reader.phase != "done" for reader in readers):
        began = time.monotonic()
        assert rig.system.ask("GET", "/media/tracks/latest").status == 200
        longest = max(longest, time.monotonic() - began)
        for name in grown:
            grown[name] = max(grown[name], memory(rig.pid(name)) - base[name])
        time.sleep(0.3)
    errors = [reader.error for reader in readers if reader.error]
    assert not errors, errors
    assert grown["edge"] < 4 * MIB and grown["media"] < 8 * MIB, grown
    eventually(lambda: not spooled(rig.pid("edge")), 60, "no file is left")
    return [(f"whole, after 6 s at 1 MB/s and {STOP} s without a byte", f"{len(readers)} of {len(readers)}", "all"),
            ("memory for one", f"edge {megabytes(max(0, grown['edge']) / 4)}, media {megabytes(max(0, grown['media']) / 8)}", "< 1 MB"),
            ("the longest that another waited", f"{longest * 1000:.0f} ms", "served")]
