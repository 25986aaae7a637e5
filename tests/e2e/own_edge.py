"""An edge of the test's own, and a NATS of the test's own with a service on it that knows no HTTP at all.

    with NatsServer() as nats, OwnEdge(CONFIG, NATS_URL=nats.url("edge")) as edge:
        shop = NatsService(nats.url("shop"), "shop.>", answer)
        edge.ask("GET", "/shop/items/7")
"""

import collections
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from patience import hold_port
from system import ROOT, Answer, eventually, stands_still

BIN = os.environ.get("TONEARM_BIN", os.path.join(ROOT, "run", "bin"))
PATIENCE = 30  # seconds, on a machine that has other work

Heard = collections.namedtuple("Heard", "subject headers data at")

# The edge may ask the shop for all but one thing; the shop may answer, and nothing else.
USERS = """
host: 127.0.0.1
port: -1
authorization { users: [
  { user: edge, password: p_edge, permissions: {
      publish: { allow: ["shop.>", "$SRV.>", "$JS.API.>"], deny: ["shop.secret"] }
      subscribe: ["_INBOX.edge.>", "tonearm.leave", "auth.session.revoked", "auth.apikey.revoked", "auth.user.changed"] } }
  { user: shop, password: p_shop, permissions: { publish: { deny: ">" }, subscribe: ["shop.>"], allow_responses: { max: 1, expires: "1m" } } }
] }
"""


def freeze(pid):
    """Its threads stop one after the other; the last may still answer."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: stands_still(pid), PATIENCE, "it stands still")


class NatsServer:
    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="tonearm-nats-")
        path = os.path.join(self.dir, "nats.conf")
        with open(path, "w") as file:
            file.write(USERS + f'ports_file_dir: "{self.dir}"\n')
        env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.process = subprocess.Popen(["nats-server", "-c", path], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.address = eventually(self.listens, PATIENCE, "nats-server listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def listens(self):
        assert self.process.poll() is None, "nats-server has ended"
        for name in glob.glob(os.path.join(self.dir, "*.ports")):
            with open(name) as file:
                text = file.read()
            return text.endswith("}") and urllib.parse.urlsplit(json.loads(text)["nats"][0]).netloc
        return None

    def url(self, user):
        return f"nats://{user}:p_{user}@{self.address}"

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.dir)


class NatsService:
    """`answer(heard)` gives (headers, data), or None for silence. In the queue group `q`, as replicas are."""

    def __init__(self, url, subject, answer):
        at = urllib.parse.urlsplit(url)
        self.answer, self.heard, self.writing = answer, [], threading.Lock()
        self.socket = socket.create_connection((at.hostname, at.port), PATIENCE)
        self.input = self.socket.makefile("rb")
        self.input.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", "version": "0",
                   "user": at.username, "pass": at.password}
        self.socket.sendall(f"CONNECT {json.dumps(options)}\r\nSUB {subject} q 1\r\nPING\r\n".encode())
        while (line := self.input.readline()) != b"PONG\r\n":
            assert line and not line.startswith(b"-ERR"), line
        self.socket.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while line := self.input.readline():
                words = line.split()
                if words[0] == b"PING":
                    with self.writing:
                        self.socket.sendall(b"PONG\r\n")
                elif words[0] in (b"MSG", b"HMSG"):
                    self.take(words)
        except (OSError, ValueError):
            pass  # closed

    def take(self, words):
        head = int(words[-2]) if words[0] == b"HMSG" else 0
        data = self.input.read(int(words[-1]) + 2)[:-2]
        headers = collections.defaultdict(list)
        for line in data[:head].decode().split("\r\n")[1:]:
            if line:
                name, value = line.split(":", 1)
                headers[name].append(value.strip())
        heard = Heard(words[1].decode(), dict(headers), data[head:], time.time() * 1000)
        self.heard.append(heard)
        threading.Thread(target=self.reply, args=(words[3], heard), daemon=True).start()

    def reply(self, inbox, heard):
        answered = self.answer(heard)
        if answered:
            try:
                self.say(inbox, *answered)
            except OSError:
                pass  # closed

    def say(self, inbox, headers, data):
        head = ("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode()
        with self.writing:
            self.socket.sendall(b"HPUB %s %d %d\r\n" % (inbox, len(head), len(head) + len(data)) + head + data + b"\r\n")

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # closed before
        self.socket.close()


class OwnEdge:
    def __init__(self, config, program=os.path.join(BIN, "tonearm-edge"), **settings):
        self.config, self.program, self.settings = config, program, settings

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="tonearm-edge-")
        self.file, self.log_file = os.path.join(self.dir, "edge.yml"), os.path.join(self.dir, "log")
        self.write(self.config)
        for _ in range(5):  # somebody else may take a port first
            if self.start():
                return self
        raise AssertionError(f"the edge does not start: {self.log()}")

    def write(self, config):
        with open(self.file + ".new", "w") as file:
            file.write(config)
        os.rename(self.file + ".new", self.file)

    def start(self):
        self.port, self.admin = hold_port(), hold_port()
        # What is idle ends at once; what watches for leaks takes its time, and is killed 5 s after the drain.
        env = {**os.environ, "DRAIN": "30s", **self.settings, "EDGE_LISTEN": f"127.0.0.1:{self.port}", "EDGE_TLS_LISTEN": "",
               "EDGE_ADMIN_LISTEN": f"127.0.0.1:{self.admin}", "EDGE_CONFIG": self.file}
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([self.program], env=env, stdout=log, stderr=log)
        try:
            return eventually(self.is_ready, PATIENCE, "the edge listens, and NATS is there") != "ended"
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def is_ready(self):
        """All of its processes are connected to NATS, where they are to be."""
        if self.process.poll() is not None:
            return "ended"
        try:
            nats = self.ask("GET", "/status", port=self.admin).json["nats"]
        except (OSError, http.client.HTTPException):
            return None
        return nats["connected"] or not nats["configured"]

    def reload(self, config):
        """Is read soon: wait for what is new in it."""
        self.write(config)
        self.process.send_signal(signal.SIGHUP)

    def log(self):
        with open(self.log_file, errors="replace") as file:
            return file.read()

    def ask(self, method, path, body=None, headers=None, port=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            status = self.process.wait(2 * PATIENCE)
        finally:
            self.process.kill()
        log = self.log()
        shutil.rmtree(self.dir)
        assert status == 0, f"the edge ended with {status}: {log[-2000:]}"
