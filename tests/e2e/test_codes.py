"""One-time codes through the edge. Until there is mail, the test reads the stream OTP, as the user that may: notify."""

import json
import os
import subprocess
import time

from system import Case


class Codes(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(cls.system.run, "secrets", "nats-notify")) as file:
            host, port = cls.system.address("nats")
            cls.url = f"nats://notify:{file.read().strip()}@{host}:{port}"
        cls.heard = []
        # A durable of notify's, as it will have one; asked by plain requests, since it may ask no more than it needs.
        config = {"stream_name": "OTP", "config": {"durable_name": "notify", "ack_policy": "explicit", "max_ack_pending": 100_000}}
        made = json.loads(cls.nats("$JS.API.CONSUMER.CREATE.OTP.notify", config))
        assert "config" in made, made

    @classmethod
    def nats(cls, subject, body, replies="1"):
        done = subprocess.run(["nats", "--server", cls.url, "--inbox-prefix", "_INBOX.notify", "req", "--raw", "--timeout", "2s", "--replies", replies,
                               subject, json.dumps(body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        return done.stdout or done.stderr

    @classmethod
    def listen(cls):
        """All that has come since the last time; the other tests' sign-ups too."""
        text = cls.nats("$JS.API.CONSUMER.MSG.NEXT.OTP.notify", {"batch": 5000, "expires": 1_000_000_000}, replies="0")
        for line in text.splitlines():
            try:
                cls.heard.append(json.loads(line))
            except ValueError:
                continue  # the end of the batch

    def code(self, user, type):
        """The newest code of this type on its way to this user."""
        until = time.monotonic() + 30
        while True:
            for event in reversed(self.heard):
                if event.get("subject") == user["id"] and event.get("type") == type:
                    self.assertEqual(event["data"]["email"], user["email"])
                    return event["data"]["code"]
            self.assertLess(time.monotonic(), until, f"no {type} for {user['id']}")
            self.listen()

    def test_verify_an_address(self):
        user, tokens = self.system.person()
        token = tokens["accessToken"]
        code = self.code(user, "event.otp.verify")
        self.assertRegex(code, r"^\d{6}$")
        self.assertFalse(self.good(self.ask("GET", "/auth/profile/mine", token=token))["emailVerified"])
        self.refused(self.ask("POST", "/auth/email/verify", {"code": "12345"}, token=token), 400, "code", "pattern")
        self.refused(self.ask("POST", "/auth/email/verify", {"code": f"{(int(code) + 1) % 1000000:06}"}, token=token), 401)
        self.good(self.ask("POST", "/auth/email/verify", {"code": code}, token=token))
        self.assertTrue(self.good(self.ask("GET", "/auth/profile/mine", token=token))["emailVerified"])
        self.refused(self.ask("POST", "/auth/email/verify/resend", token=token), 409)

    def test_set_a_forgotten_password(self):
        user, tokens = self.system.person()
        known = self.ask("POST", "/auth/password/forgot", {"email": user["email"]})
        unknown = self.ask("POST", "/auth/password/forgot", {"email": "nobody@example.com"})
        self.good(known)
        self.assertEqual(known.body, unknown.body)
        body = {"email": user["email"], "code": self.code(user, "event.otp.reset"), "password": "a new horse 22"}
        self.refused(self.ask("POST", "/auth/password/reset", {**body, "password": "password123"}), 400, "password", "uncommon")
        self.good(self.ask("POST", "/auth/password/reset", body))
        self.refused(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]), 401)
        self.refused(self.ask("POST", "/auth/password/reset", body), 401)
        self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "a new horse 22"}))

    def test_nobody_else_reads_them(self):
        """The operator's user, which may ask and hear almost anything."""
        user, _ = self.system.person()
        refused, _ = self.system.nats("$JS.API.STREAM.MSG.GET.OTP", {"last_by_subj": "event.otp.verify"})
        self.assertNotIn(user["id"], str(refused))
        self.assertTrue(refused, "an answer came")
        self.code(user, "event.otp.verify")
