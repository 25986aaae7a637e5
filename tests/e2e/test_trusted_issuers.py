"""Access tokens of another issuer, a process of mockoidc, through the edge: at auth, and at media, which asks auth over NATS."""

import http.client
import json
import os
import subprocess
import sys
import unittest

from system import ROOT, eventually

sys.path.insert(0, os.path.join(ROOT, "tests"))

from rig import Rig  # noqa: E402

MOCKOIDC = os.path.join(ROOT, "run", "bin", "mockoidc")
PATIENCE = 60  # seconds, on a machine that has other work
AT_AUTH, AT_MEDIA = "/auth/profile/mine", "/media/studio/tracks?status=draft"
WRONG = {
    "another audience": {"claims": {"aud": "another"}},
    "another issuer": {"claims": {"iss": "https://another.example"}},
    "expired": {"claims": {"exp": 1000}},
    "not yet valid": {"claims": {"nbf": 4102444800}},
    "an ID token": {"header": {"typ": "JWT"}, "claims": {"nonce": "n"}},
    "no algorithm": {"key": "none"},
    "the public key as a secret": {"key": "public"},
    "another key": {"key": "stranger"},
    "a key that is not there": {"header": {"kid": "forged"}},
}


class Provider:
    """Says where it listens."""

    def __init__(self):
        self.process = subprocess.Popen([MOCKOIDC], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready on "), line
        self.address = line.split()[2]
        self.issuer = f"http://{self.address}/oidc"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def control(self, name, body):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("POST", f"/control/{name}", body=json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            return json.loads(text)
        finally:
            connection.close()

    def token(self, **wish):
        return self.control("token", wish)["token"]

    def artist(self, subject, **claims):
        return self.token(claims={"sub": subject, "realm_access": {"roles": ["ARTIST"]}, **claims})


@unittest.skipUnless(os.access(MOCKOIDC, os.X_OK), "mockoidc is not built: Go is not there")
class TrustedIssuers(unittest.TestCase):
    """A system of its own: all of its auth must know the issuer."""

    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.stop)
        cls.rig = cls.enterClassContext(Rig("e2e-issuers")) if hasattr(cls, "enterClassContext") else cls.enter(Rig("e2e-issuers"))
        cls.rig.terminate("auth")
        cls.rig.start("auth", AUTH_TRUSTED_ISSUERS=cls.provider.issuer, AUTH_TRUSTED_ROLES_CLAIM="realm_access.roles")
        cls.rig.wait_ready()
        cls.rig.wait_through_edge()

    @classmethod
    def enter(cls, rig):
        rig.__enter__()
        cls.addClassCleanup(rig.__exit__, None, None, None)
        return rig

    def ask(self, method, path, token, body=None):
        """A busy machine's 503 is no answer: asked again."""
        return eventually(lambda: self.unless_busy(method, path, token, body), PATIENCE, path)

    def unless_busy(self, method, path, token, body):
        answer = self.rig.system.ask(method, path, body, token=token)
        return answer if answer.status != 503 else None

    def test_one_passes_at_auth_and_at_media_as_one_person(self):
        token = self.provider.artist("ann", name="Ann Other")
        mine = self.ask("GET", AT_AUTH, token)
        self.assertEqual(mine.status, 200, mine)
        self.assertEqual(mine.data["name"], "Ann Other")
        made = self.ask("POST", "/media/studio/tracks", token, {"title": "Of another issuer"})
        self.assertEqual(made.status, 201, made)
        again = self.provider.artist("ann", jti="2")
        tracks = self.ask("GET", AT_MEDIA, again)
        self.assertEqual([one["id"] for one in tracks.data["items"]], [made.data["id"]], tracks)
        self.assertEqual(self.ask("GET", AT_AUTH, again).data["id"], mine.data["id"])

    def test_roles_are_those_of_the_claim(self):
        listener = self.provider.token(claims={"sub": "lea"})
        editor = self.provider.token(claims={"sub": "ed", "realm_access": {"roles": ["EDITOR", "NOBODY"]}})
        crown = self.provider.token(claims={"sub": "cro", "realm_access": {"roles": ["ADMIN"]}})
        for token, status in ((listener, 403), (editor, 200), (crown, 403)):
            answer = self.ask("GET", "/media/editor/tracks?status=submitted", token)
            self.assertEqual(answer.status, status, answer)
        self.assertEqual(self.ask("GET", "/auth/users", crown).status, 403)

    def test_wrong_ones_are_refused_by_both(self):
        for name, wish in WRONG.items():
            token = self.provider.token(**wish)
            for path in (AT_AUTH, AT_MEDIA):
                with self.subTest(name, path=path):
                    answer = self.ask("GET", path, token)
                    self.assertEqual(answer.status, 401, answer)

    def test_its_new_key_is_taken_by_both(self):
        self.assertEqual(self.ask("GET", AT_MEDIA, self.provider.artist("kay")).status, 200)
        self.provider.control("rotate", {})
        token = self.provider.artist("kay")
        # Forged key ids may have been looked for just now: then within ten seconds.
        for path in (AT_AUTH, AT_MEDIA):
            eventually(lambda: self.ask("GET", path, token).status == 200, PATIENCE, f"{path} takes the new key")

    def test_signed_out_it_is_refused_by_both(self):
        token, other = (self.provider.artist("sue", jti=str(i)) for i in range(2))
        for one in (token, other):
            self.assertEqual(self.ask("GET", AT_MEDIA, one).status, 200)
        self.assertEqual(self.ask("DELETE", "/auth/signout", token).status, 200)
        self.assertEqual(self.ask("GET", AT_AUTH, token).status, 401)
        eventually(lambda: self.ask("GET", AT_MEDIA, token).status == 401, PATIENCE, "media has heard of it")
        self.assertEqual(self.ask("GET", AT_MEDIA, other).status, 200)

    def test_zz_away_it_holds_nobody_up(self):
        """The last: the provider ends."""
        env = self.rig.system.env
        body = {"email": env["TONEARM_ADMIN_EMAIL"], "password": env["TONEARM_ADMIN_PASSWORD"]}
        own = self.ask("POST", "/auth/signin/basic", None, body).data["tokens"]["accessToken"]
        known, unseen = (self.provider.artist("zoe", jti=str(i)) for i in range(2))
        self.assertEqual(self.ask("GET", AT_MEDIA, known).status, 200)
        self.provider.stop()
        for token in (own, known, unseen):
            for path in (AT_AUTH, AT_MEDIA):
                self.assertEqual(self.ask("GET", path, token).status, 200)
