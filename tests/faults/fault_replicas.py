"""Two replicas of auth and of media, started at the same moment on an empty store, ten times."""

import concurrent.futures
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import time
import uuid

from fault_tools import eventually
from rig import BIN, ROOT
from system import read_env
from wire import stream_info

NAME = "replicas"
TITLE = "Two replicas at once"
SYSTEMS = [{"store": "embedded", "replicas": 2}, {"store": "mongodb", "replicas": 2}]
SECONDS = 70
ROUNDS = 10
SERVICES = {"auth": ("auth", "auth-2"), "media": ("media", "media-2")}
EVERYONE = ("auth", "media", "auth-2", "media-2")
EVENTS = 4  # two accounts, and two deeds of the command line: the admin made, the key made
MIGRATIONS = {service: len(glob.glob(os.path.join(ROOT, "migrations", service, "*.json"))) for service in SERVICES}


def case_empty_store(rig):
    """Two replicas of each service at the same moment on an empty store"""
    took, events = [], 0
    for number in range(ROUNDS):
        empty(rig)
        before, began = last_event(rig), time.monotonic()
        rig.start(*EVERYONE)
        for name in EVERYONE:
            eventually(lambda: ready(rig, name), 120, f"round {number}: {name} is ready: {rig.log(name)}")
        took.append(time.monotonic() - began)
        try:
            one_of_each(rig)
            events += told_once(rig, before)
        except AssertionError as error:
            raise AssertionError(f"round {number}: {error}") from error
    return [("rounds in which both of both became ready", f"{len(took)} of {ROUNDS}, {max(took):.1f} s at most", "all"),
            ("migrations, signing keys, admins, roles, indexes, markers of blobs in each round", "once each", "once each"),
            ("signed up at one, seen and signed in at the other", f"{ROUNDS} of {ROUNDS}", "all"),
            ("events of these in the stream", f"{events} of {EVENTS * ROUNDS}, each once", "each once: one relays")]


def ready(rig, name):
    """As the rig's, but one that ended says so."""
    assert rig.alive(name), f"{name} has ended: {rig.log(name)}"
    return rig.ready(name)


def empty(rig):
    """The stores, the blobs and what was built from them; not NATS, which keeps running."""
    rig.terminate(*(name for name in reversed(EVERYONE) if rig.alive(name)))
    for name in ("mongo-auth", "mongo-media"):
        if name in rig.commands:
            rig.kill(name)
            shutil.rmtree(os.path.join(rig.run, name))
            os.mkdir(os.path.join(rig.run, name))
            rig.start(name)
            rig.wait_ready(name)
    for folder in ("data", "blobs", "projection"):
        shutil.rmtree(os.path.join(rig.run, folder))
        os.mkdir(os.path.join(rig.run, folder))


def one_of_each(rig):
    keys = [[key["kid"] for key in rig.system.ask("GET", "/.well-known/jwks.json", key=None, address=rig.address(name)).json["keys"]] for name in SERVICES["auth"]]
    assert len(keys[0]) == 1 and keys[0] == keys[1], f"signing keys: {keys}"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: operator(rig, "user", "create", "--email", "admin@tonearm.local", "--name", "Admin", "--role", "ADMIN",
                                         "--password-file", os.path.join(rig.run, "secrets", "admin"), "--if-missing"), range(2)))
    person(rig, operator(rig, "apikey", "create", "--name", "test", "--quiet").strip())
    for service in SERVICES:
        check_store(rig, service)


def told_once(rig, before):
    """The accounts and the deeds: an event of each, from one of the two relays."""
    eventually(lambda: last_event(rig) >= before + EVENTS, 60, "the relay brings the events of both accounts and of the deeds")
    time.sleep(0.3)  # for others that should not come
    told = last_event(rig) - before
    assert told == EVENTS, f"{told} events of two accounts and two deeds"
    return told


def person(rig, key):
    """Through one replica, then the other."""
    here, there = (rig.address(name) for name in SERVICES["auth"])
    email, password = f"p{uuid.uuid4().hex[:12]}@example.com", "correct horse 1"
    made = rig.system.ask("POST", "/signup/basic", {"email": email, "password": password, "name": "Ann"}, key=key, address=here)
    assert made.status == 201, made
    seen = rig.system.ask("GET", f"/profile/id/{made.data['user']['id']}", key=key, address=there)
    assert seen.status == 200, seen
    mine = rig.system.ask("GET", "/profile/mine", key=key, token=made.data["tokens"]["accessToken"], address=there)
    assert mine.status == 200 and mine.data["email"] == email, mine
    signed_in = rig.system.ask("POST", "/signin/basic", {"email": email, "password": password}, key=key, address=there)
    assert signed_in.status == 200, signed_in


def operator(rig, *args):
    env_file = os.path.join(rig.run, "env", "cli.env")
    done = subprocess.run([os.path.join(BIN, "tonearm"), "--env-file", env_file, *args], env={**os.environ, **read_env(env_file)},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"tonearm {' '.join(args[:2])}: {done.stdout}{done.stderr}"
    return done.stdout


def last_event(rig):
    return stream_info(rig.system.env["NATS_URL"], "EVENTS")["state"]["last_seq"]


def check_store(rig, service):
    """What the store itself holds, whoever wrote it."""
    counts, indexes = (embedded if rig.store == "embedded" else ferretdb)(rig, service)
    wanted = {"auth": {"roles": 4, "signingKeys": 1, "users": 2, "apikeys": 1}, "media": {"blobMarkers": 1}}[service]
    wanted["migrations"] = MIGRATIONS[service]
    wrong = {name: counts.get(name) for name, count in wanted.items() if counts.get(name) != count}
    assert not wrong, f"{service} holds {wrong}, and not {wanted}"
    declared = []
    for path in glob.glob(os.path.join(ROOT, "migrations", service, "*.json")):
        with open(path) as file:
            for collection in json.load(file).get("collections", []):
                declared += [(collection["name"], index["name"]) for index in collection["indexes"]]
    assert sorted(indexes) == sorted(declared), f"{service}'s indexes: {sorted(indexes)}"


def embedded(rig, service):
    """Documents of each collection; (collection, index) that are ready."""
    base = sqlite3.connect(f"file:{rig.run}/data/{service}/{service}.db?mode=ro", uri=True, timeout=10)
    names = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'd:%'")]
    counts = {name[2:]: base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    indexes = base.execute("SELECT collection, name FROM indexes WHERE ready").fetchall()
    base.close()
    return counts, indexes


def ferretdb(rig, service):
    """The same from FerretDB's own file; an index of a list stands there under the name that was given, too."""
    base = sqlite3.connect(f"file:{rig.run}/mongo-{service}/data/{service}.sqlite?mode=ro", uri=True, timeout=10)
    rows = base.execute("SELECT name, table_name, settings FROM _ferretdb_collections").fetchall()
    counts = {name: base.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for name, table, _ in rows}
    indexes = [(name, index["name"]) for name, _, settings in rows if not name.startswith("store_")
               for index in json.loads(settings)["indexes"] if index["name"] not in ("_id_", "outbox")]
    base.close()
    return counts, indexes
