"""Clients that vanish in every phase, 200 in each and each way: the edge is afterwards what it was before."""

import time

from edge_bed import Bed, raise_files
from measures import MIB, megabytes, until
from vanish import WAYS, Handshakes, Phases, Streams, Tunnels, leave

NAME = "vanish"
TITLE = "Clients that vanish"
SYSTEMS = [None]
SECONDS = 120
AT_ONCE, ROUNDS, TRIES = 50, 4, 3
PATHS = {"small": "/small", "file": "/file?size=16000000", "part": "/part?size=16000000", "wait": ("GET", "/wait?ms=1500", b""), "sink": "/sink"}
SOON = 60  # seconds, on a slow machine: what must be gone at once
MARGIN = 6 * MIB


def kinds_of(bed):
    return {"HTTP/1.1": Phases(bed.port, PATHS).all(), "HTTP/2, the connection ends": Streams(bed.port, False).all(),
            "HTTP/2, the stream is reset": Streams(bed.port, True).all(), "TLS": Handshakes(bed.tls_port).all(), "WebSocket": Tunnels(bed.port, PATHS).all()}


def vanish(phase, way, count):
    socks = [phase() for _ in range(count)]
    for sock in socks:
        leave(sock, way)


def as_before(bed, before):
    def check():
        now = bed.held()
        return all(now[name] <= value for name, value in before.items())

    until(check, SOON, lambda: f"before {before}, now {bed.held()}")
    assert bed.get("/small").status == 200


def rounds(bed, count, before):
    """Each time those before have gone: how many are there at once is what we say, and not how busy the machine is."""
    for _ in range(count):
        for phases in kinds_of(bed).values():
            for phase in phases:
                for way in WAYS:
                    vanish(phase, way, AT_ONCE)
                    until(lambda: bed.metric("connections") <= before["connections"], SOON, "they have gone", 0.01)


def case_edge(_):
    """Clients that vanish from the edge, by FIN and by RST"""
    raise_files()
    with Bed("vanish") as bed:
        time.sleep(5)  # kept connections to the member go
        before = bed.held()
        began = time.monotonic()
        rounds(bed, 1, before)
        as_before(bed, before)
        # The heap may still grow to what it needs; a leak grows each time.
        for _ in range(TRIES):
            memory = bed.memory()
            rounds(bed, ROUNDS, before)
            as_before(bed, before)
            grown = bed.memory() - memory
            if grown < MARGIN:
                break
        phases = {kind: len(phases) for kind, phases in kinds_of(bed).items()}
        assert grown < MARGIN, f"the edge grew by {grown:,} bytes from the first {AT_ONCE} of each to the {ROUNDS * AT_ONCE} after them"
    return [(f"{kind}: phases, {ROUNDS * AT_ONCE} clients in each and each way", count, "all of it") for kind, count in phases.items()] + [
        ("descriptors, members' connections, requests under way, bodies held, files without a name", "as before", "as before"),
        (f"memory, from the first {AT_ONCE} of each to the {ROUNDS * AT_ONCE} after them", megabytes(max(grown, 0)), f"< {megabytes(MARGIN)}"),
        ("it took", f"{time.monotonic() - began:.0f} s", "no hang")]


def case_member(_):
    """A member that vanishes from a WebSocket"""
    with Bed("vanish-member") as bed:
        time.sleep(5)
        before = bed.held()
        tunnels = Tunnels(bed.port, PATHS)
        socks = [tunnels.tunnel() for _ in range(200)]
        for sock in socks:
            sock.sendall(b"leave")
        ended = sum(sock.recv(100) == b"" for sock in socks)
        for sock in socks:
            sock.close()
        as_before(bed, before)
    assert ended == 200, f"{ended} of 200 heard of it"
    return [("clients that hear of it", f"{ended} of 200", "all; nothing is left")]
