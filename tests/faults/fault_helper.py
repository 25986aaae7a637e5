"""The helper that reads uploaded files killed, again and again, while files come in; and a file that kills it."""

import glob
import os
import random
import signal
import sys
import threading
import time

from fault_tools import eventually, sound
from measures import children_of, spooled
from traffic import AUDIO, Author

NAME = "helper"
TITLE = "The media helper"
SECONDS = 45
KILLS = 50
UPLOADERS = 4
HELPERS = 2  # MEDIA_PROBES

# Stands before the real helper and ends, as a library that a file broke would, when it is shown one that says so.
POISONED = """#!{python}
import os, signal, socket, subprocess
here, there = socket.socketpair()
def real():
    os.dup2(there.fileno(), 3)
child = subprocess.Popen(["{real}"], preexec_fn=real, pass_fds=(3,), stdin=subprocess.DEVNULL)
there.close()
asking = socket.socket(fileno=3)
while True:
    question, fds, _, _ = socket.recv_fds(asking, 4096, 4)
    if not question:
        break
    if b"POISON" in os.pread(fds[0], 4096, 0):
        child.kill()
        os.kill(os.getpid(), signal.SIGSEGV)
    socket.send_fds(here, [question], fds)
    for fd in fds:
        os.close(fd)
    answer = here.recv(1 << 20)
    size = 12 + sum(int.from_bytes(answer[at:at + 4], "little") for at in (4, 8))
    while len(answer) < size:
        answer += here.recv(1 << 20)
    asking.sendall(answer)
child.kill()
"""


def helpers(rig):
    out = []
    for pid in children_of(rig.pid("media")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                words = file.read()
        except OSError:
            continue
        if "(tonearm-probe)" in words and words.rsplit(")", 1)[1].split()[0] not in "ZX":
            out.append(pid)
    return out


class Uploads:
    """A stream of good files, each into a draft of its own."""

    def __init__(self, rig, author, keep_going):
        self.rig, self.author, self.keep_going = rig, author, keep_going
        self.taken, self.later, self.wrong, self.longest = [], 0, [], 0.0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(i,), daemon=True) for i in range(UPLOADERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.keep_going.clear()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads), "an upload hangs"

    def client(self, index):
        number = 0
        while self.keep_going.is_set():
            data, number = sound(20, index * 10000 + number), number + 1
            draft = self.author.draft()
            began = time.monotonic()
            try:
                answer = self.rig.system.ask("PUT", f"/media/studio/tracks/{draft}/audio", data, token=self.author.token, headers=AUDIO, timeout=45)
                self.note(draft, answer, len(data), time.monotonic() - began)
            except OSError as error:
                self.wrong.append(f"{error!r} after {time.monotonic() - began:.1f} s")

    def note(self, draft, answer, size, took):
        with self.lock:
            self.longest = max(self.longest, took)
            if answer.status == 200 and answer.data["size"] == size:
                self.taken.append(draft)
            elif answer.status == 503 and (answer.headers["Retry-After"] or "").isdigit():
                self.later += 1
                if self.rig.system.ask("GET", f"/media/studio/tracks/{draft}", token=self.author.token).data.get("duration"):
                    self.wrong.append(f"503, and yet {draft} has its audio")
            else:
                self.wrong.append(repr(answer))


def kill_some(rig, dice):
    """Whichever is there: idle, at work, or the one that was started in its place a moment ago."""
    done = 0
    while done < KILLS:
        time.sleep(dice.choice((0.01, 0.05, 0.1, 0.2)))
        for pid in dice.sample(alive := helpers(rig), min(len(alive), dice.choice((1, 1, 2)))):
            done += kill(pid)
        if dice.random() < 0.3:
            done += sum(map(kill, wait_for_helpers(rig)))  # twice in a row
    return done


def kill(pid):
    """Whether it was still there: one that was killed a moment ago is seen until media has heard of its end."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def wait_for_helpers(rig):
    until = time.monotonic() + 2
    while not (found := helpers(rig)) and time.monotonic() < until:
        time.sleep(0.002)
    return found


def blobs(rig):
    return [path for path in glob.glob(os.path.join(rig.run, "blobs", "*", "*", "*")) if os.path.isfile(path)]


def left_behind(rig):
    return os.listdir(os.path.join(rig.run, "blobs", "tmp")) + spooled(rig.pid("media"))


def case_killed(rig):
    """The helper killed while files come in"""
    author, going = Author(rig), threading.Event()
    going.set()
    before = len(blobs(rig))
    with Uploads(rig, author, going) as uploads:
        eventually(lambda: len(uploads.taken) >= UPLOADERS, 60, "files are taken")
        kills = kill_some(rig, random.Random(4))
        seen = len(uploads.taken)
        eventually(lambda: len(uploads.taken) >= seen + UPLOADERS, 60, "files are taken again")
    assert not uploads.wrong, f"{len(uploads.wrong)}, such as {uploads.wrong[:3]}"
    lost = [draft for draft in uploads.taken if not rig.system.ask("GET", f"/media/studio/tracks/{draft}", token=author.token).data.get("duration")]
    assert not lost, f"{len(lost)} taken files are not there"
    eventually(lambda: not left_behind(rig), 60, "nothing lies in the spool folder")
    assert len(blobs(rig)) - before <= len(uploads.taken), "a blob that nobody was told of"
    return [("kills with -9", kills, f"{KILLS}"), ("good files taken; told to come again (503, nothing kept)", f"{len(uploads.taken)}; {uploads.later}", "one or the other"),
            ("422 for good audio, hangs, other answers", 0, "0"), ("the longest upload", f"{uploads.longest:.1f} s", "< 45 s"),
            ("left in the spool folder, blobs of nobody", 0, "0")]


def case_poisoned(rig):
    """A file that breaks the helper each time"""
    script = os.path.join(rig.run, "poisoned-probe")
    with open(script, "w") as file:
        file.write(POISONED.format(python=sys.executable, real=os.path.join(os.environ.get("TONEARM_BIN", ""), "tonearm-probe")))
    os.chmod(script, 0o755)
    rig.terminate("media")
    rig.start("media", MEDIA_PROBE=script)
    rig.wait_ready("media")
    author, going = Author(rig), threading.Event()
    poison = sound(1)[:200] + b"POISON" + sound(1)[206:]
    going.set()
    statuses = []
    with Uploads(rig, author, going) as uploads:
        for _ in range(20):
            draft = author.draft()
            statuses.append(rig.system.ask("PUT", f"/media/studio/tracks/{draft}/audio", poison, token=author.token, headers=AUDIO, timeout=45).status)
        seen = len(uploads.taken)
        eventually(lambda: len(uploads.taken) >= seen + UPLOADERS, 60, "good files are taken")
    rig.terminate("media")
    rig.start("media")
    rig.wait_ready("media")
    assert set(statuses) <= {422}, statuses
    assert not uploads.wrong and not uploads.later, f"{uploads.later} later, wrong: {uploads.wrong[:3]}"
    return [("answers to it", f"422, {len(statuses)} times", "422 or 503"), ("good files taken meanwhile", f"{len(uploads.taken)} of {len(uploads.taken)}", "all")]
