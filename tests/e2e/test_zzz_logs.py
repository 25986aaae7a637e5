"""What the system has written down of all that these tests did: no password, token, key, code or private key. Comes last."""

import glob
import os
import re
import uuid

import test_codes
from own_edge import PATIENCE, OwnEdge
from system import ROOT, Case, eventually, read_env

# What secrets look like, whoever's they are.
FORMS = {
    "a token": rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    "a refresh token": rb"tr_[0-9a-f]{24}_[0-9]+_[A-Za-z0-9_-]{20,}",
    "an API key": rb"ta_[0-9a-f]{24}_[A-Za-z0-9]{38}",
    "a hash of a password": rb"\$argon2id?\$|\$2[aby]\$[0-9]{2}\$",
    "a private key": rb"BEGIN [A-Z ]*PRIVATE KEY",
    "a password in an address": rb"(?:nats|redis|mongodb)://[^\s:@/\"]+:[^\s@/\"]+@",
    "a password of these tests": rb"(?:correct|wrong|a new) horse|changeit",
}


class Logs(Case):
    def written(self):
        """{name: bytes}: of each process of the system, and of ./dev."""
        found = {}
        for path in glob.glob(os.path.join(self.system.run, "log", "*")):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[os.path.basename(path)] = file.read()
        return found

    def seen(self, secret, logs):
        return [name for name, text in logs.items() if secret.encode() in text]

    def test_no_secret_of_a_persons_life_is_in_them(self):
        """Everything that takes or gives a secret, right and wrong, with a word that must be found beside those that must not."""
        mark, word = f"mark-{uuid.uuid4().hex}", f"Swordfish {uuid.uuid4().hex}"
        settings = read_env(os.path.join(self.system.run, "env", "edge.env"))
        with open(os.path.join(ROOT, settings["EDGE_CONFIG"])) as file:
            talkative = {**settings, "LOG_LEVEL": "debug", "EDGE_ACCESS_LOG": "stdout"}
            edge = self.enterContext(OwnEdge(file.read(), **talkative))

        def ask(*args, **kwargs):
            return self.ask(*args, **kwargs, address=("127.0.0.1", edge.port), headers={"X-Request-Id": mark})

        eventually(lambda: ask("GET", "/auth/health").status == 200, PATIENCE, "it has found auth")
        email = f"log.{uuid.uuid4().hex}@example.com"
        account = self.good(ask("POST", "/auth/signup/basic", {"email": email, "password": word, "name": "Ann"}), 201)
        user, first = account["user"], account["tokens"]
        codes = test_codes.Codes()
        test_codes.Codes.setUpClass()
        verify = codes.code(user, "event.otp.verify")
        secrets = {word, email, first["accessToken"], first["refreshToken"], first["idToken"]}
        self.refused(ask("POST", "/auth/signin/basic", {"email": email, "password": word + "!"}), 401)
        self.refused(ask("POST", "/auth/signin/basic", f'{{"email":"{email}","password":"{word}"'), 400)
        self.refused(ask("POST", "/auth/signup/basic", {"email": email, "password": word, "name": word}), 409)
        self.refused(ask("POST", "/auth/email/verify", {"code": verify[:5]}, token=first["accessToken"]), 400)
        self.good(ask("POST", "/auth/email/verify", {"code": verify}, token=first["accessToken"]))
        self.good(ask("POST", "/auth/password/forgot", {"email": email}))
        reset = codes.code(user, "event.otp.reset")
        self.good(ask("POST", "/auth/password/reset", {"email": email, "code": reset, "password": word + " 2"}))
        second = self.good(ask("POST", "/auth/signin/basic", {"email": email, "password": word + " 2"}))["tokens"]
        third = self.good(ask("POST", "/auth/token/refresh", {"refreshToken": second["refreshToken"]}))
        fourth = self.good(ask("POST", "/auth/token/refresh", {"refreshToken": third["refreshToken"]}))
        app = self.good(ask("POST", "/auth/app-passwords", {"name": "phone"}, token=fourth["accessToken"]), 201)
        self.refused(ask("POST", "/auth/token/refresh", {"refreshToken": first["refreshToken"]}), 401)
        self.refused(ask("PUT", "/auth/password", {"current": word, "password": word + " 3"}, token=fourth["accessToken"]), 401)
        self.refused(ask("POST", "/auth/token/refresh", {"refreshToken": second["refreshToken"]}), 401)
        self.refused(ask("GET", f"/auth/profile/mine?access_token={first['accessToken']}", token=first["accessToken"]), 401)
        self.refused(ask("GET", "/auth/profile/mine", token=third["accessToken"][:-4] + "AAAA"), 401)
        made = self.good(ask("POST", "/auth/apikeys", {"name": "x", "scopes": ["GENERAL"]}, token=self.system.admin()), 201)
        self.refused(ask("GET", "/auth/profile/mine", key=made["key"][:-1] + "~"), 401)
        self.good(ask("GET", f"/auth/profile/id/{user['id']}", key=made["key"]))
        secrets |= {app["password"], app["apiKey"]}
        secrets |= {token for tokens in (second, third, fourth) for token in (tokens["accessToken"], tokens["refreshToken"], tokens["idToken"])}
        secrets |= {made["key"], made["key"][28:], self.system.key}
        self.assertEqual(self.system.nats("auth.validate.apikey", {"key": made["key"]})[0], None)

        def told():
            """By the edge each request, by auth the token that was used again."""
            logs = {**self.written(), "own edge": edge.log().encode()}
            return logs if {"own edge", "auth.log"} <= set(self.seen(mark, logs)) else None

        logs = eventually(told, PATIENCE, "they are in the logs")
        self.assertGreater(logs["own edge"].count(mark.encode()), 15)
        for secret in secrets:
            self.assertEqual(self.seen(secret, logs), [], secret)
        for code in (verify, reset):
            alone = re.compile(rb"(?<![\d.])" + code.encode() + rb"(?![\d])")
            told = [line for text in logs.values() for line in text.splitlines() if user["id"].encode() in line and alone.search(line)]
            self.assertEqual(told, [])

    def test_nothing_in_them_looks_like_a_secret(self):
        logs = self.written()
        self.assertTrue({"auth.log", "edge.log", "media.log", "nats.log"} <= set(logs), sorted(logs))
        for name, text in logs.items():
            for what, form in FORMS.items():
                found = re.search(form, text)
                around = text[max(0, found.start() - 200):found.end() + 20] if found else None
                self.assertIsNone(found, f"{name} holds {what}: {around}")

    def test_the_systems_own_secrets_are_not_in_them(self):
        logs, checked = self.written(), 0
        for path in glob.glob(os.path.join(self.system.run, "secrets", "*")) + glob.glob(os.path.join(self.system.run, "keys", "*")):
            with open(path, errors="replace") as file:
                secret = file.read().strip()
            if len(secret) >= 16:
                checked += 1
                self.assertEqual(self.seen(secret, logs), [], os.path.basename(path))
        self.assertGreater(checked, 4, "there are some")
