"""Roles are documents: what one may is changed while the system runs, and holds in every service."""

import uuid

from system import Case, eventually


class Roles(Case):
    def setUp(self):
        self.admin = self.system.admin()

    def change(self, code, permissions, status="ACTIVE"):
        return self.good(self.ask("PUT", f"/auth/roles/{code}", {"permissions": permissions, "status": status}, token=self.admin))

    def test_a_role_of_ones_own_reaches_what_it_may_and_no_longer(self):
        code = f"CURATOR_{uuid.uuid4().hex[:8].upper()}"
        role = self.good(self.ask("POST", "/auth/roles", {"code": code, "permissions": ["track:publish"]}, token=self.admin), 201)
        self.assertEqual((role["code"], role["permissions"], role["status"]), (code, ["track:publish"], "ACTIVE"))
        user, tokens = self.system.person()
        status = lambda: self.ask("GET", "/media/editor/tracks", token=tokens["accessToken"]).status
        self.assertEqual(status(), 403)
        self.good(self.ask("PUT", f"/auth/users/{user['id']}/roles", {"roles": ["LISTENER", code]}, token=self.admin))
        eventually(lambda: status() == 200, 5, "the role is given")
        self.change(code, [])
        eventually(lambda: status() == 403, 5, "the permission is taken away")
        self.change(code, ["track:publish"])
        eventually(lambda: status() == 200, 5, "and given again")
        self.change(code, ["track:publish"], "DISABLED")
        eventually(lambda: status() == 403, 5, "the role is disabled")
        self.assertEqual([r["code"] for r in self.good(self.ask("GET", "/auth/profile/mine", token=tokens["accessToken"]))["roles"]], ["LISTENER"])

    def test_they_are_for_administrators(self):
        _, tokens = self.system.person("EDITOR")
        for method, path, body in (("GET", "/auth/roles", None), ("POST", "/auth/roles", {"code": "X1", "permissions": []}),
                                   ("PUT", "/auth/roles/EDITOR", {"permissions": [], "status": "ACTIVE"})):
            with self.subTest(method=method):
                self.refused(self.ask(method, path, body, token=tokens["accessToken"]), 403)
        codes = [role["code"] for role in self.good(self.ask("GET", "/auth/roles", token=self.admin))]
        self.assertTrue({"LISTENER", "ARTIST", "EDITOR", "ADMIN"} <= set(codes))
        self.refused(self.ask("PUT", "/auth/roles/ADMIN", {"permissions": [], "status": "DISABLED"}, token=self.admin), 409)
        self.refused(self.ask("POST", "/auth/roles", {"code": "small", "permissions": []}, token=self.admin), 400, "code", "pattern")
