"""Redis holds what may be lost: auth counts guesses in it. While it is away nothing else is worse, sign-in included, and nobody waits for it; a
replica counts by itself. How the client behaves is in shared/store/test_cache.c, how the lock-out does in auth_service/test/test_lockout.c."""

from fault_tools import KINDS, Load

NAME = "redis"
TITLE = "Redis"
SECONDS = 30
BOTH = ("redis-auth", "redis-media")
GUESSES_MAX = 12  # the 5th makes wait for a second, each further one twice as long: no machine is too slow for one of these to be refused


class SigningIn(Load):
    def __init__(self, rig):
        super().__init__(rig, kinds=(*KINDS, "enter"))

    def enter(self):
        return self.ask("POST", "/auth/signin/basic", {"email": self.user["email"], "password": "correct horse 1"})

    def guess(self):
        """How many wrong passwords are taken before one is refused."""
        user, _ = self.system.person()
        for count in range(GUESSES_MAX):
            answer = self.ask("POST", "/auth/signin/basic", {"email": user["email"], "password": "wrong horse 1"})
            if answer.status == 429:
                return count
            assert answer.status == 401, answer
        raise AssertionError(f"{GUESSES_MAX} wrong passwords, and none was refused")


def case_frozen(rig):
    """Redis frozen"""
    with SigningIn(rig) as load:
        load.phase("before", 1)
        load.phase("taking")
        rig.freeze(*BOTH)
        load.phase("during", 4)
        guesses = load.guess()
        rig.thaw(*BOTH)
        load.phase("after", 1)
    return rows(load, guesses)


def case_gone(rig):
    """Redis gone"""
    with SigningIn(rig) as load:
        load.phase("before", 1)
        load.phase("taking")
        rig.kill(*BOTH)
        load.phase("during", 4)
        guesses = load.guess()
        rig.start(*BOTH)
        load.phase("after", 1)
    return rows(load, guesses)


def rows(load, guesses):
    load.check("before", "during", "after", must_pass=load.kinds)
    return [*load.rows("during", "all 200 or 201, sign-ins too"),
            ("wrong passwords meanwhile before one is refused", guesses, "5 at most, but on a machine that takes a second for one"),
            ("acknowledged and there", load.nothing_lost(), "all")]
