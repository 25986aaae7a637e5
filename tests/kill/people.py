"""Writers of auth: sign-ups, profiles, roles, sessions and their tokens, API keys."""

import time
import uuid

from book import Register
from writer import Unknown, Writer

PASSWORD = "correct horse 1"
SUCCESSOR_S = 10  # the predecessor of a refresh token is answered with the same successor so long
CHANGES = 48      # of one person, before the next signs up
ROLES = (["LISTENER"], ["LISTENER", "ARTIST"], ["LISTENER", "EDITOR"])


class Session:
    """Its refresh tokens, oldest first, as they were acknowledged."""

    def __init__(self, tokens, signed_in=False):
        self.signed_in = signed_in  # by a sign-in, not by the sign-up
        self.tokens, self.access = [tokens["refreshToken"]], tokens["accessToken"]
        self.doubted_at = None  # since when a refresh of the newest has an unknown outcome
        self.ended = self.maybe_ended = False

    def is_open(self):
        return not (self.ended or self.maybe_ended)


class Person:
    def __init__(self, email, user, tokens):
        self.email, self.id = email, user["id"]
        self.name, self.roles = Register(user["name"]), Register(sorted(role["code"] for role in user["roles"]))
        self.sessions = [Session(tokens)]

    def changes(self):
        """Of the user's document: (acknowledged, unknown)."""
        both = (self.name, self.roles)
        return sum(one.acknowledged for one in both), sum(one.unknown for one in both)


class Key:
    def __init__(self, data):
        self.id, self.text = data["id"], data["key"]
        self.revoked = self.maybe_revoked = False


class People(Writer):
    def __init__(self, *args, admin):
        super().__init__(*args)
        self.admin = admin
        self.people, self.maybe_people, self.keys = [], [], []
        self.person, self.left = None, 0

    def turn(self):
        if not self.left:
            self.sign_up()
            return
        self.left -= 1
        act = self.dice.choices([self.rename, self.refresh, self.give_roles, self.make_key, self.revoke_key, self.sign_out, self.sign_in],
                                [8, 10, 3, 3, 2, 1, 1])[0]
        try:
            act()
        except Unknown:
            pass

    def sign_up(self):
        email = f"k{uuid.UUID(int=self.dice.getrandbits(128)).hex}@example.com"
        body = {"email": email, "password": PASSWORD, "name": f"{self.name} {len(self.people)}"}
        try:
            answer = self.write("sign-ups", "POST", "/signup/basic", body)
        except Unknown:
            self.maybe_people.append(email)
            return
        if answer.status != 201:
            self.book.fault(f"a sign-up with a new address: {answer}")
            return
        self.person = Person(email, answer.data["user"], answer.data["tokens"])
        self.people.append(self.person)
        self.left = CHANGES

    def session(self):
        """One that is open; the only one stays."""
        for session in self.person.sessions:
            if session.is_open():
                return session
        self.sign_in()
        return self.person.sessions[-1]

    def change(self, register, kind, value, *args, **more):
        try:
            answer = self.write(kind, *args, **more)
        except Unknown:
            register.doubt(value)
            raise
        if answer.status == 200:
            register.acknowledge(value)
        else:
            self.book.fault(f"{kind}: {answer}")
        return answer

    def rename(self):
        person, session = self.person, self.session()
        name = f"{self.name} {self.dice.getrandbits(64):x}"
        self.change(person.name, "profiles", name, "PATCH", "/profile/mine", {"name": name}, token=session.access)
        if self.dice.random() < 0.3:  # own writes show at once, in every replica
            seen = self.read("/profile/mine", token=session.access).data["name"]
            if not person.name.allows(seen):
                self.book.fault(f"the name of {person.id} went back to {seen!r}, {person.name.value!r} was acknowledged")

    def give_roles(self):
        # Others than before: the same again are no change, and the edge may repeat what a dead replica did.
        codes = self.dice.choice([codes for codes in ROLES if sorted(codes) != self.person.roles.value])
        self.change(self.person.roles, "roles", sorted(codes), "PUT", f"/users/{self.person.id}/roles", {"roles": codes},
                    token=self.admin.token())

    def refresh(self):
        session = self.session()
        began = time.monotonic()
        try:
            answer = self.write("refreshes", "POST", "/token/refresh", {"refreshToken": session.tokens[-1]})
        except Unknown:
            session.doubted_at = session.doubted_at or began
            raise
        late = session.doubted_at and time.monotonic() - session.doubted_at > SUCCESSOR_S - 0.1
        if answer.status == 200:
            session.tokens.append(answer.data["refreshToken"])
            session.access = answer.data["accessToken"]
            session.doubted_at = None
        elif answer.status == 401 and late:  # it had been done, and was asked again too late: that ends the session
            session.maybe_ended = True
            self.book.note("noted", "sessions ended by a refresh repeated after 10 s")
        else:
            self.book.fault(f"a refresh with the newest token: {answer}")

    def sign_in(self):
        answer = self.write("sign-ins", "POST", "/signin/basic", {"email": self.person.email, "password": PASSWORD})
        if answer.status != 200:
            self.book.fault(f"a sign-in of an acknowledged person: {answer}")
            raise Unknown("no session")
        self.person.sessions.append(Session(answer.data["tokens"], signed_in=True))

    def sign_out(self):
        session = self.session()
        try:
            answer = self.write("sign-outs", "DELETE", "/signout", token=session.access)
        except Unknown:
            session.maybe_ended = True
            raise
        session.ended = answer.status == 200
        session.maybe_ended = not session.ended
        if not session.ended and not answer.by_edge:  # the edge may have asked a second replica after the first had done it
            self.book.fault(f"a sign-out: {answer}")

    def make_key(self):
        body = {"name": f"{self.name} {len(self.keys)}", "scopes": ["GENERAL"]}
        answer = self.write("keys made", "POST", "/apikeys", body, token=self.admin.token())
        if answer.status == 201:
            self.keys.append(Key(answer.data))
        else:
            self.book.fault(f"a new key: {answer}")

    def revoke_key(self):
        keys = [key for key in self.keys[-8:] if not key.revoked and not key.maybe_revoked]
        if not keys:
            return
        key = self.dice.choice(keys)
        try:
            answer = self.write("keys revoked", "DELETE", f"/apikeys/{key.id}", token=self.admin.token())
        except Unknown:
            key.maybe_revoked = True
            raise
        key.revoked = answer.status == 200
        key.maybe_revoked = not key.revoked
        if not key.revoked and not answer.by_edge:
            self.book.fault(f"a key's revocation: {answer}")
