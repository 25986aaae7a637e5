"""One of two members dies under load, again and again: what was asked is answered, and done once."""

import collections
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from edge_bed import Bed
from fault_tools import eventually
from patience import hold_port

NAME = "members"
TITLE = "A member dies under load"
SYSTEMS = [None]
SECONDS = 20
CLIENTS, DEATHS = 8, 8
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "member_process.py")


class Pair(Bed):
    """An edge before two members that are processes."""

    def __enter__(self):
        self.ports, self.members = [hold_port(), hold_port()], {}
        return super().__enter__()

    def __exit__(self, *_):
        super().__exit__()
        for process in self.members.values():
            process.kill()
            process.wait()

    def make_files(self):
        super().make_files()
        targets = ", ".join(f"{{target: '127.0.0.1:{port}'}}" for port in self.ports)
        with open(self.path("gateway.yml"), "w") as file:
            file.write(f'_format_version: "3.0"\nupstreams: [{{name: two, targets: [{targets}]}}]\n'
                       "services: [{name: two, host: two, routes: [{name: all, paths: [/]}]}]\n")
        for port in self.ports:
            self.begin(port)

    def begin(self, port):
        self.members[port] = subprocess.Popen([sys.executable, PROGRAM, str(port), self.path("asked")])
        eventually(lambda: self.listens(port), 60, "a member listens")

    def listens(self, port):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def end(self, port):
        self.members[port].send_signal(signal.SIGKILL)
        self.members[port].wait()

    def asked(self):
        """How often the members had each request."""
        with open(self.path("asked")) as file:
            return collections.Counter(file.read().split())


class Clients:
    def __init__(self, bed, method):
        self.bed, self.method, self.statuses, self.ended = bed, method, {}, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(CLIENTS // 2)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.bed.port, timeout=20)
        count = 0
        while not self.ended.is_set():
            path, count = f"/{self.method}-{number}-{count}", count + 1
            connection.request(self.method, path, body=b"x" * 100 if self.method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
            self.statuses[path] = answer.status

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        return self.statuses


def case_no_request_is_lost_or_doubled_when_a_member_dies_under_load(_):
    """One of two members killed under load, eight times: GETs and POSTs of eight clients"""
    with Pair("members") as bed:
        clients = Clients(bed, "GET"), Clients(bed, "POST")
        for death in range(DEATHS):
            port = bed.ports[death % 2]
            time.sleep(0.4)
            bed.end(port)
            time.sleep(0.4)
            bed.begin(port)
            time.sleep(1.2)  # it is tried again after a second
        gets, posts = clients[0].end(), clients[1].end()
        asked = bed.asked()
    lost = [path for path, status in gets.items() if status != 200]
    unknown = [path for path, status in posts.items() if status != 200]
    doubled = [path for path in posts if asked[path] > 1]
    undone = [path for path, status in posts.items() if status == 200 and asked[path] != 1]
    assert len(gets) > 500 and len(posts) > 500, (len(gets), len(posts))
    assert not lost, f"{len(lost)} GETs failed: {[(path, gets[path]) for path in lost[:5]]}"
    assert not doubled, f"{len(doubled)} POSTs were done twice: {doubled[:5]}"
    assert not undone, f"{len(undone)} POSTs were acknowledged and not done"
    # What the dead member had read nobody can know: told as 502, and not repeated.
    assert all(posts[path] == 502 for path in unknown) and len(unknown) <= DEATHS * CLIENTS // 2, [posts[path] for path in unknown]
    return [("GETs that failed", f"0 of {len(gets)}", "0"), ("POSTs that were done twice", f"0 of {len(posts)}", "0"),
            ("POSTs that the dead member had, told as 502", f"{len(unknown)} in {DEATHS} deaths", "what it had")]
