"""After the kills: what the writers of auth were told is found again, through the edge and in each replica."""

import concurrent.futures

from people import PASSWORD
from writer import Unknown, persist


class PeopleCheck:
    def __init__(self, ways, book, dice):
        self.ways, self.book, self.dice = ways, book, dice
        self.versions = {}  # of each person's document, by id: what the events must add up to

    def ask(self, method, path, body=None, **more):
        return persist(lambda: self.ways.ask(self.dice, method, path, body, **more))

    def all(self, writers):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for writer in writers:
                list(pool.map(self.person, writer.people))
                list(pool.map(self.maybe_person, writer.maybe_people))
                list(pool.map(self.key, writer.keys))

    def person(self, person):
        signed_in = self.ask("POST", "/signin/basic", {"email": person.email, "password": PASSWORD})
        if signed_in.status != 200:
            self.book.fault(f"{person.id} signed up and is not there: {signed_in}")
            return
        self.book.note("found", "sign-ups")
        access = signed_in.data["tokens"]["accessToken"]
        profile = self.ask("GET", "/profile/mine", token=access)
        if profile.status != 200:
            self.book.fault(f"{person.id} has just signed in: {profile}")
            return
        seen = profile.data
        self.register("profiles", person, person.name, seen["name"])
        self.register("roles", person, person.roles, sorted(role["code"] for role in seen["roles"]))
        self.versions[person.id] = access
        for session in person.sessions:
            self.session(session)

    def register(self, kind, person, register, seen):
        """What was acknowledged and then replaced is told by the version and the events (events.py)."""
        if not register.allows(seen):
            self.book.fault(f"{kind} of {person.id}: {seen!r}, acknowledged {register.value!r}, perhaps {register.maybe!r}")
        else:
            self.book.note("found", kind, register.acknowledged)

    def refresh(self, token):
        return self.ask("POST", "/token/refresh", {"refreshToken": token})

    def session(self, session):
        profile = self.ask("GET", "/profile/mine", token=session.access).status
        self.book.note("found", "sign-ins", 1 if session.signed_in else 0)
        if session.ended:
            again = self.refresh(session.tokens[-1]).status
            if (profile, again) != (401, 401):
                self.book.fault(f"signed out, and still in: access {profile}, refresh {again}")
            else:
                self.book.note("found", "sign-outs")
                self.book.note("found", "refreshes", len(session.tokens) - 1)
            return
        if session.maybe_ended or session.doubted_at:
            self.doubtful(session, profile)
            return
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = list(pool.map(self.refresh, [session.tokens[-1]] * 2))
        if profile != 200 or any(answer.status != 200 for answer in both):
            self.book.fault(f"the newest tokens of a session: access {profile}, refresh {both}")
            return
        if both[0].data["refreshToken"] != both[1].data["refreshToken"]:
            self.book.fault("two successors of one refresh token")
        self.book.note("found", "refreshes", len(session.tokens) - 1)
        if len(session.tokens) > 1:
            self.reuse(session, both[0].data["refreshToken"])

    def reuse(self, session, newest):
        """The predecessor's predecessor ends the session, wholly."""
        old = self.refresh(session.tokens[-2]).status
        after = self.refresh(newest).status
        if (old, after) != (401, 401):
            self.book.fault(f"an old refresh token: {old}, the newest after it {after}")

    def doubtful(self, session, profile):
        """Ended or not, but in one way: by the access token as by the refresh token."""
        self.book.note("found", "refreshes", len(session.tokens) - 1)
        again = self.refresh(session.tokens[-1]).status
        allowed = [(200, 200), (401, 401)] + ([(200, 401)] if session.doubted_at else [])
        if (profile, again) not in allowed:
            self.book.fault(f"a session that may have ended: access {profile}, refresh {again}")

    def maybe_person(self, email):
        """There wholly, or not at all: then the address is free."""
        answer = self.ask("POST", "/signin/basic", {"email": email, "password": PASSWORD})
        if answer.status == 200:
            profile = self.ask("GET", "/profile/mine", token=answer.data["tokens"]["accessToken"])
            if profile.status != 200 or profile.data["email"] != email:
                self.book.fault(f"half a person: {profile}")
            again = self.ask("POST", "/signup/basic", {"email": email, "password": PASSWORD, "name": "Again"}).status
            if again != 409:
                self.book.fault(f"a taken address was given away: {again}")
            self.book.note("noted", "sign-ups without an answer that were done")
            return
        made = self.once("POST", "/signup/basic", {"email": email, "password": PASSWORD, "name": "Again"})
        if answer.status != 401 or (made and made.status != 201):
            self.book.fault(f"an address neither taken nor free: {answer}, {made}")

    def once(self, *args):
        try:
            return self.ways.ask(self.dice, *args)
        except Unknown:
            return None

    def key(self, key):
        status = self.ask("GET", "/verify/apikey", key=key.text, edge=False).status
        if key.revoked and status != 401:
            self.book.fault(f"a revoked key: {status}")
        elif not key.revoked and status != 200 and not key.maybe_revoked:
            self.book.fault(f"a key that was made: {status}")
        else:
            self.book.note("found", "keys made")
            self.book.note("found", "keys revoked", int(key.revoked))
