"""A signing key changes under load, and is revoked: two replicas of auth, and an edge that checks tokens by auth's keys."""

import http.client
import os
import re
import subprocess
import tempfile
import threading
import time

from patience import hold_port
from system import ROOT, Case, dev, eventually, read_env
from test_auth import part

BIN = os.environ.get("TONEARM_BIN", os.path.join(ROOT, "run", "bin"))
CLIENTS, PAUSE_S, LEAD_S = 4, 0.05, 75

GATE = """
_format_version: "3.0"
upstreams: [{name: auth, targets: [{target: "nats:auth"}]}]
services:
  - name: auth
    host: auth
    routes:
      - name: checked
        paths: [/auth]
        plugins: [{name: key-auth, config: {key_names: [x-api-key]}}, {name: jwt, config: {jwks: auth}}]
"""


class Process:
    """One more of the system's, with its settings but for some; ended with the test."""

    def __init__(self, case, name, **settings):
        environment = {**os.environ, **read_env(os.path.join(case.system.run, "env", f"{name}.env")), **settings}
        self.log = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen([os.path.join(BIN, f"tonearm-{name}")], env=environment, stdout=self.log, stderr=self.log, cwd=ROOT)
        case.addCleanup(self.stop)

    def stop(self):
        self.child.terminate()
        self.child.wait(60)
        self.log.close()


class Client(threading.Thread):
    """A person who refreshes and asks, again and again: every answer must be 200; a busy machine's 503 is asked again."""

    def __init__(self, case, port):
        super().__init__(daemon=True)
        self.case, self.port = case, port
        self.tokens = case.system.person()[1]
        self.wrong, self.asked, self.kids = [], 0, {}
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(PAUSE_S):
            self.step()

    def ask(self, *args, **kwargs):
        until = time.monotonic() + 30
        while True:
            answer = self.case.ask(*args, **kwargs)
            if answer.status != 503 or time.monotonic() > until:
                return answer
            time.sleep(0.1)

    def step(self):
        fresh = self.ask("POST", "/auth/token/refresh", {"refreshToken": self.tokens["refreshToken"]})
        self.asked += 1
        if fresh.status != 200:
            return self.wrong.append(fresh)
        before, self.tokens = self.tokens["accessToken"], fresh.data
        self.kids.setdefault(part(self.tokens["accessToken"], 0)["kid"], self.tokens["accessToken"])
        for token in (before, self.tokens["accessToken"]):
            answers = [self.ask("GET", "/auth/profile/mine", token=token, address=("127.0.0.1", self.port))]
            answers.append(self.ask("GET", "/media/studio/tracks", token=token))
            # Who listens only is no artist: 403 says that the token was taken.
            self.wrong += [a for a, good in zip(answers, (200, 403)) if a.status != good]
            self.asked += 2


class Rotation(Case):
    def tonearm(self, *args):
        """What may be done twice: a command waits 1.5 s for a store, which a machine under load may take."""
        until = time.monotonic() + 30
        while True:
            done = dev("tonearm", *args)
            if done.returncode == 0 or time.monotonic() > until or "not available" not in done.stderr:
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                return done.stdout

    def rotate(self):
        """Not twice: it may be done where the answer was lost."""
        done = dev("tonearm", "keys", "rotate", "--in", f"{LEAD_S}s", "--alg", "ES256")
        if done.returncode:
            self.assertIn("not available", done.stderr)
            return self.keys().get("next", [None])[0]
        return done.stdout.split()[0]

    def keys(self):
        """{state: [kid, ...]}"""
        states = {}
        for line in self.tonearm("keys", "list").splitlines():
            kid, _, state = line.split()[:3]
            states.setdefault(state, []).append(kid)
        return states

    def gate(self):
        """The port of an edge with the jwt plugin, and a second replica of auth, which it has found."""
        with tempfile.NamedTemporaryFile("w", suffix=".yml", delete=False) as file:
            file.write(GATE)
        self.addCleanup(os.unlink, file.name)
        port = hold_port()
        Process(self, "auth", AUTH_LISTEN="127.0.0.1:0")
        Process(self, "edge", EDGE_LISTEN=f"127.0.0.1:{port}", EDGE_TLS_LISTEN="", EDGE_ADMIN_LISTEN="", EDGE_CONFIG=file.name)
        _, tokens = self.system.person()
        eventually(lambda: self.status(port, tokens["accessToken"]) == 200, 60, "the edge of the test answers")
        eventually(lambda: self.replicas() >= 2, 60, "a second replica of auth")
        return port

    def replicas(self):
        done = subprocess.run(["nats", "--server", self.system.env["NATS_URL"], "req", "$SRV.PING.auth", "", "--replies", "0", "--timeout", "1s"],
                              capture_output=True, text=True, timeout=20)
        return len(set(re.findall(r'"id":"([^"]+)"', done.stdout)))

    def status(self, port, token, path="/auth/profile/mine"):
        try:
            return self.ask("GET", path, token=token, address=("127.0.0.1", port)).status
        except (OSError, http.client.HTTPException):
            return 0

    def test_nobody_notices_a_rotation_and_a_revocation_ends_what_it_must(self):
        port = self.gate()
        old = self.keys()["active"][0]
        clients = [Client(self, port) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
            self.addCleanup(client.over.set)

        kid = eventually(self.rotate, 30, "a rotation")
        self.assertEqual(dev("tonearm", "keys", "rotate").returncode, 1, "one waits already")
        eventually(lambda: {old, kid} <= self.published(), 10, "the next key is published")
        eventually(lambda: all(kid in c.kids for c in clients), LEAD_S + 60, "tokens of the new key")
        time.sleep(2 * CLIENTS * PAUSE_S)
        for client in clients:
            client.over.set()
            client.join(60)
        for client in clients:
            self.assertEqual(client.wrong, [], f"of {client.asked} answers")
            self.assertEqual(set(client.kids), {old, kid})
            self.assertGreater(client.asked, 20)
        states = self.keys()
        self.assertEqual((states["active"], states["retired"][-1]), ([kid], old))
        self.assertTrue({old, kid} <= self.published(), "until its last token is out")
        self.revoke(port, kid, clients[0])

    def published(self):
        return {key["kid"] for key in self.ask("GET", "/.well-known/jwks.json", key=None).json["keys"]}

    def revoke(self, port, kid, client):
        """Of the key that signs: its tokens end everywhere, the session goes on, and what is signed next is taken at once."""
        ended = client.tokens["accessToken"]
        self.assertEqual(self.status(port, ended), 200)
        eventually(lambda: kid in self.keys().get("gone", []) or not dev("tonearm", "keys", "revoke", kid).returncode, 30, "a revocation")
        # A second is the promise; the commands before and a machine under load are not.
        eventually(lambda: self.status(port, ended) == 401, 10, "refused at the edge that knows auth's keys")
        eventually(lambda: self.ask("GET", "/auth/profile/mine", token=ended).status == 401, 10, "refused in auth")
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=ended).status == 401, 10, "refused in media")
        fresh = self.good(self.ask("POST", "/auth/token/refresh", {"refreshToken": client.tokens["refreshToken"]}))["accessToken"]
        self.assertNotEqual(part(fresh, 0)["kid"], kid)
        eventually(lambda: self.status(port, fresh) == 200, 10, "the new key is known")
        self.assertEqual(self.ask("GET", "/media/studio/tracks", token=fresh).status, 403)
        eventually(lambda: kid not in self.published(), 10, "it is published no more")
        self.assertEqual(dev("tonearm", "keys", "revoke", kid).returncode, 1, "it is gone")
