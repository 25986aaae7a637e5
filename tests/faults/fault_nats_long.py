"""NATS gone for longer than the 150 s after which the ancestor's services never came back."""

import time

from fault_nats import ASIDE, Published, gone, rows
from fault_tools import Load

NAME = "nats-long"
TITLE = "NATS for long"
SECONDS = 230
AWAY = 185
REMEMBERED = 30  # an answer about a token, while nobody tells of revocations
DOUBTED = 4  # the feed is known to be whole until a heartbeat is missed, and a busy machine is slow


def case_gone(rig):
    """NATS gone for 3 min"""
    with Load(rig, pause=0.4) as load:  # long, and beside others
        shown = Published(rig, load)
        load.phase("before", 2)
        killed = time.monotonic()
        load.phase("taking")
        rig.kill("nats")
        memory = resident(rig)
        # What needs no token's check passes all the time, and a key that is known for 5 min.
        during = gone(rig, load, shown, AWAY, [kind for kind in ASIDE if kind not in ("known", "write", "upload")])
        grown = {name: resident(rig)[name] - kib for name, kib in memory.items()}
    passed = max(s.began for s in load.of("during", "known") if s.status == 200 and s.began < killed + AWAY - DOUBTED) - killed
    assert 20 < passed < REMEMBERED + DOUBTED, f"a token that was checked before passed for {passed:.0f} s"
    return [*rows(load), *during, ("a token checked before passes without NATS for", f"{passed:.0f} s", "30 s, then 503"),
            ("memory more than before (auth, media, notify, edge)", ", ".join(f"{kib / 1024:.1f} MB" for kib in grown.values()), "does not grow with the outage")]


def resident(rig):
    """KiB, of each process."""
    def of(name):
        with open(f"/proc/{rig.pid(name)}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    return {name: of(name) for name in ("auth", "media", "notify", "edge")}
