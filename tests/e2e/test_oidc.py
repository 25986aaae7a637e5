"""Sign-in by OpenID Connect providers through an edge with the shipped gateway.yml: dex with a browser, mockoidc without one."""

import http.client
import json
import os
import subprocess
import tempfile
import types
import unittest
import urllib.parse
import uuid

import browser
from patience import hold_port
from system import ROOT, Case, eventually
from test_signing_keys import Process

SERVERS = os.path.join(ROOT, "run", "bin")
PATIENCE = 60  # seconds, on a machine that has other work

# The password is "password".
DEX = """
issuer: {issuer}
storage: {{type: memory}}
web: {{http: {address}}}
logger: {{level: error}}
oauth2: {{skipApprovalScreen: true}}
enablePasswordDB: true
staticClients:
  - {{id: tonearm, secret: dex-secret, name: tonearm, redirectURIs: ["{redirect}"]}}
staticPasswords:
  - {{email: "{email}", hash: "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W", username: dora, userID: "{subject}"}}
"""


def there(name):
    return os.access(os.path.join(SERVERS, name), os.X_OK)


def address_of(email):
    return f"{email}-{uuid.uuid4().hex[:12]}@example.com"


class Provider:
    """A process of mockoidc, which says where it listens."""

    def __init__(self, case):
        self.process = subprocess.Popen([os.path.join(SERVERS, "mockoidc")], stdout=subprocess.PIPE, text=True)
        case.addClassCleanup(self.stop)
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
            assert answer.status == 200, answer.read()
            answer.read()
        finally:
            connection.close()


class Door(Case):
    """An edge with the shipped configuration in front of replicas of auth that know the providers."""

    replicas = 1

    @classmethod
    def open(cls, providers):
        cls.port, cls.members = hold_port(), [hold_port() for _ in range(cls.replicas)]
        with open(os.path.join(ROOT, "gateway.yml")) as file:
            targets = "\n".join(f"      - target: 127.0.0.1:{port}" for port in cls.members)
            config = file.read().replace("    targets:\n      - target: nats:auth", f"    tags: [tonearm]\n    targets:\n{targets}")
        with tempfile.NamedTemporaryFile("w", suffix=".yml", delete=False) as file:
            file.write(config)
        cls.addClassCleanup(os.unlink, file.name)
        for port in cls.members:
            Process(cls.holder(), "auth", AUTH_LISTEN=f"127.0.0.1:{port}", **providers)
        Process(cls.holder(), "edge", EDGE_LISTEN=f"127.0.0.1:{cls.port}", EDGE_TLS_LISTEN="", EDGE_ADMIN_LISTEN="", EDGE_CONFIG=file.name)
        eventually(cls.is_open, PATIENCE, "the edge of the test answers")

    @classmethod
    def holder(cls):
        """Whose processes run as long as the class's tests."""
        return types.SimpleNamespace(system=cls.system, addCleanup=cls.addClassCleanup)

    @classmethod
    def is_open(cls):
        """Through both of its processes, to all replicas."""
        try:
            asked = [("127.0.0.1", port) for port in cls.members] + [("127.0.0.1", cls.port)] * 16
            paths = ["/health"] * len(cls.members) + ["/auth/health"] * 16
            return all(cls.system.ask("GET", path, key=None, address=to, timeout=5).status == 200 for path, to in zip(paths, asked))
        except (OSError, http.client.HTTPException):
            return False

    def through(self, method, path, **kwargs):
        """A busy machine's 503 is asked again."""
        kwargs.setdefault("address", ("127.0.0.1", self.port))
        return eventually(lambda: self.unless_busy(method, path, **kwargs), PATIENCE, path)

    def person(self):
        """Somebody who signs up by a password; under another address when the machine was too busy for the first."""
        def sign_up():
            body = {"email": address_of("ann"), "password": "correct horse 1", "name": "Ann Person"}
            return self.unless_busy("POST", "/auth/signup/basic", body=body, address=("127.0.0.1", self.port))

        data = self.good(eventually(sign_up, PATIENCE, "a sign-up"), 201)
        return data["user"], data["tokens"]

    def unless_busy(self, method, path, **kwargs):
        answer = self.ask(method, path, **kwargs)
        return answer if answer.status != 503 else None


class Trip:
    """A browser's way: what it holds after /start, and where the provider sends it."""

    def __init__(self, case, name="mock", **kwargs):
        self.case, self.name = case, name
        self.begun = case.through("GET", f"/auth/oauth/{name}/start", **kwargs)
        case.assertEqual(self.begun.status, 302, self.begun)
        self.location = self.begun.headers["Location"]
        self.cookie = self.begun.headers["Set-Cookie"].split(";")[0]

    def sign_in(self, email, verified=True, subject=None):
        """At mockoidc, which asks nobody: the query that it sends the browser back with."""
        self.case.provider.control("user", {"Subject": subject or email, "Email": email, "EmailVerified": verified})
        url = urllib.parse.urlsplit(self.location)
        connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
        try:
            connection.request("GET", f"{url.path}?{url.query}")
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        self.case.assertEqual(answer.status, 302)
        return urllib.parse.urlsplit(answer.headers["Location"]).query

    def back(self, query, cookie="", name="", **kwargs):
        """Without an API key, once: what is answered is what the first try gave."""
        headers = {"Cookie": cookie or self.cookie} if cookie is not None else {}
        kwargs.setdefault("address", ("127.0.0.1", self.case.port))
        # Not asked again by itself: an answer of the provider's is taken once.
        return self.case.system.ask("GET", f"/auth/oauth/{name or self.name}/callback?{query}", key=None, headers=headers, **kwargs)


@unittest.skipUnless(there("mockoidc"), "mockoidc is not built: Go is not there")
class Mock(Door):
    replicas = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider = Provider(cls)
        settings = {"AUTH_OIDC_PROVIDERS": "mock,other"}
        for name in ("MOCK", "OTHER"):
            settings |= {f"AUTH_OIDC_{name}_ISSUER": cls.provider.issuer, f"AUTH_OIDC_{name}_CLIENT_ID": "tonearm",
                         f"AUTH_OIDC_{name}_CLIENT_SECRET": "mockoidc-secret"}
        cls.open(settings)

    def setUp(self):
        self.provider.control("spoil", {})

    def sign_in(self, email, **kwargs):
        trip = Trip(self)
        return trip.back(trip.sign_in(email, **kwargs))

    def settled(self, email, status, **kwargs):
        """A busy machine's 503 is no answer: the sign-in begins again."""
        answer = eventually(lambda: self.unless_503(email, **kwargs), PATIENCE, "a sign-in")
        self.assertEqual(answer.status, status, answer)
        return answer

    def unless_503(self, email, **kwargs):
        answer = self.sign_in(email, **kwargs)
        return answer if answer.status != 503 else None

    def test_signs_in_and_up(self):
        email = address_of("mona")
        first = self.good(self.settled(email, 200))
        self.assertEqual(first["user"]["email"], email)
        self.assertEqual(set(first["tokens"]), {"accessToken", "refreshToken", "idToken", "expiresIn"})
        token = first["tokens"]["accessToken"]
        self.assertTrue(self.good(self.through("GET", "/auth/profile/mine", token=token))["emailVerified"])
        self.assertEqual(self.good(self.settled(email, 200))["user"]["id"], first["user"]["id"])
        fresh = self.through("POST", "/auth/token/refresh", body={"refreshToken": first["tokens"]["refreshToken"]})
        self.assertEqual(fresh.status, 200, fresh)
        sessions = self.good(self.through("GET", "/auth/sessions", token=token))
        self.assertEqual(len(sessions), 2)
        rows = eventually(lambda: self.trail(first["user"]["id"], "user.created"), 30, "it is in the trail")
        self.assertIn(("user.created", "mock", None), rows)

    def test_start_takes_the_key_by_header_or_query_and_needs_one(self):
        path = "/auth/oauth/mock/start"
        self.assertEqual(self.through("GET", path).status, 302)
        self.assertEqual(self.through("GET", f"{path}?x-api-key={self.system.key}", key=None).status, 302)
        self.refused_by_edge(self.through("GET", path, key=None))
        self.refused_by_edge(self.through("GET", f"{path}?x-api-key=ta_0_0", key=None))
        self.assertEqual(self.through("GET", "/auth/oauth/nobody/start").status, 404)
        # What is no such path is held by the key as ever.
        self.refused_by_edge(self.through("GET", "/auth/oauth/mock/callback/more", key=None))
        self.refused_by_edge(self.through("GET", "/auth/oauth/a/b/callback", key=None))

    def refused_by_edge(self, answer):
        self.assertEqual(answer.status, 401, answer)

    def test_refuses_a_token_that_is_wrong(self):
        for wish in ({"claims": {"nonce": "another"}}, {"claims": {"aud": "another"}}, {"key": "stranger"}):
            with self.subTest(wish=wish):
                self.provider.control("spoil", wish)
                email = address_of("eve")
                self.refused(self.settled(email, 401), 401)
                self.provider.control("spoil", {})
                self.settled(email, 200)

    def test_refuses_another_state_another_browser_and_a_replay(self):
        mine, theirs = Trip(self), Trip(self)
        email = address_of("mona")
        query = mine.sign_in(email)
        self.refused(mine.back(query, cookie=theirs.cookie), 401)
        self.refused(mine.back(query, cookie=None), 401)
        parts = dict(urllib.parse.parse_qsl(query))
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(theirs.location).query))["state"]
        self.refused(mine.back(urllib.parse.urlencode({**parts, "state": state})), 401)
        self.refused(mine.back(query, name="other"), 401)
        second = mine.sign_in(email)  # a code that is good by itself
        answer = mine.back(query)
        if answer.status != 503:  # a busy machine's, which may or may not have used it up
            self.good(answer)
            self.assertIn("Max-Age=0", answer.headers["Set-Cookie"])
            self.refused(mine.back(query), 401)
            self.refused(mine.back(second), 401)

    def test_one_replica_finishes_what_another_began_once(self):
        email = address_of("mona")

        def through_both():
            begun = self.ask("GET", "/oauth/mock/start", address=("127.0.0.1", self.members[0]))
            if begun.status != 302:
                return None
            trip = Trip.__new__(Trip)
            trip.case, trip.location, trip.cookie = self, begun.headers["Location"], begun.headers["Set-Cookie"].split(";")[0]
            query, second = trip.sign_in(email), trip.sign_in(email)
            answers = [self.ask("GET", f"/oauth/mock/callback?{one}", key=None, headers={"Cookie": trip.cookie},
                                address=("127.0.0.1", port)) for one, port in zip((query, second), reversed(self.members))]
            return answers if 503 not in (a.status for a in answers) else None

        first, second = eventually(through_both, PATIENCE, "both replicas answer")
        self.good(first)
        self.refused(second, 401)

    def test_a_stranger_who_waited_loses_the_account(self):
        user, tokens = self.person()
        linked = self.good(self.settled(user["email"], 200))
        self.assertEqual(linked["user"]["id"], user["id"])
        eventually(lambda: self.through("GET", "/auth/profile/mine", token=tokens["accessToken"]).status == 401, 10, "the session is over")
        again = self.through("POST", "/auth/signin/basic", body={"email": user["email"], "password": "correct horse 1"})
        self.refused(again, 401)
        rows = eventually(lambda: self.trail(user["id"], "user.linked"), 30, "it is in the trail")
        self.assertIn(("user.linked", "mock", user["id"]), rows)

    def admin(self):
        env = self.system.env
        body = {"email": env["TONEARM_ADMIN_EMAIL"], "password": env["TONEARM_ADMIN_PASSWORD"]}
        return self.good(self.through("POST", "/auth/signin/basic", body=body))["tokens"]["accessToken"]

    def trail(self, user_id, action):
        answer = self.through("GET", f"/auth/audit?target={user_id}", token=self.admin())
        rows = [(row["action"], row["detail"], row["by"]) for row in self.good(answer)["items"]]
        return rows if action in [row[0] for row in rows] else None

    def test_an_address_that_is_not_verified_opens_nothing(self):
        user, tokens = self.person()
        self.refused(self.settled(user["email"], 403, verified=False, subject=address_of("eve")), 403)
        self.refused(self.settled(address_of("eve"), 403, verified=False), 403)
        self.assertEqual(self.through("GET", "/auth/profile/mine", token=tokens["accessToken"]).status, 200)

    def test_who_declines_is_told_so(self):
        trip = Trip(self)
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(trip.location).query))["state"]
        answer = trip.back(f"error=access_denied&state={state}")
        self.assertIn(answer.status, (403, 503), answer)


@unittest.skipUnless(there("dex"), "dex is not built: Go is not there")
@unittest.skipUnless(browser.there(), "needs chromium and chromium-driver")
class Dex(Door):
    """The browser knows the service as localhost and the provider as 127.0.0.1: other sites to each other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        address = f"127.0.0.1:{hold_port()}"
        cls.issuer, cls.email, cls.subject = f"http://{address}/dex", address_of("dora"), uuid.uuid4().hex
        cls.open({"AUTH_OIDC_PROVIDERS": "dex", "AUTH_OIDC_DEX_ISSUER": cls.issuer, "AUTH_OIDC_DEX_CLIENT_ID": "tonearm",
                  "AUTH_OIDC_DEX_CLIENT_SECRET": "dex-secret"})
        cls.folder = tempfile.TemporaryDirectory(prefix="tonearm-dex-")
        cls.addClassCleanup(cls.folder.cleanup)
        file = os.path.join(cls.folder.name, "dex.yaml")
        with open(file, "w") as out:
            out.write(DEX.format(issuer=cls.issuer, address=address, email=cls.email, subject=cls.subject,
                                 redirect=f"http://localhost:{cls.port}/auth/oauth/dex/callback"))
        cls.dex = subprocess.Popen([os.path.join(SERVERS, "dex"), "serve", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.stop)
        eventually(lambda: cls.listens(address), PATIENCE, "dex answers")

    @classmethod
    def stop(cls):
        cls.dex.kill()
        cls.dex.wait()

    @classmethod
    def listens(cls, address):
        assert cls.dex.poll() is None, "dex has ended"
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/dex/.well-known/openid-configuration")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def sign_in(self, window, password="password"):
        window.open(f"http://localhost:{self.port}/auth/oauth/dex/start?x-api-key={self.system.key}")
        eventually(lambda: window.run("return !!document.querySelector('input[name=password]')"), PATIENCE, "dex asks for the password")
        window.run("document.querySelector('input[name=login]').value = arguments[0];"
                   "document.querySelector('input[name=password]').value = arguments[1];"
                   "document.querySelector('form').submit()", self.email, password)

    def answer(self, window):
        """What the callback answered, as the browser shows it."""
        def shown():
            if window.run("return location.pathname") != "/auth/oauth/dex/callback" or window.run("return document.readyState") != "complete":
                return None
            return json.loads(window.run("return document.body.innerText"))

        return eventually(shown, PATIENCE, "the browser is back")

    def signed_in(self, window):
        def once():
            self.sign_in(window)
            answer = self.answer(window)
            return answer if answer["status"] != 503 else None  # a busy machine's

        answer = eventually(once, PATIENCE, "a sign-in")
        self.assertEqual((answer["code"], answer["status"]), ("10000", 200), answer)
        return answer["data"]

    def test_a_browser_signs_in(self):
        with browser.Browser() as window:
            first = self.signed_in(window)
            self.assertEqual(first["user"]["email"], self.email)
            self.assertEqual(first["user"]["name"], "dora")
            profile = self.through("GET", "/auth/profile/mine", token=first["tokens"]["accessToken"])
            self.assertTrue(self.good(profile)["emailVerified"])
            back = window.run("return location.href")
            window.open(back)
            self.assertEqual(self.answer(window)["status"], 401, "the same answer again")
        with browser.Browser() as window:
            window.open(back)
            self.assertEqual(self.answer(window)["status"], 401, "in another browser")
            self.assertEqual(self.signed_in(window)["user"]["id"], first["user"]["id"])
