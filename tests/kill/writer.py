"""A thread that writes, and what it has of the system: several ways in, tokens that stay young."""

import http.client
import random
import threading
import time

TOKEN_S = 480  # they live 15 min


class Unknown(Exception):
    """The connection broke or the answer was 5xx: it may have been done."""


class Ways:
    """The edge and each replica of a service.

    With the edge alone its health checks would decide how much gets through; with the replicas alone its own tries
    after a member that died would not be seen. So each request takes one of them.
    """

    def __init__(self, rig, service):
        self.rig, self.prefix = rig, f"/{service}"
        self.replicas = [rig.address(name) for name in rig.commands if name.split("-")[0] == service]

    def ask(self, dice, method, path, body=None, token=None, edge=None, timeout=30, **more):
        """An answer below 500, or Unknown. `edge` True, False: that way; a replica nobody listens at is passed over."""
        ways = [None] if edge else dice.sample([*([] if edge is False else [None]), *self.replicas], k=len(self.replicas) + (edge is None))
        for way in ways:
            try:
                return self.to(way, method, path, body, token=token, timeout=timeout, **more)
            except ConnectionRefusedError:
                continue
        raise Unknown("nobody listens")

    def to(self, way, method, path, body=None, **more):
        """`way`: an address, None: the edge."""
        try:
            answer = self.rig.system.ask(method, (self.prefix if way is None else "") + path, body, address=way, **more)
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException) as why:
            raise Unknown(f"{type(why).__name__} {why}") from why
        if answer.status >= 500:
            raise Unknown(str(answer.status))
        answer.by_edge = way is None
        return answer


def persist(ask, seconds=60):
    """For reads, and what may be done twice: until there is an answer."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Unknown:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


class Account:
    """Somebody whose access token is always young enough."""

    def __init__(self, system, email, password):
        self.system, self.email, self.password = system, email, password
        self.lock, self.until = threading.Lock(), 0

    def token(self):
        with self.lock:
            if time.monotonic() > self.until:
                self.access = persist(self.sign_in)
                self.until = time.monotonic() + TOKEN_S
            return self.access

    def sign_in(self):
        try:
            answer = self.system.ask("POST", "/auth/signin/basic", {"email": self.email, "password": self.password})
        except (OSError, http.client.HTTPException) as why:
            raise Unknown(str(why)) from why
        if answer.status >= 500:
            raise Unknown(str(answer.status))
        assert answer.status == 200, answer
        return answer.data["tokens"]["accessToken"]


class Writer(threading.Thread):
    """`pace`: seconds between two writes at the most, so that what is written can be looked for in time."""

    def __init__(self, name, seed, ways, book, stop, pace):
        super().__init__(name=name, daemon=True)
        self.pace = pace
        self.dice, self.ways, self.book, self.stop = random.Random(f"{seed} {name}"), ways, book, stop

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn()
                time.sleep(self.dice.uniform(0, self.pace))
        except Exception as why:  # a writer that ends early must not look like one that had nothing to do
            self.book.fault(f"{self.name} ended: {type(why).__name__} {why}")
            raise

    def write(self, kind, method, path, body=None, **more):
        """The answer, if it is one; counts what is acknowledged and what is unknown."""
        try:
            answer = self.ways.ask(self.dice, method, path, body, **more)
        except Unknown:
            self.book.note("unknown", kind)
            raise
        if answer.status < 300:
            self.book.note("acknowledged", kind)
        return answer

    def read(self, path, **more):
        return persist(lambda: self.ways.ask(self.dice, "GET", path, **more))
