"""What the faults share: people with tokens and tracks, and a load that counts its answers.

    with Load(rig) as load:          # steady, bounded: every kind a few times a second
        load.phase("taking")
        rig.freeze("nats")
        load.phase("during", 4)
        ...
    load.answers("during", "write")
"""

import collections
import http.client
import json
import os
import struct
import threading
import time
import uuid

from patience import calm

KINDS = ("read", "person", "known", "fresh", "write", "profile", "refresh", "upload", "leave")
# A request that began in one phase and ended in the next: while the fault was being made, or mended.
ACROSS = {"before": "taking", "taking": "taking", "during": "settling"}
HANG = 8.0  # longer than anything may take: then it is counted as no answer
LONGEST_503 = 2.5 + min(4, 0.1 * os.getloadavg()[0] / os.cpu_count())  # 2 s are promised, by calm(); a busy disk comes on top
LATE_REFRESH = 9.9  # seconds; a refresh token sent again after 10 s ends its session, by contract


class Skip(Exception):
    """It cannot be done on this machine."""


def sound(seconds=0.2, seed=0):
    """A WAV that no other is equal to."""
    count = int(8000 * seconds)
    data = b"".join(struct.pack("<h", (i * (37 + seed % 91) + seed) % 8000 - 4000) for i in range(count))
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<I", len(data)) + data


def eventually(check, seconds, what):
    """How long it took until `check()` was true; of our time, not of what the machine did meanwhile."""
    began = calm()
    while not check():
        if calm() - began > seconds:
            raise AssertionError(f"not so within {seconds} s: {what}")
        time.sleep(0.02)
    return calm() - began


Sample = collections.namedtuple("Sample", "phase kind began took status note")


class Load:
    """Clients of every kind. What a kind may get: its good status, and where `away` says so 503 with Retry-After within
    2 s. Anything else is a wrong answer: an outage told as something about a person, or a hang."""

    def __init__(self, rig, kinds=None, away=(503,), pause=0.15):
        self.pause = pause  # between two requests of a kind
        self.rig, self.system, self.away = rig, rig.system, away
        self.lock, self.samples, self.now, self.ended = threading.Lock(), [], "before", threading.Event()
        self.kinds = kinds or KINDS
        self.written, self.signed_out, self.names = [], [], []  # names: (name, whether it was acknowledged)
        self.threads = []
        self.ended_sessions, self.left_perhaps = 0, False

    def __enter__(self):
        self.user, self.tokens = self.system.person("ARTIST")
        eventually(lambda: self.known().status == 200, 30, "the artist may")
        self.refreshing = self.session()
        self.refreshing_fresh = self.session("ARTIST")
        _, self.renamed = self.system.person()  # each new name is a new version of the user: what is known of it is asked again
        self.leaving = [self.sign_in(self.user) for _ in range(12)] if "leave" in self.kinds else []
        self.draft = self.expect(self.write(), 201)["id"]
        for kind in self.kinds:
            self.threads.append(threading.Thread(target=self.client, args=(kind,), daemon=True))
            self.threads[-1].start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(30)

    # The kinds. Each returns an answer, and raises AssertionError on wrong data.

    def ask(self, *args, **kwargs):
        return self.system.ask(*args, timeout=HANG, **kwargs)

    def expect(self, answer, status):
        assert answer.status == status, answer
        return answer.data

    def sign_in(self, user):
        return self.expect(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}), 200)["tokens"]["accessToken"]

    def read(self):
        return self.ask("GET", "/media/tracks/latest")

    def person(self):
        answer = self.ask("GET", f"/auth/profile/id/{self.user['id']}")
        assert answer.status != 200 or answer.data["id"] == self.user["id"], answer
        return answer

    def known(self):
        return self.ask("GET", "/media/studio/tracks", token=self.tokens["accessToken"])

    def session(self, *roles):
        user, tokens = self.system.person(*roles)
        return {"user": user, "unknown": None, **tokens}

    def renew(self, tokens):
        """A refresh token that was used is not lost with an answer that was: it may be sent again for 10 s. After that
        the session has ended (401), if the store had taken the refresh whose answer was 503."""
        began = time.monotonic()
        answer = self.ask("POST", "/auth/token/refresh", {"refreshToken": tokens["refreshToken"]})
        if answer.status == 401 and tokens["unknown"] and time.monotonic() - tokens["unknown"] > LATE_REFRESH:
            answer = self.ask("POST", "/auth/signin/basic", {"email": tokens["user"]["email"], "password": "correct horse 1"})
            if answer.status == 200:
                self.ended_sessions += 1
                tokens.update(answer.data["tokens"], unknown=None)
        elif answer.status == 200:
            tokens.update(answer.data, unknown=None)
        else:
            tokens["unknown"] = tokens["unknown"] or began  # it may have been done at once
        return answer

    def refresh(self):
        return self.renew(self.refreshing)

    def fresh(self):
        """A token that media has never seen; the old one is tried again until it is told."""
        if not self.refreshing_fresh.get("asked"):
            answer = self.ask("GET", "/media/studio/tracks", token=self.refreshing_fresh["accessToken"])
            self.refreshing_fresh["asked"] = answer.status == 200
            return answer
        answer = self.renew(self.refreshing_fresh)
        self.refreshing_fresh["asked"] = answer.status != 200
        return answer

    def write(self):
        """A draft, and its writer sees it at once."""
        title = f"Draft {uuid.uuid4().hex}"
        answer = self.ask("POST", "/media/studio/tracks", {"title": title}, token=self.tokens["accessToken"])
        if answer.status == 201:
            self.written.append((answer.data["id"], title))
            seen = self.ask("GET", f"/media/studio/tracks/{answer.data['id']}", token=self.tokens["accessToken"])
            assert seen.status in self.away or (seen.status == 200 and seen.data["title"] == title), f"own write not seen: {seen}"
        return answer

    def profile(self):
        name = f"Name {uuid.uuid4().hex[:8]}"
        answer = self.ask("PATCH", "/auth/profile/mine", {"name": name}, token=self.renamed["accessToken"])
        self.names.append((name, answer.status == 200))
        return answer

    def upload(self):
        return self.ask("PUT", f"/media/studio/tracks/{self.draft}/audio", sound(0.2, len(self.samples)), token=self.tokens["accessToken"],
                        headers={"Content-Type": "application/octet-stream"})

    def leave(self):
        """Signs out; the token is refused by auth from then on."""
        if not self.leaving:
            return None
        answer = self.ask("DELETE", "/auth/signout", token=self.leaving[0])
        if answer.status == 401 and self.left_perhaps:
            answer.status = 200  # it had been done, and nobody was told
        self.left_perhaps = answer.status == 503
        if answer.status == 200:
            token = self.leaving.pop(0)
            self.signed_out.append((token, time.monotonic()))
            after = self.ask("GET", "/auth/profile/mine", token=token)
            assert after.status == 401 or after.status in self.away, f"signed out, and yet: {after}"
        return answer

    # The clients

    def client(self, kind):
        pause = 0
        while not self.ended.wait(pause):
            pause = self.pause * (8 if kind in ("leave", "upload") else 1)
            phase, began, calm_began = self.now, time.monotonic(), calm()
            status, note = self.one(kind)
            if self.now != phase:
                phase = ACROSS.get(phase, self.now)
            if status:
                with self.lock:
                    self.samples.append(Sample(phase, kind, began, calm() - calm_began, status, note))

    def one(self, kind):
        try:
            answer = getattr(self, kind)()
            if answer is None:
                return None, ""
            if answer.status == 503 and not (answer.headers["Retry-After"] or "").isdigit():
                return "503 without Retry-After", repr(answer)
            return answer.status, repr(answer) if answer.status >= 400 else ""
        except AssertionError as error:
            return "wrong", str(error)
        except (OSError, http.client.HTTPException, ValueError, json.JSONDecodeError) as error:
            return "none", f"{type(error).__name__} {error}"

    # What came of it

    def phase(self, name, seconds=0):
        """From now on; for that long, and until each kind has had an answer."""
        self.now = name
        time.sleep(seconds)
        kinds = [kind for kind in self.kinds if kind != "leave" or self.leaving]
        if seconds:
            eventually(lambda: all(self.of(name, kind) for kind in kinds), 60, f"each kind has been answered in '{name}'")

    def of(self, phase, *kinds):
        with self.lock:
            return [s for s in self.samples if s.phase == phase and (not kinds or s.kind in kinds)]

    def statuses(self, phase, *kinds):
        count = collections.Counter(str(s.status) for s in self.of(phase, *kinds))
        return ", ".join(f"{status}: {n}" for status, n in sorted(count.items())) or "none"

    def longest(self, phase, *kinds):
        return max((s.took for s in self.of(phase, *kinds)), default=0.0)

    def wrong(self, phase):
        """Answers that are neither good nor an honest 'not now', and hangs."""
        return [s for s in self.of(phase) if s.status not in (200, 201, *self.away) or (s.status in self.away and s.took > LONGEST_503)]

    def check(self, *phases, must_pass=(), share=1.0, across=True):
        """Nothing wrong in these phases; this share at least of the kinds that must pass in all of them passes."""
        for phase in (("taking", *phases) if across else phases):
            wrong = self.wrong(phase)
            assert not wrong, f"{phase}: {len(wrong)} wrong answers, such as {wrong[:3]}"
            for kind in must_pass if phase != "taking" else ():
                seen = self.of(phase, kind)
                if kind == "leave" and not seen:
                    continue  # all have left
                failed = [s for s in seen if s.status not in (200, 201)]
                assert seen and len(failed) <= (1 - share) * len(seen), f"{phase}: {kind} must pass, {len(failed)} of {len(seen)} did not: {failed[:2]}"

    def well_again(self, since, seconds=60):
        """From `since` (the fault is over) until every kind has been answered well and none badly after it."""
        def after(kind):
            with self.lock:
                seen = [s for s in self.samples if s.kind == kind and s.began >= since]
            bad = [s for s in seen if s.status not in (200, 201)]
            last = bad[-1].began if bad else since
            return next((s.began + s.took for s in seen if s.began > last and s.status in (200, 201)), None)

        kinds = [kind for kind in self.kinds if kind != "leave" or self.leaving]
        try:
            eventually(lambda: all(after(kind) for kind in kinds), seconds, "all is well again")
        except AssertionError as error:
            raise AssertionError(f"{error}, but for {[(kind, self.of(self.now, kind)[-1:]) for kind in kinds if not after(kind)]}") from None
        time.sleep(1)  # and stays so
        eventually(lambda: all(after(kind) for kind in kinds), seconds, "all stays well")
        return max(after(kind) for kind in kinds) - since

    def nothing_lost(self):
        """Ends the load. What was acknowledged is there; how many."""
        self.stop()
        for id, title in self.written:
            answer = self.ask("GET", f"/media/studio/tracks/{id}", token=self.tokens["accessToken"])
            assert answer.status == 200 and answer.data["title"] == title, f"an acknowledged draft: {answer}"
        for token, _ in self.signed_out:
            for path in ("/auth/profile/mine", "/media/studio/tracks"):
                answer = self.ask("GET", path, token=token)
                assert answer.status == 401, f"signed out, and yet {path}: {answer}"
        acknowledged = [i for i, (_, good) in enumerate(self.names) if good]
        if acknowledged:
            mine = self.ask("GET", "/auth/profile/mine", token=self.renamed["accessToken"]).data
            # One whose answer was 503 may have been written all the same: nobody was told what came of it.
            assert mine["name"] in [name for name, _ in self.names[acknowledged[-1]:]], f"the last name was {self.names[acknowledged[-1]:]}: {mine}"
        return len(self.written) + len(self.signed_out) + len(acknowledged)

    def rows(self, phase, must):
        return [("answers meanwhile", self.statuses(phase), must),
                ("the longest wait for an answer", f"{self.longest(phase):.2f} s", "< 2.5 s where it is 503, no hang")]
