"""The store of one service slow, frozen, gone. The other service goes on; a token that media has checked still passes while auth's
store is away; nothing is answered wrongly, and /health answers all the time: no worker is lost to it."""

import contextlib
import os
import time

from fault_tools import LONGEST_503, Load, eventually
from patience import calm
from wire import Proxy

NAME = "store"
TITLE = "The store"
SYSTEMS = [{"store": "mongodb"}]
SECONDS = 100
BY_AUTH = ("person", "profile", "refresh", "leave")  # asks auth's store
BY_MEDIA = ("read", "known", "write", "upload")  # asks media's
PAUSE = 0.4  # FerretDB takes one write at a time
MOST = 0.5  # ... and on a busy machine not each within the 1.5 s that a request waits for its store
AWAY = "200, 201, 503; what the other store holds only 200, 201"


def case_auth_frozen(rig):
    """Auth's store frozen"""
    return taken(rig, "auth", lambda: rig.freeze("mongo-auth"), lambda: rig.thaw("mongo-auth"), 6)


def case_media_frozen(rig):
    """Media's store frozen"""
    return taken(rig, "media", lambda: rig.freeze("mongo-media"), lambda: rig.thaw("mongo-media"), 6)


def case_auth_gone(rig):
    """Auth's store gone for 10 s"""
    return taken(rig, "auth", lambda: rig.kill("mongo-auth"), lambda: rig.start("mongo-auth"), 10)


def case_media_gone(rig):
    """Media's store gone for 10 s"""
    return taken(rig, "media", lambda: rig.kill("mongo-media"), lambda: rig.start("mongo-media"), 10)


def case_slow(rig):
    """Both stores slow, 0.3 s for each answer"""
    with through_proxies(rig) as proxies, Load(rig, pause=PAUSE) as load:
        load.phase("before", 2)
        load.phase("taking")
        set_delay(proxies, 0.3)
        load.phase("during", 8)
        set_delay(proxies, 0)
        again = settle(load)
        load.check("before", "during", "after")
        good = sum(s.status in (200, 201) for s in load.of("during"))
        assert good > len(load.of("during")) / 2, f"slow is not away: {load.statuses('during')}"
        return [*load.rows("during", "200, 201 mostly: slow is not away"), *afterwards(load, again)]


def case_very_slow(rig):
    """Both stores very slow, 3 s for each answer"""
    with through_proxies(rig) as proxies, Load(rig, pause=PAUSE) as load:
        load.phase("before", 2)
        load.phase("taking")
        set_delay(proxies, 3)
        load.phase("during", 8)
        alive = health(rig)
        set_delay(proxies, 0)
        again = settle(load)
        load.check("before", "during", "after")
        return [*load.rows("during", "503 within 2 s, what is in a cache 200"), alive, *afterwards(load, again)]


def taken(rig, service, take, give, seconds):
    with Load(rig, pause=PAUSE) as load:
        load.phase("before", 2)
        load.phase("taking")
        take()
        load.phase("during", seconds)
        rows = [*load.rows("during", AWAY), health(rig), ready(rig, service)]
        give()
        again = settle(load)
        load.check("before", "after")
        load.check("during", must_pass=BY_MEDIA if service == "auth" else BY_AUTH, share=MOST)
        return [*rows, *afterwards(load, again)]


def settle(load, longest=LONGEST_503):
    began = time.monotonic()
    load.phase("settling")
    again = load.well_again(began)
    load.phase("after", 1)
    bad = [s for s in load.wrong("settling") if s.status != 503 or s.took > longest]
    assert not bad, f"while it comes back: {bad[:3]}"
    return again


def afterwards(load, again):
    return [("all is well again after", f"{again:.1f} s", "a few seconds"), ("acknowledged and there", load.nothing_lost(), "all"),
            ("sessions whose refresh was answered 503, done all the same, and sent again after 10 s", load.ended_sessions, "401, by contract")]


def health(rig):
    """Twenty of each service, one after the other, while their workers may be waiting."""
    took = []
    for _ in range(20):
        for name in ("auth", "media"):
            began = calm()
            answer = rig.system.ask("GET", "/health", key=None, address=rig.address(name), timeout=5)
            took.append(calm() - began)
            assert answer.status == 200, f"{name}: {answer}"
    return "/health meanwhile, the longest wait", f"{max(took):.2f} s", "200 at once"


def ready(rig, service):
    def named():
        answer = rig.system.ask("GET", "/ready", key=None, address=rig.address(service), timeout=5)
        return answer.status == 503 and answer.data["dependencies"]["store"] == "MISSING"

    took = eventually(named, LONGEST_503, "/ready names the store")
    return "/ready names the store, after", f"{took:.1f} s", "2 s"


@contextlib.contextmanager
def through_proxies(rig):
    """Auth and media started again, each with a proxy before its store."""
    with Proxy(rig.address("mongo-auth")) as auth, Proxy(rig.address("mongo-media")) as media:
        proxies = {"auth": auth, "media": media}
        try:
            for name, proxy in proxies.items():
                rig.terminate(name)
                rig.start(name, STORE_URL=f"mongodb://{proxy.address}/{name}")
            rig.wait_ready()
            yield proxies
        finally:
            set_delay(proxies, 0)
            for name in proxies:
                rig.terminate(name)
                rig.start(name)
            rig.wait_ready()


def set_delay(proxies, seconds):
    for proxy in proxies.values():
        proxy.delay = seconds
