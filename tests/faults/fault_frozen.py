"""Clients that freeze in every phase, without a FIN: they are cut off in time, and nothing of them stays."""

import time

from edge_bed import Bed, raise_files
from fault_vanish import kinds_of
from measures import until

NAME = "frozen"
TITLE = "Clients that freeze"
SYSTEMS = [None]
SECONDS = 110
MANY, FEW = 200, 20  # few, where each holds a megabyte
LATEST = 110  # seconds; none of the edge's limits is longer than 60
TUNNELS = ("tunnel", "tunnel_in_use")  # these may be silent for five minutes


def case_edge(_):
    """Clients that freeze before the edge"""
    raise_files()
    with Bed("frozen") as bed:
        time.sleep(5)
        before, began = bed.held(), time.monotonic()
        frozen = []
        for phases in kinds_of(bed).values():
            for phase in phases:
                if phase.__name__ not in TUNNELS:
                    frozen += [phase() for _ in range(FEW if "spooled" in phase.__name__ or "file" in phase.__name__ or "range" in phase.__name__ else MANY)]
        filled = time.monotonic()
        most = bed.metric("connections")
        served = sum(bed.get("/small", timeout=30).status == 200 for _ in range(20))

        def gone():
            now = bed.held()
            return all(now[name] <= value for name, value in before.items())

        until(gone, 240, lambda: f"before {before}, now {bed.held()}")
        took = time.monotonic() - filled
        for sock in frozen:
            sock.close()
        assert served == 20, f"{served} of 20 were served beside them"
        assert took < LATEST, f"{took:.0f} s"
    return [("frozen at once, 200 in each phase (20 where each has sent a megabyte or is sent a file)", len(frozen), f"{most:.0f} open, others served"),
            ("all are cut off, and descriptors, connections to the member, bodies and files are as before", f"{took:.0f} s after the last ({filled - began:.0f} s to begin them)",
             f"< {LATEST} s; the longest limit is 60 s")]
