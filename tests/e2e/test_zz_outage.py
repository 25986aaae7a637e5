"""What is taken away while it runs, and given back. Last, because it shakes the system."""

import concurrent.futures
import glob
import http.client
import os
import signal
import time

from patience import calm
from system import Case, dev, eventually


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


class Outage(Case):
    waits = False

    def tearDown(self):
        self.doCleanups()  # what a failed test froze goes on: the next one must not fail with it

        def ready():
            return dev("status").returncode == 0 and self.system.reaches("auth") and self.system.reaches("media")

        eventually(ready, 90, "whole again")

    def freeze(self, *names):
        pids = [self.system.pid(name) for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            # Its threads stop one after the other; the last may still answer.
            eventually(lambda: all(open(stat).read().rsplit(")", 1)[1].split()[0] == "T" for stat in glob.glob(f"/proc/{pid}/task/*/stat")), 30)
        self.addCleanup(lambda: [os.kill(pid, signal.SIGCONT) for pid in pids])
        return pids

    def test_redis_frozen_all_goes_on(self):
        _, tokens = self.system.person()
        pids = self.freeze("redis-auth", "redis-media")
        began = calm()
        self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))
        self.good(self.ask("GET", "/media/tracks/latest"))
        self.good(self.ask("POST", "/auth/signin/basic", {"email": self.system.env["TONEARM_ADMIN_EMAIL"],
                                                          "password": self.system.env["TONEARM_ADMIN_PASSWORD"]}))
        self.assertLess(calm() - began, 3)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def test_nats_gone_is_503_within_two_seconds_and_a_checked_token_passes(self):
        user, tokens = self.system.person("ARTIST")
        token = tokens["accessToken"]
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 200, 2, "role")
        fresh = self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}))["tokens"]["accessToken"]
        pids = self.freeze("nats")
        time.sleep(5)  # both pings are missed: everybody knows
        self.good(self.ask("GET", "/media/studio/tracks", token=token))
        began = calm()
        self.refused(self.ask("GET", "/media/studio/tracks", token=fresh), 503)
        self.assertLess(calm() - began, 2.5)
        self.good(self.ask("GET", "/media/tracks/latest"))
        os.kill(pids[0], signal.SIGCONT)
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=fresh).status == 200, 30, "asked again")

    def test_without_an_answer_about_roles_it_is_503_never_200(self):
        """Auth is away: a role that was never asked for is not granted."""
        user, tokens = self.system.person("ARTIST")
        token = tokens["accessToken"]
        pids = self.freeze("auth")
        answer = self.ask("GET", "/media/studio/tracks", token=token, timeout=20)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        self.refused(answer, 503)

    def test_killed_services_answer_again(self):
        for name, path in (("auth", "/auth/health"), ("media", "/media/health"), ("notify", None), ("edge", "/auth/health")):
            with self.subTest(name=name):
                pid = self.system.pid(name)
                below = children(pid)
                os.kill(pid, signal.SIGKILL)

                def back():
                    try:
                        return self.system.pid(name) != pid and (not path or self.ask("GET", path, key=None, timeout=2).status == 200)
                    except (OSError, http.client.HTTPException):
                        return False

                eventually(back, 30, f"{name} is back")
                # The edge's processes serve on beside the new ones for a while.
                eventually(lambda: not any(os.path.exists(f"/proc/{child}") for child in below), 60, f"the old {name} is gone")

    def test_acknowledged_writes_survive_a_kill(self):
        made = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(self.try_person) for _ in range(60)]
            concurrent.futures.wait(futures, 60, concurrent.futures.FIRST_COMPLETED)
            os.kill(self.system.pid("auth"), signal.SIGKILL)
            made = [f.result() for f in futures]
        made = [m for m in made if m]
        self.assertTrue(made, "nothing was acknowledged before the kill")
        eventually(lambda: self.system.reaches("auth"), 60, "auth is back")
        for id in made:
            self.good(self.ask("GET", f"/auth/profile/id/{id}"))

    def try_person(self):
        try:
            return self.system.person()[0]["id"]
        except (AssertionError, OSError, ValueError, http.client.HTTPException):
            return None
