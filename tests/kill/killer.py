"""Kills with -9 at random moments and starts again at once."""

import collections
import glob
import os
import random
import signal
import threading
import time

PAUSE_S = (0.3, 0.7)
AT_LATEST_S = 120


class Keeper(threading.Thread):
    """Kills, and starts what has ended: a service that finds no store at its start ends, for its supervisor to try again."""

    def __init__(self, rig):
        super().__init__(name="keeper", daemon=True)
        self.rig, self.lock, self.done = rig, threading.Lock(), threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()

    def run(self):
        while not self.done.wait(0.1):
            with self.lock:
                self.restart(self.rig.commands)

    def kill(self, *names):
        with self.lock:
            self.rig.kill(*filter(self.rig.alive, names))
            self.restart(names)

    def restart(self, names):
        self.rig.start(*(name for name in names if not self.rig.alive(name)))


class Killer(threading.Thread):
    """`victims`: what dies together, and how often. Ends after `kills`; writers go on until enough is acknowledged."""

    def __init__(self, name, seed, keeper, victims, kills, book, stop, besides=()):
        super().__init__(name=f"killer of {name}", daemon=True)
        self.dice, self.keeper, self.victims, self.kills, self.book = random.Random(f"{seed} {name} kill"), keeper, victims, kills, book
        self.stop, self.besides = stop, besides  # (chance, what to do) before a kill
        self.counts, self.back = collections.Counter(), collections.defaultdict(list)
        self.done = 0

    def run(self):
        try:
            while self.done < self.kills and not self.stop.is_set():
                self.one()
        except Exception as why:
            self.book.fault(f"{self.name} ended: {type(why).__name__} {why}")
            raise

    def one(self):
        time.sleep(self.dice.uniform(*PAUSE_S))
        for chance, act in self.besides:
            if self.dice.random() < chance:
                self.counts[act(self.keeper, self.dice)] += 1
        names = self.dice.choices([names for names, _ in self.victims], [weight for _, weight in self.victims])[0]
        began = time.monotonic()
        self.keeper.kill(*names)
        self.counts[" and ".join(names)] += 1
        self.done += 1
        if self.dice.random() < 0.8:  # else the next one dies before this one is back
            self.wait(names, began)

    def wait(self, names, began):
        rig, waiting = self.keeper.rig, list(names)
        while waiting and not self.stop.is_set():
            for name in list(waiting):
                if rig.ready(name):
                    self.back["store" if name.startswith("mongo-") else "service"].append(time.monotonic() - began)
                    waiting.remove(name)
            if time.monotonic() - began > AT_LATEST_S:
                raise AssertionError(f"{waiting} not ready {AT_LATEST_S} s after a kill: {rig.log(waiting[0])}")
            time.sleep(0.01)


def kill_nats(keeper, _):
    keeper.kill("nats")
    return "nats"


def kill_helper(keeper, dice):
    """One of media's helpers, wherever it is in its work."""
    rig = keeper.rig
    parents = {rig.pid(name) for name in rig.commands if name.startswith("media") and rig.alive(name)}
    helpers = [pid for pid in map(int, (path.split("/")[2] for path in glob.glob("/proc/[0-9]*/stat"))) if parent_of(pid) in parents]
    if helpers:
        try:
            os.kill(dice.choice(helpers), signal.SIGKILL)
        except ProcessLookupError:  # ended with its parent
            pass
    return "a helper of media"


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None
