"""An edge of the test's own, with a member of the test's own behind it: no NATS, no keys, nothing else.

    with Bed("idle") as bed:
        bed.get("/small")

The member counts what is asked of it. Paths: /small, /file?size=N, /part?size=N (206), /wait?ms=N, /sink (any body), /socket (101, echo)."""

import concurrent.futures
import hashlib
import http.client
import http.server
import os
import re
import resource
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time

from measures import descriptors, family, memory, metric, spooled
from patience import hold_port
from rig import BIN, ROOT

BLOCK = bytes(range(256)) * 256
SMALL = b'{"small":true}'


def pattern_digest(size):
    digest = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        digest.update(BLOCK)
    digest.update(BLOCK[:size % len(BLOCK)])
    return digest.hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 14

    def setup(self):
        super().setup()
        self.server.count(1)

    def finish(self):
        self.server.count(-1)
        try:
            super().finish()
        except OSError:
            pass

    def number(self, default):
        found = re.search(r"=(\d+)", self.path)
        return int(found.group(1)) if found else default

    def do_GET(self):
        try:
            if self.path.startswith(("/file", "/part")):
                self.send_file(self.number(0))
            elif self.path.startswith("/socket"):
                self.echo()
            else:
                time.sleep(self.number(0) / 1000 if self.path.startswith("/wait") else 0)
                self.send_all(SMALL)
        except OSError:
            self.close_connection = True

    def send_all(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, size):
        part = self.path.startswith("/part")
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(size))
        if part:
            self.send_header("Content-Range", f"bytes 0-{size - 1}/{size * 2}")
        self.end_headers()
        self.wfile.flush()
        while size:
            put = self.connection.send(BLOCK[:min(size, len(BLOCK))]) if size >= len(BLOCK) else self.rest(size)
            size -= put
            with self.server.lock:
                self.server.sent += put

    def rest(self, size):
        self.connection.sendall(BLOCK[:size])
        return size

    def echo(self):
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True
        while data := self.connection.recv(4096):
            if data == b"leave":
                return
            self.connection.sendall(data)

    def do_POST(self):
        try:
            left, digest, size = int(self.headers.get("Content-Length", 0)), hashlib.sha256(), 0
            while left:
                data = self.rfile.read(min(left, 1 << 16))
                if not data:
                    self.close_connection = True
                    return
                left -= len(data)
                size += len(data)
                digest.update(data)
            self.send_all(f"{size} {digest.hexdigest()}".encode())
        except OSError:
            self.close_connection = True

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Member(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.open, self.sent = threading.Lock(), 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def count(self, change):
        with self.lock:
            self.open += change

    def handle_error(self, *_):
        pass


class Bed:
    def __init__(self, name, files=None, **settings):
        """`files`: RLIMIT_NOFILE of the edge."""
        self.name, self.files, self.settings, self.process = name, files, settings, None
        # A child is told of its parent's end when the thread that made it ends: this one lives as long as we do.
        self.spawner = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self):
        self.member = Member()
        self.folder = tempfile.mkdtemp(prefix="tonearm-bed-")
        self.port, self.tls_port, self.admin_port = hold_port(), hold_port(), hold_port()
        try:
            self.make_files()
            self.process = self.spawner.submit(self.spawn).result()
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_files(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")], check=True, capture_output=True)
        with open(self.path("gateway.yml"), "w") as file:
            file.write('_format_version: "3.0"\nservices:\n'
                       f"  - {{name: member, url: 'http://127.0.0.1:{self.member.server_address[1]}', routes: [{{name: all, paths: [/]}}]}}\n")

    def spawn(self):
        env = {**os.environ, "EDGE_LISTEN": f"127.0.0.1:{self.port}", "EDGE_TLS_LISTEN": f"127.0.0.1:{self.tls_port}",
               "EDGE_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}", "EDGE_TLS_CERT": self.path("cert.pem"), "EDGE_TLS_KEY": self.path("key.pem"),
               "EDGE_CONFIG": self.path("gateway.yml"), "NATS_URL": "", "TMPDIR": self.folder, **self.settings}
        command = ["setpriv", "--pdeathsig", "KILL", os.path.join(BIN, "tonearm-edge")]
        if self.files:
            command = ["prlimit", f"--nofile={self.files}:{self.files}", *command]
        with open(self.path("log"), "ab") as log:
            return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)

    def wait_ready(self):
        until = time.monotonic() + 30
        while True:
            try:
                if self.get("/small").status == 200 and self.metrics():
                    return
            except (OSError, http.client.HTTPException):
                pass
            assert self.process.poll() is None and time.monotonic() < until, f"the edge does not start: {self.log()}"
            time.sleep(0.05)

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.spawner.shutdown()
        self.member.shutdown()
        self.member.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with open(self.path("log"), errors="replace") as file:
            return file.read()[-1500:]

    @property
    def pid(self):
        return self.process.pid

    def get(self, path, port=None, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.content = answer.read()
            return answer
        finally:
            connection.close()

    def metrics(self):
        return self.get("/metrics", self.admin_port).content.decode()

    def metric(self, name):
        return metric(self.metrics(), f"tonearm_edge_{name}")

    def memory(self, field="VmRSS"):
        return memory(self.pid, field)

    def held(self):
        """What must be as before when all have gone."""
        text = self.metrics()
        return {"descriptors": descriptors(self.pid), "files": len(spooled(self.pid)), "members' connections": self.member.open,
                "processes": len(family(self.pid)),
                **{name: metric(text, f"tonearm_edge_{name}") for name in ("connections", "requests_under_way", "body_bytes")}}


def raise_files():
    """As many descriptors as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
