"""What the services say on NATS, asked with the real `nats` command."""

import json
import subprocess

from system import Case, eventually


class Subjects(Case):
    def test_validate_apikey(self):
        code, data = self.system.nats("auth.validate.apikey", {"key": self.system.key})
        self.assertIsNone(code)
        self.assertTrue({"id", "name", "scopes", "rate"} <= set(data))
        self.assertEqual(self.system.nats("auth.validate.apikey", {"key": "nonsense"})[0], 401)

    def test_validate_token_and_role(self):
        user, tokens = self.system.person("EDITOR")
        code, data = self.system.nats("auth.validate.token", {"accessToken": tokens["accessToken"]})
        self.assertIsNone(code)
        self.assertEqual(data["user"]["id"], user["id"])
        self.assertEqual(data["user"]["email"], user["email"])
        self.assertIn("EDITOR", [r["code"] for r in data["roles"]])
        self.assertTrue({"sessionId", "userVersion", "expiresAt"} <= set(data))
        self.assertEqual(self.system.nats("auth.validate.token", {"accessToken": "a.b.c"})[0], 401)
        code, data = self.system.nats("auth.validate.role", {"userId": user["id"], "roles": ["EDITOR", "ARTIST"]})
        self.assertEqual((code, data["hasRole"]), (None, True))
        code, data = self.system.nats("auth.validate.role", {"userId": user["id"], "roles": ["ARTIST"]})
        self.assertEqual((code, data["hasRole"]), (None, False))

    def test_a_revoked_session_is_401(self):
        _, tokens = self.system.person()
        self.good(self.ask("DELETE", "/auth/signout", token=tokens["accessToken"]))
        self.assertEqual(self.system.nats("auth.validate.token", {"accessToken": tokens["accessToken"]})[0], 401)

    def test_profiles(self):
        user, _ = self.system.person(name="Profile Name")
        code, data = self.system.nats("auth.profile.user", {"id": user["id"]})
        self.assertEqual((code, data["name"]), (None, "Profile Name"))
        self.assertNotIn("email", data)
        self.assertEqual(self.system.nats("auth.profile.user", {"id": "0" * 24})[0], 404)

    def test_what_is_no_json_or_breaks_a_rule_is_400(self):
        for subject in ("auth.validate.token", "auth.validate.role", "auth.validate.apikey", "auth.profile.user", "media.track.get", "media.search"):
            for body in ("{", "[]", "{}"):
                with self.subTest(subject=subject, body=body):
                    self.assertEqual(self.system.nats(subject, body)[0], 400)

    def test_unknown_track_is_404(self):
        self.assertEqual(self.system.nats("media.track.get", {"id": "0" * 24})[0], 404)


class Protocol(Case):
    def micro(self, *arguments):
        return subprocess.run(["nats", "--server", self.system.env["NATS_URL"], "micro", *arguments], capture_output=True, text=True, timeout=20)

    def test_micro_list_info_stats(self):
        services = json.loads(self.micro("list", "--json").stdout)
        self.assertTrue({"auth", "media", "notify"} <= {s["name"] for s in services}, services)
        info = self.micro("info", "auth").stdout
        self.assertIn("auth.validate.token", info)
        self.assertIn("http", info)
        self.assertEqual(self.micro("stats", "auth").returncode, 0)

    def test_the_operator_cannot_serve_or_revoke(self):
        """May ask any subject and listen, not serve, and not publish a revocation."""
        for subject in ("auth.session.revoked", "auth.user.changed", "event.user.created"):
            done = subprocess.run(["nats", "--server", self.system.env["NATS_URL"], "pub", subject, "{}"], capture_output=True, text=True, timeout=20)
            self.assertIn("ermission", done.stdout + done.stderr)

    def test_events_of_what_happens(self):
        """A sign-up becomes a CloudEvent in the stream EVENTS, with ids and no address."""
        user, _ = self.system.person(name="Eventful Person")

        def find():
            done = subprocess.run(["nats", "--server", self.system.env["NATS_URL"], "stream", "get", "EVENTS", "--last-for", "event.user.created", "--json"],
                                  capture_output=True, text=True, timeout=20)
            return user["id"] in done.stdout or self.decoded(done.stdout, user["id"])

        eventually(find, 30, "event.user.created in EVENTS")

    @staticmethod
    def decoded(text, id):
        import base64

        try:
            data = base64.b64decode(json.loads(text).get("data", "")).decode()
        except (ValueError, AttributeError):
            return None
        if id not in data:
            return None
        assert "@" not in data, data
        event = json.loads(data)
        assert event["specversion"] == "1.0" and event["type"] == "event.user.created", event
        return event
