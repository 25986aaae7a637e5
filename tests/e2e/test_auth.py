"""Auth through the edge."""

import base64
import concurrent.futures
import json
import time
import uuid

from system import Case, eventually


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class SignUp(Case):
    def test_gives_the_user_and_tokens(self):
        email = f"New.{uuid.uuid4().hex[:8]}@Example.com"
        data = self.good(self.ask("POST", "/auth/signup/basic", {"email": email, "password": "correct horse 1", "name": "Ann"}), 201)
        self.assertEqual(data["user"]["email"].lower(), email.lower())
        self.assertEqual(data["user"]["name"], "Ann")
        self.assertEqual(set(data["tokens"]), {"accessToken", "refreshToken", "idToken", "expiresIn"})
        self.assertEqual(part(data["tokens"]["accessToken"], 0)["typ"], "at+jwt")

    def test_names_every_violation_at_once(self):
        answer = self.ask("POST", "/auth/signup/basic", {"email": "nobody", "password": "short", "profilePicUrl": "javascript:alert(1)"})
        body = self.refused(answer, 400)
        self.assertEqual({e["field"] for e in body["errors"]}, {"email", "password", "name", "profilePicUrl"})

    def test_refuses_a_taken_address_in_any_case(self):
        user, _ = self.system.person()
        again = {"email": user["email"].upper(), "password": "correct horse 1", "name": "Bob"}
        self.refused(self.ask("POST", "/auth/signup/basic", again), 409)

    def test_fifty_at_once_make_one_account(self):
        body = {"email": f"x{uuid.uuid4().hex}@example.com", "password": "correct horse 1", "name": "Ann"}
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(lambda _: self.ask("POST", "/auth/signup/basic", body).status, range(50)))
        self.assertEqual(statuses.count(201), 1, statuses)
        self.assertTrue(set(statuses) <= {201, 409, 503}, statuses)

    def test_refuses_what_is_no_json(self):
        for body in ("", "{", "[]", "null", '{"email":"a@b.c","email":"d@e.f"}', '{"email":"\xff"}'.encode("latin-1")):
            with self.subTest(body=body):
                self.refused(self.ask("POST", "/auth/signup/basic", body), 400)

    def test_refuses_a_body_too_large(self):
        self.refused(self.ask("POST", "/auth/signup/basic", "x" * (1 << 20)), 413)


class SignIn(Case):
    def test_wrong_address_and_wrong_password_are_the_same(self):
        user, _ = self.system.person()
        wrong = self.refused(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "wrong horse 1"}), 401)
        nobody = self.refused(self.ask("POST", "/auth/signin/basic", {"email": "nobody@example.com", "password": "wrong horse 1"}), 401)
        self.assertEqual(wrong["message"], nobody["message"])

    def test_guesses_make_their_network_wait(self):
        user, tokens = self.system.person()
        other, _ = self.system.person()
        statuses = []
        # Each wait is twice as long as the one before: no machine is too slow for all of them.
        while 429 not in statuses and len(statuses) < 12:
            answer = self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "wrong horse 1"})
            statuses.append(answer.status)
        self.assertEqual(statuses[:5], [401] * 5, statuses)
        self.refused(answer, 429)
        self.good(self.ask("POST", "/auth/signin/basic", {"email": other["email"], "password": "correct horse 1"}))
        self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))

    def test_gives_roles_with_ids(self):
        user, _ = self.system.person("ARTIST")
        data = self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}))
        self.assertIn("ARTIST", [r["code"] for r in data["user"]["roles"]])
        self.assertTrue(all(r["id"] for r in data["user"]["roles"]))
        self.assertEqual(data["user"]["id"], user["id"])


class Tokens(Case):
    def test_profile_needs_a_token_and_a_key(self):
        _, tokens = self.system.person()
        self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))
        self.refused(self.ask("GET", "/auth/profile/mine"), 401)
        self.refused(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"], key=None), 401)
        self.refused(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"], key="ta_" + "0" * 24 + "_" + "x" * 38), 401)

    def test_forged_tokens_are_refused(self):
        _, tokens = self.system.person()
        head, body, signature = tokens["accessToken"].split(".")
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
        forged = [f"{none}.{body}.", f"{head}.{body}.{signature[:-8]}AAAAAAAA", f"{head}.{body}", "x", "a.b.c", "A" * 10000, tokens["idToken"],
                  tokens["refreshToken"]]
        for token in forged:
            with self.subTest(token=token[:40]):
                self.refused(self.ask("GET", "/auth/profile/mine", token=token), 401)
                self.refused(self.ask("GET", "/media/studio/tracks", token=token), 401)

    def test_jwks_has_the_key_that_signs(self):
        _, tokens = self.system.person()
        for path in ("/.well-known/jwks.json", "/auth/.well-known/jwks.json"):
            answer = self.ask("GET", path, key=None)
            self.assertEqual(answer.status, 200)
            self.assertIn(part(tokens["accessToken"], 0)["kid"], [k["kid"] for k in answer.json["keys"]])
            self.assertNotIn('"d"', answer.body.decode())

    def test_refresh_rotates(self):
        _, first = self.system.person()
        second = self.good(self.ask("POST", "/auth/token/refresh", {"refreshToken": first["refreshToken"]}))
        self.assertNotEqual(first["refreshToken"], second["refreshToken"])
        self.good(self.ask("GET", "/auth/profile/mine", token=second["accessToken"]))

    def test_twenty_refreshes_at_once_have_one_successor(self):
        _, tokens = self.system.person()
        ask = lambda _: self.ask("POST", "/auth/token/refresh", {"refreshToken": tokens["refreshToken"]})
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        self.assertEqual({a.status for a in answers}, {200}, answers)
        self.assertEqual(len({a.data["refreshToken"] for a in answers}), 1)

    def test_an_old_refresh_token_ends_the_session(self):
        _, first = self.system.person()
        second = self.good(self.ask("POST", "/auth/token/refresh", {"refreshToken": first["refreshToken"]}))
        third = self.good(self.ask("POST", "/auth/token/refresh", {"refreshToken": second["refreshToken"]}))
        self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": first["refreshToken"]}), 401)
        self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": third["refreshToken"]}), 401)
        self.refused(self.ask("GET", "/auth/profile/mine", token=third["accessToken"]), 401)

    def test_refresh_refuses_garbage_and_another_sessions_token(self):
        _, mine = self.system.person()
        _, other = self.system.person()
        for token in ("x", "A" * 300, mine["refreshToken"][:-2] + "zz"):
            self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": token}), 401)
        self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": mine["refreshToken"]}, token=other["accessToken"]), 401)


class SignOut(Case):
    def test_ends_the_session_at_once_in_auth_and_within_a_second_in_media(self):
        for method_path in ("/auth/signout", "/auth/logout"):
            _, tokens = self.system.person("ARTIST")
            token = tokens["accessToken"]
            eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 200, 2, "role seen by media")
            self.good(self.ask("DELETE", method_path, token=token))
            self.refused(self.ask("GET", "/auth/profile/mine", token=token), 401)
            eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 401, 1, "revocation in media")
            self.refused(self.ask("POST", "/auth/token/refresh", {"refreshToken": tokens["refreshToken"]}), 401)

    def test_all_ends_every_session(self):
        user, one = self.system.person()
        two = self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}))["tokens"]
        self.good(self.ask("DELETE", "/auth/signout?all=true", token=one["accessToken"]))
        self.refused(self.ask("GET", "/auth/profile/mine", token=two["accessToken"]), 401)

    def test_sessions_are_listed_and_ended_one_by_one(self):
        user, one = self.system.person()
        two = self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}))["tokens"]
        sessions = self.good(self.ask("GET", "/auth/sessions", token=one["accessToken"]))
        self.assertEqual(len(sessions), 2)
        self.assertEqual(set(sessions[0]), {"id", "device", "address", "createdAt", "lastUsedAt", "current"})
        other = [s for s in sessions if not s["current"]][0]
        self.good(self.ask("DELETE", f"/auth/sessions/{other['id']}", token=one["accessToken"]))
        self.refused(self.ask("GET", "/auth/profile/mine", token=two["accessToken"]), 401)
        self.good(self.ask("GET", "/auth/profile/mine", token=one["accessToken"]))


class Profile(Case):
    def test_mine_is_private_and_by_id_is_public(self):
        user, tokens = self.system.person(name="Zoë")
        mine = self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))
        self.assertEqual(mine["email"], user["email"])
        public = self.good(self.ask("GET", f"/auth/profile/id/{user['id']}"))
        self.assertEqual(public["name"], "Zoë")
        self.assertNotIn("email", public)

    def test_unknown_and_malformed_ids_are_404(self):
        for id in ("0" * 24, "x", "%00", "a" * 500):
            self.assertIn(self.ask("GET", f"/auth/profile/id/{id}").status, (404, 400) if id == "%00" else (404,))

    def test_changes_show_at_once(self):
        _, tokens = self.system.person()
        self.good(self.ask("PATCH", "/auth/profile/mine", {"name": "Changed"}, token=tokens["accessToken"]))
        self.assertEqual(self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))["name"], "Changed")

    def test_a_new_password_ends_other_sessions(self):
        user, one = self.system.person()
        two = self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "correct horse 1"}))["tokens"]
        self.refused(self.ask("PUT", "/auth/password", {"current": "wrong", "password": "new horse 22"}, token=one["accessToken"]), 401)
        self.good(self.ask("PUT", "/auth/password", {"current": "correct horse 1", "password": "new horse 22"}, token=one["accessToken"]))
        self.good(self.ask("GET", "/auth/profile/mine", token=one["accessToken"]))
        self.refused(self.ask("GET", "/auth/profile/mine", token=two["accessToken"]), 401)
        self.good(self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "new horse 22"}))


class Roles(Case):
    def test_only_the_admin_gives_them_and_they_hold_within_a_second(self):
        user, tokens = self.system.person()
        token = tokens["accessToken"]
        self.refused(self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": ["ADMIN"]}, token=token), 403)
        self.refused(self.ask("GET", "/media/studio/tracks", token=token), 403)
        self.good(self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": ["ARTIST"]}, token=self.system.admin()))
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 200, 1, "role given")
        self.refused(self.ask("GET", "/media/editor/tracks", token=token), 403)
        self.good(self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": []}, token=self.system.admin()))
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 403, 1, "role taken")

    def test_the_admin_passes_every_role(self):
        admin = self.system.admin()
        self.good(self.ask("GET", "/media/studio/tracks", token=admin))
        self.good(self.ask("GET", "/media/editor/tracks", token=admin))

    def test_an_unknown_role_is_refused(self):
        user, _ = self.system.person()
        self.refused(self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": ["EMPEROR"]}, token=self.system.admin()), 400)


class AppPasswords(Case):
    def test_are_made_listed_and_revoked(self):
        _, tokens = self.system.person()
        token = tokens["accessToken"]
        made = self.good(self.ask("POST", "/auth/app-passwords", {"name": "phone"}, token=token), 201)
        self.assertEqual(made["apiKey"], f"tap_{made['id']}_{made['password']}")
        self.refused(self.ask("POST", "/auth/app-passwords", {"name": "phone"}, token=token), 409)
        listed = self.ask("GET", "/auth/app-passwords", token=token)
        self.assertEqual([one["name"] for one in self.good(listed)], ["phone"])
        self.assertNotIn(made["password"], listed.body.decode())
        self.good(self.ask("DELETE", f"/auth/app-passwords/{made['id']}", token=token))
        self.assertEqual(self.good(self.ask("GET", "/auth/app-passwords", token=token)), [])
        self.refused(self.ask("GET", "/auth/app-passwords"), 401)


class ApiKeys(Case):
    def make(self, **body):
        return self.good(self.ask("POST", "/auth/apikeys", {"name": "e2e", "scopes": ["GENERAL"], **body}, token=self.system.admin()), 201)

    def test_is_shown_once_and_works(self):
        made = self.make()
        self.assertRegex(made["key"], rf"^ta_{made['id']}_")
        self.good(self.ask("GET", "/media/tracks/latest", key=made["key"]))
        listed = self.ask("GET", "/auth/apikeys", token=self.system.admin())
        self.assertNotIn(made["key"], listed.body.decode())

    def test_a_scope_that_does_not_reach_is_403(self):
        key = self.make(scopes=["/media"])["key"]
        self.good(self.ask("GET", "/media/tracks/latest", key=key))
        self.refused(self.ask("POST", "/auth/signin/basic", {"email": "a@b.example", "password": "correct horse 1"}, key=key), 403)

    def test_revoked_within_a_second(self):
        made = self.make()
        self.good(self.ask("GET", "/media/tracks/latest", key=made["key"]))
        self.good(self.ask("DELETE", f"/auth/apikeys/{made['id']}", token=self.system.admin()))
        eventually(lambda: self.ask("GET", "/media/tracks/latest", key=made["key"]).status == 401, 1, "key refused")

    def test_expired_is_401(self):
        admin, answer = self.system.admin(), None
        for life in (3, 10, 30):  # long enough to be asked for the first time
            end = int(time.time()) + life
            body = {"name": "e2e", "scopes": ["GENERAL"], "expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))}
            made = self.ask("POST", "/auth/apikeys", body, token=admin)
            if made.status == 201:
                answer = self.ask("GET", "/media/tracks/latest", key=made.data["key"])
            if answer and time.time() < end:
                break
        self.good(answer)
        eventually(lambda: self.ask("GET", "/media/tracks/latest", key=made.data["key"]).status == 401, life + 3, "expiry")
        self.assertGreaterEqual(time.time(), end)

    def test_over_its_rate_is_429(self):
        key = self.make(rate=3)["key"]
        statuses = [self.ask("GET", "/media/tracks/latest", key=key).status for _ in range(6)]
        self.assertEqual(statuses[:3], [200] * 3)
        self.assertIn(429, statuses)
        self.refused(self.ask("GET", "/media/tracks/latest", key=key), 429)

    def test_only_for_the_admin(self):
        _, tokens = self.system.person("EDITOR")
        self.refused(self.ask("POST", "/auth/apikeys", {"name": "x", "scopes": ["GENERAL"]}, token=tokens["accessToken"]), 403)

    def test_verify_for_other_gateways(self):
        self.assertEqual(self.ask("GET", "/auth/verify/apikey").status, 200)
        self.refused(self.ask("GET", "/auth/verify/apikey", key=None), 401)
        self.refused(self.ask("GET", "/auth/verify/apikey", key="ta_" + "0" * 24 + "_" + "x" * 38), 401)
        key = self.make(scopes=["/media"])["key"]
        for path, status in (("/media/tracks/latest", 200), ("/auth/users", 403), (None, 403)):
            answer = self.ask("GET", "/auth/verify/apikey", key=key, headers={"X-Original-URI": path} if path else None)
            self.assertEqual(answer.status, status, (path, answer))
