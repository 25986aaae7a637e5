"""What was acknowledged, what may have been done, and what turned out wrong."""

import collections
import threading


class Book:
    """Counts by kind of write, from any thread. `wrong` is what must not be: the run fails of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged, self.unknown, self.found = (collections.Counter() for _ in range(3))
        self.noted = collections.Counter()
        self.wrong = []

    def note(self, which, kind, count=1):
        with self.lock:
            getattr(self, which)[kind] += count

    def fault(self, text):
        with self.lock:
            self.wrong.append(text)

    def sum(self, which):
        with self.lock:
            return sum(getattr(self, which).values())


class Register:
    """A value that is replaced: the last acknowledged one, or one of those after it whose outcome nobody was told."""

    def __init__(self, value=None):
        self.value, self.maybe = value, []
        self.acknowledged = self.unknown = 0

    def acknowledge(self, value):
        self.value, self.maybe = value, []
        self.acknowledged += 1

    def doubt(self, value):
        self.maybe.append(value)
        self.unknown += 1

    def allows(self, value):
        return value == self.value or value in self.maybe
