"""Tokens of the real auth at an edge with the jwt plugin (`jwks: auth`): checked at the door, and auth is not asked about a token."""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time

from own_edge import BIN, PATIENCE, OwnEdge, freeze
from system import ROOT, Case, eventually, read_env

# What stands behind the door is not auth: so it answers while auth is frozen.
CONFIG = """
_format_version: "3.0"
upstreams:
  - {name: media, targets: [{target: "nats:media"}]}
services:
  - name: behind
    host: media
    path: /health
    routes: [{name: behind, paths: [/behind]}]
    plugins: [{name: jwt, config: {jwks: auth, claims_to_verify: [exp]}}]
  - name: said
    url: nats://media.search
    routes: [{name: said, paths: [/said]}]
    plugins: [{name: jwt, config: {jwks: auth}}]
"""


def coded(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def decoded(token, part):
    text = token.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


class Door(Case):
    def setUp(self):
        self.edge = self.enterContext(OwnEdge(CONFIG, **read_env(os.path.join(self.system.run, "env", "edge.env"))))

        def whole():
            return self.edge.ask("GET", "/status", port=self.edge.admin).json["nats"]["feed_whole"]

        eventually(whole, PATIENCE, "it knows what has ended")

    def knock(self, token, path="/behind"):
        return self.edge.ask("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})

    def knocks(self, token, status, message=None):
        """At both of its processes: the kernel shares connections out."""
        for _ in range(8):
            answer = self.knock(token)
            if status == 200:
                self.good(answer)
            else:
                self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
                self.assertEqual(self.refused(answer, status)["message"], message)

    def sign_in(self):
        """A token of POST /signin/basic."""
        user, _ = self.system.person()
        answer = self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"})
        return self.good(answer)["tokens"]["accessToken"]

    def passes(self, token):
        """From when the edge has found who stands behind it."""
        eventually(lambda: all(self.knock(token).status == 200 for _ in range(8)), PATIENCE, "it passes")

    def test_a_token_of_sign_in_passes(self):
        token = self.sign_in()
        self.passes(token)
        self.knocks(token, 200)
        self.assertEqual(self.knock(token, "/said?q=x").status, 200)
        self.knocks(None, 401, "Unauthorized")
        self.assertEqual(self.edge.ask("GET", f"/behind?jwt={token}").status, 200)

    def test_one_of_another_key_is_refused(self):
        token = self.sign_in()
        self.passes(token)
        head, claims = decoded(token, 0), decoded(token, 1)
        with tempfile.TemporaryDirectory() as folder:
            key = os.path.join(folder, "key.pem")
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)

            def signed(head, claims):
                text = f"{coded(head)}.{coded(claims)}"
                return f"{text}.{coded(openssl('dgst', '-sha256', '-sign', key, data=text.encode()))}"

            # Under the name of auth's key, under one that nobody has, and the same without a word about it.
            self.assertEqual(self.knock(signed(head, claims)).status, 401)
            self.knocks(signed({**head, "kid": "of-nobody"}, claims), 401, "No credentials found for given 'kid'")
            self.knocks(signed({"typ": "at+jwt", "alg": "RS256"}, claims), 401, "No credentials found for given 'iss'")
        public = self.ask("GET", "/auth/.well-known/jwks.json", key=None).body
        for forged in (f"{coded({**head, 'alg': 'none'})}.{coded(claims)}.",
                       f"{coded({**head, 'alg': 'HS256'})}.{coded(claims)}.{coded(public[:32])}",
                       f"{token.rsplit('.', 2)[0]}.{coded({**claims, 'sub': '0' * 24})}.{token.rsplit('.', 1)[1]}",
                       token.rsplit(".", 1)[0] + "."):
            with self.subTest(forged=forged[:40]):
                self.assertEqual(self.knock(forged).status, 401)
        self.knocks(token, 200)

    def test_an_id_token_is_no_access_token(self):
        _, tokens = self.system.person()
        self.passes(tokens["accessToken"])
        self.knocks(tokens["idToken"], 401, "the token is of another type")

    def test_an_expired_one_is_refused(self):
        """Of a replica of auth whose tokens live a second."""
        env = {**os.environ, **read_env(os.path.join(self.system.run, "env", "auth.env")), "AUTH_LISTEN": "127.0.0.1:0", "ACCESS_TOKEN_TTL": "1s"}
        log = self.enterContext(tempfile.TemporaryFile("w+"))
        replica = subprocess.Popen([os.path.join(BIN, "tonearm-auth")], env=env, stdout=log, stderr=log, cwd=ROOT)
        self.addCleanup(replica.wait, 60)
        self.addCleanup(replica.terminate)
        user, _ = self.system.person()
        basic = {"email": user["email"], "password": "correct horse 1"}

        def short():
            """Whichever replica is asked says how long its tokens live."""
            assert replica.poll() is None, "the replica has ended"
            tokens = self.good(self.ask("POST", "/auth/signin/basic", basic))["tokens"]
            return tokens["accessToken"] if tokens["expiresIn"] <= 1 else None

        token = eventually(short, 60, "the replica is asked")
        end = decoded(token, 1)["exp"]
        eventually(lambda: self.knock(token).json["message"] == "the token has expired", PATIENCE, "it is refused")
        self.assertGreaterEqual(time.time(), end, "and not before its time")
        self.knocks(token, 401, "the token has expired")

    def test_an_ended_session_is_refused_within_a_second(self):
        token, other = self.sign_in(), self.sign_in()
        self.passes(token)
        self.good(self.ask("DELETE", "/auth/signout", token=token))
        # A second is the promise; a busy machine has one more.
        eventually(lambda: all(self.knock(token).status == 401 for _ in range(8)), 2, "it is refused by each process")
        self.knocks(token, 401, "the session has ended")
        self.knocks(other, 200)

    def test_while_auth_is_frozen_the_door_still_checks(self):
        token, ended = self.sign_in(), self.sign_in()
        self.passes(token)
        self.passes(ended)
        self.good(self.ask("DELETE", "/auth/signout", token=ended))
        eventually(lambda: all(self.knock(ended).status == 401 for _ in range(8)), PATIENCE, "it is refused")
        never_seen = self.sign_in()
        pid = self.system.pid("auth")
        freeze(pid)
        try:
            began = time.monotonic()
            self.knocks(token, 200)
            self.knocks(never_seen, 200)
            self.knocks(ended, 401, "the session has ended")
            self.knocks(never_seen[:-8] + "AAAAAAAA", 401, "the token's signature is wrong")
            self.assertLess(time.monotonic() - began, 20, "nobody waits for auth")
        finally:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: self.system.reaches("auth"), PATIENCE, "auth is back")
