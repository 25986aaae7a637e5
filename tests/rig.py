"""A system of a test's own, whose processes the test itself starts, freezes, kills and starts again, at once.

    with Rig("kill-embedded") as rig:
        rig.kill("auth")
        rig.start("auth")
        rig.wait_ready("auth")
        rig.system.ask("GET", "/auth/health", key=None)

`./dev up` makes it (folders, keys, settings, the first key) under run/NAME; then the supervisor goes, since its pauses
between two starts (1 s, doubling) are not what is tested here. Names are those of `./dev status`.
"""

import concurrent.futures
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from patience import calm  # noqa: E402
from system import System, read_env, stands_still  # noqa: E402

BIN = os.environ.get("TONEARM_BIN", os.path.join(ROOT, "run", "bin"))


class Rig:
    def __init__(self, name, store="embedded", replicas=1):
        self.run = os.path.join(ROOT, "run", name)
        self.store, self.replicas = store, replicas
        self.commands, self.addresses, self.processes, self.frozen = {}, {}, {}, set()
        # A child is told of its parent's end when the thread that made it ends: this one lives as long as we do.
        self.spawner = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.stop()
            raise
        return self

    def make(self):
        if os.path.exists(self.run):
            self.dev("down", "--wipe")
        try:
            self.dev("up", "--detach", "--store", self.store, "--replicas", str(self.replicas))
            self.read_parts()
        finally:
            self.dev("down")
        self.system = System(self.run)
        self.start(*self.commands)
        self.wait_ready()

    def __exit__(self, *_):
        self.stop()

    def dev(self, *args):
        done = subprocess.run([os.path.join(ROOT, "dev"), *args], env={**os.environ, "TONEARM_RUN": self.run},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"./dev {' '.join(args)}: {done.stdout[-2000:]}")

    def read_parts(self):
        with open(os.path.join(self.run, "procs")) as file:
            for line in file:
                name, env_file, *command = line.rstrip("\n").split("\t")
                self.commands[name] = (env_file, command)
        for path in ("addresses", "edge-addresses"):
            with open(os.path.join(self.run, path)) as file:
                self.addresses.update(line.split() for line in file)

    def address(self, name):
        host, port = self.addresses[name].rsplit(":", 1)
        return host, int(port)

    def pid(self, name):
        return self.processes[name].pid

    def start(self, *names, **settings):
        """Does not wait; `settings` are added to the environment."""
        for name in names:
            assert not self.alive(name), f"{name} runs"
            self.processes[name] = self.spawner.submit(self.spawn, name, settings).result()

    def spawn(self, name, settings):
        env_file, command = self.commands[name]
        env = {**os.environ, "PATH": f"{BIN}:{os.path.join(ROOT, 'run', 'bin')}:{os.environ['PATH']}:/usr/sbin",
               **(read_env(env_file) if env_file != "-" else {}), **settings}
        with open(os.path.join(self.run, "log", f"{name}.log"), "ab") as log:
            return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], env=env, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True)

    def alive(self, name):
        return name in self.processes and self.processes[name].poll() is None

    def kill(self, *names, number=signal.SIGKILL, wait=30):
        """Returns when they have ended: their statuses (negative: the signal)."""
        for name in names:
            os.kill(self.pid(name), number)
            self.frozen.discard(name)
        return [self.processes[name].wait(wait) for name in names]

    def terminate(self, *names, wait=30):
        return self.kill(*names, number=signal.SIGTERM, wait=wait)

    def freeze(self, *names):
        for name in names:
            os.kill(self.pid(name), signal.SIGSTOP)
            self.frozen.add(name)
            # Its threads stop one after the other; the last may still answer.
            until = time.monotonic() + 30
            while not stands_still(self.pid(name)) and time.monotonic() < until:
                time.sleep(0.005)

    def thaw(self, *names):
        for name in names or list(self.frozen):
            os.kill(self.pid(name), signal.SIGCONT)
            self.frozen.discard(name)

    def ready(self, name):
        try:
            if name == "nats":
                return self.hear(name, b"").startswith(b"INFO")
            if name.startswith("redis-"):
                return self.hear(name, b"PING\r\n")[:5] in (b"+PONG", b"-NOAU")
            if name.startswith("mongo-"):
                socket.create_connection(self.address(name), 1).close()
                return True
            path = "/status" if name.startswith("edge") else "/ready"
            return self.system.ask("GET", path, key=None, address=self.address(name), timeout=2).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def hear(self, name, words):
        with socket.create_connection(self.address(name), 1) as stream:
            stream.settimeout(1)
            stream.sendall(words)
            return stream.recv(64)

    def wait_ready(self, *names, seconds=60, patient=False):
        """Returns how long it took. `patient`: somebody starts again what ends meanwhile. Without names the whole system, and then
        the edge has found its members too."""
        began, calm_began = time.monotonic(), calm()
        for name in names or self.commands:
            while not self.ready(name):
                if not patient and not self.alive(name):
                    raise AssertionError(f"{name} has ended ({self.processes[name].returncode}): {self.log(name)}")
                if calm() - calm_began > seconds:
                    raise AssertionError(f"{name} is not ready after {seconds} s: {self.log(name)}")
                time.sleep(0.02)
        if not names and "edge" in self.commands:
            self.wait_through_edge(seconds)
        return time.monotonic() - began

    def wait_through_edge(self, seconds=60):
        """The edge is ready before it has found its members."""
        until = calm() + seconds
        for service in ("auth", "media"):
            while not self.system.reaches(service):
                if calm() > until:
                    raise AssertionError(f"the edge does not reach {service}: {self.log('edge')}")
                time.sleep(0.02)

    def log(self, name, size=1500):
        with open(os.path.join(self.run, "log", f"{name}.log"), errors="replace") as file:
            return file.read()[-size:]

    def stop(self):
        """Last first: who asks goes before who answers."""
        self.thaw()
        for name in reversed(list(self.commands)):
            if not self.alive(name):
                continue
            try:
                self.terminate(name, wait=20)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.spawner.shutdown()
