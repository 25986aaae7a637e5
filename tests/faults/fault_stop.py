"""SIGTERM while 64 clients are being served: who was heard is answered."""

import time

from traffic import BIG, Author, Traffic

NAME = "stop"
TITLE = "SIGTERM under load"
SYSTEMS = [{"replicas": 2}]
SECONDS = 60
DRAIN = 10  # seconds, the default of each process
ROUNDS = 3


def stop_one(rig, traffic, name, slow):
    """Terminates it, starts it again: (seconds it took to end, what came of the slow ones)."""
    under_way = [traffic.slowly(what, address) for what, address in slow]
    traffic.wait(0.3)
    began = time.monotonic()
    statuses = rig.terminate(name, wait=DRAIN * 3)
    took = time.monotonic() - began
    assert statuses == [0], f"{name} ended with {statuses}: {rig.log(name)}"
    outcomes = [outcome() for outcome in under_way]
    assert not any(outcomes), f"under way while {name} was stopped: {outcomes}"
    rig.start(name)
    rig.wait_ready(name)
    traffic.wait(1)
    return took


def case_services(rig):
    """One replica of a service stopped under load"""
    author = Author(rig, BIG)
    longest = {}
    with Traffic(rig, author) as traffic:
        for _ in range(ROUNDS):
            for name in ("auth", "media", "notify"):
                slow = [("upload", rig.address("media")), ("download", rig.address("media")), ("download", None)] if name == "media" else []
                longest[name] = max(longest.get(name, 0), stop_one(rig, traffic, name, slow))
    traffic.check()
    ends = ", ".join(f"{name} {took:.1f} s" for name, took in longest.items())
    return [*traffic.rows(), ("uploads and 50 MB downloads under way that finished", f"{ROUNDS * 3} of {ROUNDS * 3}", "all"),
            (f"status 0, after at most ({ROUNDS} times each)", ends, f"< {DRAIN} s beyond what was under way")]


def case_edge(rig):
    """The edge stopped under load"""
    author = Author(rig, BIG)
    with Traffic(rig, author) as traffic:
        under_way = [traffic.slowly("upload"), traffic.slowly("download"), traffic.slowly("download", seconds=6)]
        traffic.wait(1)
        began = time.monotonic()
        statuses = rig.terminate("edge", wait=DRAIN * 3)
        took = time.monotonic() - began
        outcomes = [outcome() for outcome in under_way]
        traffic.thread.join(30)
    rig.start("edge")
    rig.wait_ready()
    assert statuses == [0], f"the edge ended with {statuses}: {rig.log('edge')}"
    assert not any(outcomes), f"under way while the edge was stopped: {outcomes}"
    assert traffic.counts["refused"] == traffic.count, "a client was not turned away in the end"
    traffic.check()
    return [*traffic.rows(), ("uploads and 50 MB downloads under way that finished", f"{len(outcomes)} of {len(outcomes)}", "all"),
            ("status 0, after", f"{took:.1f} s", f"< {DRAIN} s beyond what was under way")]
