"""What a process and its children hold: memory, descriptors, files without a name, what /metrics tells."""

import os
import re
import time

from patience import calm

MIB = 1 << 20


def children_of(pid):
    try:
        out = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                out += map(int, file.read().split())
        return out
    except OSError:
        return []


def family(pid):
    out = [pid]
    for child in children_of(pid):
        out += family(child)
    return out


def memory(pid, field="VmRSS"):
    """Bytes, of all of the family. RssAnon: without what lies in files."""
    total = 0
    for one in family(pid):
        with open(f"/proc/{one}/status") as file:
            found = re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M)
            total += int(found.group(1)) * 1024 if found else 0
    return total


def links(pid):
    out = []
    for one in family(pid):
        for name in os.listdir(f"/proc/{one}/fd"):
            try:
                out.append(os.readlink(f"/proc/{one}/fd/{name}"))
            except OSError:
                pass
    return out


def descriptors(pid):
    return len(links(pid))


def spooled(pid):
    """Files that have no name any more: bodies."""
    return [link for link in links(pid) if "tonearm" in link and link.endswith("(deleted)") and "/run/data/" not in link]


def metric(text, name):
    """The sum of all its samples."""
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$", text, re.M)
    assert values, f"no metric {name}"
    return sum(map(float, values))


def until(check, seconds, what, pause=0.1):
    """Polls; how long it took, as calm() counts."""
    began = calm()
    while not check():
        if calm() - began > seconds:
            raise AssertionError(f"not so within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
    return calm() - began


def megabytes(size):
    return f"{size / 1e6:.2f} MB"
