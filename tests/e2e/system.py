"""The running system as its users see it: HTTP through the edge, NATS by the real `nats` command, processes by ./dev."""

import glob
import http.client
import json
import os
import re
import subprocess
import time
import unittest
import urllib.parse
import uuid

from patience import calm

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
RUN = os.environ.get("TONEARM_RUN", os.path.join(ROOT, "run"))
os.environ["PATH"] = os.path.join(ROOT, "run", "bin") + ":" + os.environ["PATH"]  # the `nats` command


def read_env(path):
    with open(path) as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json["data"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class System:
    def __init__(self, run=RUN):
        self.run = run
        self.env = read_env(os.path.join(run, "tonearm.env"))
        self.key = self.env["TONEARM_API_KEY"]
        address = urllib.parse.urlsplit(self.env["TONEARM_URL"])
        self.host, self.port = address.hostname, address.port

    def ask(self, method, path, body=None, token=None, key="", headers=None, address=None, timeout=30):
        """One request; `key` "" = the system's own, None = none. A dict as body is sent as JSON."""
        host, port = address or (self.host, self.port)
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        sent = dict(headers or {})
        if key is not None:
            sent["X-API-Key"] = key or self.key
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def reaches(self, service):
        """Through both processes of the edge: the kernel shares connections out, and each finds members by itself."""
        try:
            return all(self.ask("GET", f"/{service}/health", key=None, timeout=5).status == 200 for _ in range(16))
        except (OSError, http.client.HTTPException):
            return False

    def knows(self, service, *addresses):
        """Both processes of the edge have these members, and call them well."""
        host, port = urllib.parse.urlsplit(self.env["TONEARM_ADMIN_URL"]).netloc.rsplit(":", 1)

        def well():
            members = self.ask("GET", f"/upstreams/{service}/health", key=None, address=(host, int(port)), timeout=5).json["data"]
            return {member["target"] for member in members if member["health"] in ("HEALTHY", "HEALTHCHECKS_OFF")}

        try:
            return all(set(addresses) <= well() for _ in range(16))
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return False

    def admin(self):
        body = {"email": self.env["TONEARM_ADMIN_EMAIL"], "password": self.env["TONEARM_ADMIN_PASSWORD"]}
        answer = patient(lambda: self.ask("POST", "/auth/signin/basic", body))
        assert answer.status == 200, answer
        return answer.data["tokens"]["accessToken"]

    def person(self, *roles, name="Ann Person"):
        """A new account with these roles: (user, tokens)."""
        answer = patient(lambda: self.ask("POST", "/auth/signup/basic", {"email": f"p{uuid.uuid4().hex[:12]}@example.com",
                                                                         "password": "correct horse 1", "name": name}))
        assert answer.status == 201, answer
        user, tokens = answer.data["user"], answer.data["tokens"]
        if roles:
            token = self.admin()
            given = patient(lambda: self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": list(roles)}, token=token))
            assert given.status == 200, given
        return user, tokens

    def nats(self, subject, body, status=None):
        """Asks a subject with the operator's user: (error code or None, JSON or None)."""
        done = subprocess.run(
            ["nats", "--server", self.env["NATS_URL"], "req", subject, json.dumps(body) if isinstance(body, (dict, list)) else body,
             "--timeout", "10s"],
            capture_output=True, text=True, timeout=60)
        refused = re.search(r"Nats-Service-Error-Code: (\d+)", done.stderr + done.stdout)
        if refused:
            return int(refused.group(1)), None
        try:
            return None, json.loads(done.stdout)
        except ValueError:
            return (done.stdout + done.stderr).strip(), None

    def pid(self, name):
        with open(os.path.join(self.run, "pid", name)) as file:
            return int(file.read())

    def address(self, name):
        with open(os.path.join(self.run, "addresses")) as file:
            for line in file:
                if line.split()[0] == name:
                    host, port = line.split()[1].rsplit(":", 1)
                    return host, int(port)
        raise KeyError(name)


def dev(*args, **kwargs):
    return subprocess.run([os.path.join(ROOT, "dev"), *args], capture_output=True, text=True, timeout=600, **kwargs)


def eventually(check, seconds=1.0, what=""):
    """What must be so within a second of ours: asks until it is."""
    until = calm() + seconds
    while True:
        last = check()
        if last:
            return last
        if calm() > until:
            raise AssertionError(f"not so within {seconds} s: {what} (last: {last!r})")
        time.sleep(0.02)


def patient(ask, seconds=30):
    """What is answered when the machine is not too busy to answer: a store that takes too long is 503, and asked again."""
    until = calm() + seconds
    answer = ask()
    while answer.status == 503 and calm() < until:
        time.sleep(0.1)
        answer = ask()
    return answer


def stands_still(pid):
    """All threads of a process that was told to stop have stopped."""
    states = []
    for stat in glob.glob(f"/proc/{pid}/task/*/stat"):
        with open(stat) as file:
            states.append(file.read().rsplit(")", 1)[1].split()[0])
    return all(state == "T" for state in states)


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.system = System()

    waits = True  # where no outage is looked for, a store too busy to answer in time is asked again, as Retry-After says

    def ask(self, *args, **kwargs):
        answer = self.system.ask(*args, **kwargs)
        for _ in range(5):
            if not self.waits or answer.status != 503 or not re.search(rb'"the store (did not answer in time|is (away|not available|too busy))"', answer.body):
                break
            time.sleep(1)
            answer = self.system.ask(*args, **kwargs)
        return answer

    def refused(self, answer, status, field=None, rule=None):
        """The failure envelope, whole."""
        self.assertEqual(answer.status, status, answer)
        body = answer.json
        self.assertEqual(body["code"], "10001")
        self.assertEqual(body["status"], status)
        self.assertTrue(body["message"])
        self.assertEqual(body["requestId"], answer.headers["X-Request-Id"])
        if field:
            self.assertIn((field, rule), [(e["field"], e["rule"]) for e in body["errors"]], answer)
        if status in (429, 503):
            self.assertRegex(answer.headers["Retry-After"], r"^\d+$")
        return body

    def good(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        body = answer.json
        self.assertEqual(body["code"], "10000")
        self.assertEqual(body["status"], status)
        self.assertTrue(body["message"])
        return body["data"]
