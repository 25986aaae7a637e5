"""A process of the edge that dies, and the parent of both: who is told of it, and for how long."""

import http.client
import json
import os
import signal
import threading
import time

from fault_tools import Skip, eventually

NAME = "edge-process"
TITLE = "A process of the edge dies"
SECONDS = 40
CLIENTS = 8
SLOW = 30  # seconds, on a machine that has other work


class Newcomers:
    """Clients with a new connection and the key for each request: when each began, and what came of it."""

    def __init__(self, rig):
        self.rig, self.asked, self.ended = rig, [], threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                status = self.rig.system.ask("GET", "/media/tracks/latest", timeout=SLOW).status
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            self.asked.append((began, status))
            time.sleep(0.005)

    def failed(self):
        return [(began, status) for began, status in self.asked if status != 200]


def processes(rig):
    try:
        answer = rig.system.ask("GET", "/status", key=None, address=rig.address("edge"), timeout=2)
        return json.loads(answer.body)["server"]["processes"]
    except (OSError, http.client.HTTPException, ValueError):
        return []


def gone(pid):
    """Also where nobody has asked how it ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1
    except (OSError, IndexError):
        return True


def two(rig):
    eventually(lambda: processes(rig), SLOW, "the admin's side answers")
    if len(processes(rig)) < 2:
        raise Skip("this machine has one core: the edge is one process")


def case_one(rig):
    """One of the edge's two processes killed, by SIGABRT, SIGSEGV and SIGKILL"""
    two(rig)
    backs, late, lost = [], 0, []
    with Newcomers(rig) as newcomers:
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT):
            dead = processes(rig)[0]
            killed = time.monotonic()
            os.kill(dead, number)
            eventually(lambda: gone(dead), SLOW, "it has died")
            died = time.monotonic()
            eventually(lambda: len(now := processes(rig)) == 2 and dead not in now, SLOW, f"two serve again: {rig.log('edge')}")
            backs.append(time.monotonic() - killed)
            time.sleep(1.2)
            mine = [began for began, _ in newcomers.failed() if began > killed - 1]
            lost.append(len(mine))
            late += sum(began > died for began in mine)
    assert not late, f"{late} of {len(newcomers.asked)} failed that began after the death: {newcomers.failed()}"
    return [("requests on new connections that began after a death and failed", f"0 of {len(newcomers.asked)}", "0"),
            ("lost with the process, each time", f"{max(lost)} at most, of {CLIENTS} clients", "what it had"),
            ("two serve again", f"{max(backs) * 1000:.0f} ms at most", "< 1 s on a quiet machine")]


def case_parent(rig):
    """The parent of the edge's processes killed; the supervisor starts another after 1 s"""
    two(rig)
    with Newcomers(rig) as newcomers:
        old = processes(rig)
        rig.kill("edge")
        killed = time.monotonic()
        time.sleep(1)
        rig.start("edge")
        eventually(lambda: len(processes(rig)) == 2, SLOW, f"its successor serves: {rig.log('edge')}")
        eventually(lambda: all(map(gone, old)), 60, "the orphans have ended")
        ended = time.monotonic() - killed
        time.sleep(0.5)
    # Who connects while a listener closes may be reset by the kernel.
    failed = newcomers.failed()
    assert len(failed) <= 2, f"{len(failed)} of {len(newcomers.asked)} failed: {failed}"
    return [("requests on new connections that failed", f"{len(failed)} of {len(newcomers.asked)}", "0"),
            ("the orphans end after", f"{ended:.1f} s", "3 s, and what is under way")]
