"""Accounts as an operator handles them: taken over from another system, found, told apart."""

import json
import os
import tempfile
import time
import uuid

from system import Case, dev, eventually

# gomicro's own administrator, as its database has it: the password is "changeit".
HASH = "$2a$10$psWmSrmtyZYvtIt/FuJL1OLqsK3iR1fZz5.wUYFuSNkkt.EOX9mLa"


class Import(Case):
    def take(self, lines):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as file:
            file.write("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
        self.addCleanup(os.unlink, file.name)
        until = time.monotonic() + 60
        while True:  # it may be run again, whatever came between
            done = dev("tonearm", "user", "import", file.name)
            if "not available" not in done.stderr or time.monotonic() > until:
                return done

    def test_people_come_over_and_sign_in_with_the_password_they_have(self):
        id = uuid.uuid4().hex[:10]
        email = lambda name: f"{name}.{id}@example.com"
        people = [{"email": email("author"), "name": "An Author", "password": HASH, "roles": ["ARTIST", "EDITOR"]},
                  {"email": email("learner"), "name": "A Learner", "password": HASH, "profilePicUrl": "https://example.com/a.png"},
                  {"email": email("gone"), "name": "Suspended", "password": HASH, "status": "SUSPENDED"}]
        done = self.take([people[0], "", people[1], {"email": "nobody", "name": ""}, "no JSON", people[2]])
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("2 refused", done.stdout)
        self.assertRegex(done.stderr, r"(?m):4: ")
        self.assertRegex(done.stderr, r"(?m):5: ")

        again = self.take(people)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertIn("0 made, 3 there already, 0 refused", again.stdout)

        author = self.good(self.ask("POST", "/auth/signin/basic", {"email": people[0]["email"], "password": "changeit"}))
        self.assertEqual([r["code"] for r in author["user"]["roles"]], ["ARTIST", "EDITOR"])
        self.good(self.ask("POST", "/auth/signin/basic", {"email": people[0]["email"], "password": "changeit"}))
        learner = self.good(self.ask("POST", "/auth/signin/basic", {"email": people[1]["email"].upper(), "password": "changeit"}))
        self.assertEqual([r["code"] for r in learner["user"]["roles"]], ["LISTENER"])
        self.assertEqual(learner["user"]["profilePicUrl"], "https://example.com/a.png")
        self.refused(self.ask("POST", "/auth/signin/basic", {"email": people[2]["email"], "password": "changeit"}), 401)

        self.assertIn(people[2]["email"], self.all("status=SUSPENDED"))
        self.assertNotIn(people[0]["email"], self.all("status=SUSPENDED"))
        self.assertIn(people[0]["email"], self.all("role=EDITOR&status=ACTIVE"))
        self.assertNotIn(people[1]["email"], self.all("role=EDITOR&status=ACTIVE"))

    def test_hostile_lines_are_refused_and_hide_nothing(self):
        """Of a file that somebody else wrote: each line is taken whole or not at all, and none speaks to the terminal."""
        id = uuid.uuid4().hex[:10]
        good = lambda name: json.dumps({"email": f"{name}.{id}@example.com", "name": "Ann"})
        lines = [good("first"), good("nul") + "\0" + "x", "\0" + good("behind"), good("two") + good("three"), '{"email":"\x1b[2J","name":"\x1b]0;x\x07"}',
                 json.dumps({"email": f"admin.{id}@example.com", "name": "Ann", "roles": ["KING"]}),
                 json.dumps({"email": f"esc.{id}@example.com", "name": "\x1b[31mred"}), "[" * 1000, good("last") + "\r"]
        done = self.take(lines)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("2 made, 0 there already, 7 refused", done.stdout)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertEqual({email for email in self.all("role=LISTENER") if id in email}, {f"first.{id}@example.com", f"last.{id}@example.com"})

    def all(self, query):
        admin, cursor, found = self.system.admin(), "", set()
        while cursor is not None:
            page = self.good(self.ask("GET", f"/auth/users?limit=100&{query}" + (f"&cursor={cursor}" if cursor else ""), token=admin))
            found |= {user["email"] for user in page["items"]}
            cursor = page["next"]
        return found


class Trail(Case):
    def entries(self, target):
        page = self.good(self.ask("GET", f"/auth/audit?target={target}", token=self.system.admin()))
        return {entry["action"]: entry for entry in page["items"]}

    def test_it_tells_who_did_what_from_where(self):
        user, tokens = self.system.person("ARTIST")
        admin = self.system.admin()
        mine = self.good(self.ask("GET", "/auth/profile/mine", token=admin))
        self.good(self.ask("PUT", f"/auth/users/{user['id']}/status", {"status": "SUSPENDED"}, token=admin, headers={"User-Agent": "Trail/1.0"}))
        found = eventually(lambda: (lambda e: e if {"user.roles", "user.status"} <= set(e) else None)(self.entries(user["id"])), 30, "the trail")
        entry = found["user.status"]
        self.assertEqual((entry["by"], entry["detail"], entry["device"]), (mine["id"], "SUSPENDED", "Trail/1.0"))
        self.assertTrue(entry["address"])
        self.assertEqual(found["user.roles"]["detail"], "ARTIST")
        self.refused(self.ask("GET", "/auth/audit", token=self.system.person()[1]["accessToken"]), 403)

    def action(self, query, admin):
        page = self.good(self.ask("GET", f"/auth/audit?{query}", token=admin))
        return page["items"][0] if page["items"] else None

    def test_sign_ins_and_what_was_refused_are_in_it(self):
        user, _ = self.system.person()
        admin = self.system.admin()
        body = {"email": user["email"], "password": "correct horse 1"}
        tokens = self.good(self.ask("POST", "/auth/signin/basic", body, headers={"User-Agent": "Trail/2.0"}))["tokens"]
        self.good(self.ask("DELETE", "/auth/signout", token=tokens["accessToken"]))
        self.refused(self.ask("POST", "/auth/signin/basic", {**body, "password": "wrong horse 1"}), 401)
        ended = eventually(lambda: self.action(f"action=session.ended&by={user['id']}", admin), 30, "the sign-out")
        began = eventually(lambda: self.action(f"action=session.began&target={ended['target']}", admin), 30, "the sign-in")
        self.assertEqual((began["by"], began["detail"], began["device"], began["actor"]), (user["id"], "password", "Trail/2.0", "USER"))
        refused = self.action(f"action=signin.refused&target={user['id']}", admin)
        self.assertEqual((refused["by"], refused["actor"], refused["detail"]), (None, "UNKNOWN", "password"))
        self.assertTrue(refused["address"])

    def test_the_command_line_is_in_it(self):
        user, _ = self.system.person()
        eventually(lambda: dev("tonearm", "user", "roles", user["id"], "EDITOR").returncode == 0, 60, "a command")
        entry = eventually(lambda: self.entries(user["id"]).get("user.roles"), 30, "the trail")
        self.assertEqual((entry["by"], entry["actor"]), (None, "OPERATOR"))
        self.assertIn("tonearm", entry["device"])


class Deletion(Case):
    def test_an_account_goes_and_nothing_tells_whose_it_was(self):
        user, tokens = self.system.person()
        token = tokens["accessToken"]
        self.refused(self.ask("POST", "/auth/profile/mine/delete", {"password": "wrong horse 1"}, token=token), 401)
        self.assertEqual(self.ask("GET", "/media/studio/tracks", token=token).status, 403, "a listener")
        self.good(self.ask("POST", "/auth/profile/mine/delete", {"password": "correct horse 1"}, token=token))
        self.refused(self.ask("GET", "/auth/profile/mine", token=token), 401)
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 401, 10, "in media too")
        self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": tokens["refreshToken"]}), 401)
        self.refused(self.ask("GET", f"/auth/profile/id/{user['id']}"), 404)
        self.assertNotIn(user["email"], dev("tonearm", "user", "list", "--status", "DELETED").stdout)
        again = {"email": user["email"], "password": "correct horse 1", "name": "Another"}
        self.assertNotEqual(self.good(self.ask("POST", "/auth/signup/basic", again), 201)["user"]["id"], user["id"])
