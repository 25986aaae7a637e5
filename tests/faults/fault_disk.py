"""The disk full: below auth's store and media's, below the blobs, and where the edge and media put large bodies. 507, nothing half
done, and when there is room again all goes on without a start."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from fault_tools import Load, Skip, eventually, sound

NAME = "disk"
TITLE = "The disk full"
SECONDS = 80
READING = ("read", "person", "known")
LARGE = 3 << 20


class Disk:
    """A small file system of its own, which can be filled to the last byte."""

    def __init__(self, path, mib):
        self.path, self.mib = path, mib

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("only root mounts a disk of its own to fill")
        os.makedirs(self.path, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m,mode=755", "tonearm-test", self.path], capture_output=True, text=True)
        if done.returncode:
            raise Skip(f"mount: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)

    def fill(self, left=0):
        with open(os.path.join(self.path, "filler"), "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while self.free() > left:
                        if file.write(b"x" * size) < size:
                            break

    def free(self):
        about = os.statvfs(self.path)
        return about.f_bavail * about.f_frsize

    def empty(self):
        os.unlink(os.path.join(self.path, "filler"))


def case_auth_store(rig):
    """Auth's store on a full disk"""
    return full_store(rig, "auth", ("profile", "refresh", "leave"), ("write", "upload"))


def case_media_store(rig):
    """Media's store on a full disk"""
    return full_store(rig, "media", ("write", "upload"), ("profile", "refresh", "leave"))


def full_store(rig, service, writing, aside):
    with Disk(os.path.join(rig.run, "small"), 48) as disk, moved(rig, service, "data", service, disk, STORE_URL=f"embedded:{disk.path}/{service}"):
        with Load(rig, away=(503, 507)) as load:
            load.phase("before", 2)
            load.phase("taking")
            disk.fill()
            load.phase("during", 6)
            alive = {name: rig.system.ask("GET", "/health", key=None, address=rig.address(name), timeout=5).status for name in ("auth", "media")}
            disk.empty()
            again = settle(load)
        said = {str(s.status) for s in load.of("during", *writing)}
        load.check("before", "after", must_pass=load.kinds)
        load.check("during", must_pass=(*READING, *aside))
        assert "507" in said and said <= {"200", "201", "507"}, f"writes: {said}"
        assert set(alive.values()) == {200}, alive
        return [("reads meanwhile", load.statuses("during", *READING), "200"), ("writes meanwhile", load.statuses("during", *writing), "507"),
                ("the longest wait for an answer", f"{load.longest('during'):.2f} s", "no hang"),
                ("with room again and without a start, all is well after", f"{again:.1f} s", "a few seconds"),
                ("acknowledged and there", load.nothing_lost(), "all")]


def case_blobs(rig):
    """The blobs on a full disk"""
    with Disk(os.path.join(rig.run, "small"), 120) as disk, moved(rig, "media", "", "blobs", disk, BLOB_URL=f"file:{disk.path}/blobs"):
        with Load(rig, away=(503, 507)) as load, large_file() as large:
            load.phase("before", 2)
            load.phase("taking")
            disk.fill()
            files = files_in(disk)
            load.phase("during", 4)
            direct = [put(rig, large, load, to, *how) for to, how in (("edge", ()), ("media", ()), ("media", CHUNKED))]
            left = len(files_in(disk) - files)
            disk.empty()
            again = settle(load)
            after = [put(rig, large, load, to, *how) for to, how in (("edge", ()), ("media", ()), ("media", CHUNKED))]
        load.check("before", "after", must_pass=load.kinds)
        load.check("during", must_pass=[kind for kind in load.kinds if kind != "upload"])
        small = load.statuses("during", "upload")
        assert [status for status, _ in direct] == [507] * 3 and "507" in small, f"uploads: {direct}, {small}"
        assert left == 0, f"{left} files were left by uploads that were refused"
        assert [status for status, _ in after] == [200] * 3, f"with room again: {after}"
        return [("uploads meanwhile (3 kB; 3 MB through the edge, to media, to media in chunks)", f"{small}; {', '.join(str(s) for s, _ in direct)}", "507"),
                ("files left by them", left, "0"), ("everything else meanwhile", load.statuses("during", *[k for k in load.kinds if k != "upload"]), "200, 201"),
                ("with room again: all is well after; 3 MB three times", f"{again:.1f} s; 200", "a few seconds; 200")]


CHUNKED = ("--http1.1", "-H", "Transfer-Encoding: chunked", "-H", "Expect:")
WAYS = {"HTTP/1.1": ("--http1.1", "-H", "Expect:"), "HTTP/1.1, 100-continue": ("--http1.1", "-H", "Expect: 100-continue"),
        "HTTP/1.1 in chunks": CHUNKED, "HTTP/2": ("--http2-prior-knowledge",), "HTTP/2 over TLS": ("--http2", "-k")}


def case_edge_spool(rig):
    """The edge's TMPDIR on a full disk"""
    with Disk(os.path.join(rig.run, "small"), 24) as disk, started_with(rig, "edge", TMPDIR=disk.path):
        with Load(rig) as load, large_file() as large:
            before = {way: put(rig, large, load, "tls" if "TLS" in way else "edge", *how) for way, how in WAYS.items()}
            load.phase("before", 1)
            load.phase("taking")
            disk.fill(left=1 << 20)
            load.phase("during", 3)
            during = {way: put(rig, large, load, "tls" if "TLS" in way else "edge", *how) for way, how in WAYS.items()}
            disk.empty()
            settle(load)
            eventually(lambda: put(rig, large, load, "edge", *WAYS["HTTP/2"])[0] == 200, 30, "room is seen")
            after = {way: put(rig, large, load, "tls" if "TLS" in way else "edge", *how) for way, how in WAYS.items()}
        load.check("before", "during", "after", must_pass=load.kinds)
        for phase, answers, wanted in (("before", before, 200), ("during", during, 507), ("after", after, 200)):
            wrong = {way: answer for way, answer in answers.items() if answer[0] != wanted}
            assert not wrong, f"{phase}: {wrong}, and not {wanted}"
        return [(f"3 MB by {', '.join(WAYS)}", ", ".join(str(status) for status, _ in during.values()), "507 each, no reset"),
                ("everything else meanwhile", load.statuses("during"), "200, 201"), ("with room again", "200 each", "200")]


def settle(load):
    began = time.monotonic()
    load.phase("settling")
    again = load.well_again(began)
    load.phase("after", 1)
    return again


@contextlib.contextmanager
def large_file():
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(sound(LARGE / 16000))
        file.flush()
        yield file.name


def put(rig, file, load, to, *how):
    """An upload by curl, which hears an early answer: (status, curl's own words)."""
    urls = {"edge": rig.system.env["TONEARM_URL"] + "/media", "tls": rig.system.env["TONEARM_TLS_URL"] + "/media", "media": "http://%s:%d" % rig.address("media")}
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-m", "60", "-X", "PUT", "-T", file, "-H", "Content-Type: application/octet-stream",
                           "-H", f"X-API-Key: {rig.system.key}", "-H", f"Authorization: Bearer {load.tokens['accessToken']}", *how,
                           f"{urls[to]}/studio/tracks/{load.draft}/audio"], capture_output=True, text=True)
    return int(done.stdout or 0), done.stderr.strip()


def files_in(disk):
    return {os.path.join(folder, name) for folder, _, names in os.walk(disk.path) for name in names}


@contextlib.contextmanager
def moved(rig, service, parent, name, disk, **settings):
    """What is in run/PARENT/NAME stands on the small disk while this lasts, and is brought back."""
    home = os.path.join(rig.run, parent, name)
    rig.terminate(service)
    shutil.copytree(home, os.path.join(disk.path, name))
    try:
        rig.start(service, **settings)
        rig.wait_ready(service)
        eventually(lambda: rig.system.reaches(service), 60, "the edge has it back")
        yield
    finally:
        rig.terminate(service)
        shutil.rmtree(home)
        shutil.copytree(os.path.join(disk.path, name), home)
        rig.start(service)
        rig.wait_ready()


@contextlib.contextmanager
def started_with(rig, name, **settings):
    try:
        rig.terminate(name)
        rig.start(name, **settings)
        rig.wait_ready()
        eventually(lambda: rig.system.reaches("media"), 60, "the edge reaches media")
        yield
    finally:
        rig.terminate(name)
        rig.start(name)
        rig.wait_ready()
