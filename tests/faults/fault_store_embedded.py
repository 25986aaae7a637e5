"""The embedded store, whose lock another process holds and does not give back: one that was stopped in the midst of a write."""

import contextlib
import fcntl
import os
import subprocess
import threading

from fault_disk import moved
from fault_store import afterwards, health, settle
from fault_tools import KINDS, Load, Skip

NAME = "store-embedded"
TITLE = "The embedded store"
SECONDS = 45
OVERDUE = 7.5  # the deadline of 5 s, half a second for the worker to say so itself, and the sweep of each second
READING = ("read", "person", "known")
WRITING = {"auth": ("profile", "refresh", "leave"), "media": ("write", "upload")}


def case_auth_locked(rig):
    """The lock of auth's embedded store held by a process that hangs"""
    return held(rig, "auth", "media")


def case_media_locked(rig):
    """The lock of media's embedded store held by a process that hangs"""
    return held(rig, "media", "auth")


def case_media_still(rig):
    """The file system of media's embedded store stands still"""
    with FrozenDisk(os.path.join(rig.run, "still")) as disk, moved(rig, "media", "data", "media", disk, STORE_URL=f"embedded:{disk.path}/media"):
        with Load(rig, kinds=[kind for kind in KINDS if kind != "upload"]) as load:  # whose deadline is a longer one
            load.phase("before", 1)
            load.phase("taking")
            with disk.frozen(30):
                load.phase("during", 10)
                alive = health(rig)
            again = settle(load, OVERDUE)
            load.check("before", "after", must_pass=load.kinds, across=False)
            others = [s for phase in ("taking", "during", "settling") for s in load.of(phase) if s.status not in (200, 201, 503) or s.took > OVERDUE]
            assert not others, f"{len(others)} others: {others[:3]}"
            failed = [s for s in load.of("during", "person", *WRITING["auth"]) if s.status != 200]
            assert not failed, f"auth has its store: {failed[:3]}"
            return [("answers meanwhile", load.statuses("during"), "503, and 200, 201 without that store"),
                    ("the longest wait for an answer", f"{load.longest('during'):.2f} s", "5 s and what it takes to see it: the worker is in the kernel"),
                    alive, *afterwards(load, again)]


class FrozenDisk:
    """A file system in a file, which fsfreeze stops: who writes there waits in the kernel, and cannot even be killed."""

    def __init__(self, path):
        self.path, self.image = path, path + ".img"

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("only root mounts a file system of its own to freeze")
        os.makedirs(self.path, exist_ok=True)
        for command in (["truncate", "-s", "64M", self.image], ["mkfs.ext4", "-q", "-F", self.image], ["mount", "-o", "loop", self.image, self.path]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise Skip(f"{' '.join(command)}: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        os.unlink(self.image)

    @contextlib.contextmanager
    def frozen(self, most_seconds):
        """Whatever becomes of the test, not for longer than that."""
        thaw = threading.Timer(most_seconds, lambda: subprocess.run(["fsfreeze", "-u", self.path], capture_output=True))
        subprocess.run(["fsfreeze", "-f", self.path], check=True)
        thaw.start()
        try:
            yield
        finally:
            thaw.cancel()
            subprocess.run(["fsfreeze", "-u", self.path], capture_output=True)


def held(rig, service, other):
    with Load(rig) as load:
        load.phase("before", 1)
        load.phase("taking")
        with locked(rig, service):
            load.phase("during", 6)
            alive = health(rig)
        again = settle(load)
        load.check("before", "after", must_pass=load.kinds)
        load.check("during", must_pass=(*READING, *WRITING[other]))
        late = [s for s in load.of("during", *WRITING[service]) if s.status in (200, 201)]
        # One of each kind waits when the lock is given back, and is written then; none is while it is held.
        assert len(late) <= len(WRITING[service]), f"written by whom, with the lock held? {late[:3]}"
        return [("reads, and what the other store takes", load.statuses("during", *READING, *WRITING[other]), "200, 201"),
                ("its writes", load.statuses("during", *WRITING[service]), "503 within 2 s"),
                ("the longest wait for an answer", f"{load.longest('during'):.2f} s", "< 2.5 s"), alive, *afterwards(load, again)]


@contextlib.contextmanager
def locked(rig, service):
    """Both: who writes waits for the gate, and there for the writer's lock."""
    base = os.path.join(rig.run, "data", service, f"{service}.db")
    with open(base + ".gate") as gate, open(base + ".writer") as writer:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(writer, fcntl.LOCK_EX)
        yield
