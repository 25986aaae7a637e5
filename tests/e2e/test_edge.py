"""The edge: keys, ids, statuses, hygiene, discovery."""

import http.client
import re
import socket
import ssl
import subprocess
import urllib.parse

from system import Case, eventually


class Doors(Case):
    def test_what_needs_no_key(self):
        for path in ("/auth/health", "/media/health"):
            self.assertEqual(self.good(self.ask("GET", path, key=None))["status"], "OK")

    def test_an_unknown_path_is_404_with_and_without_a_key(self):
        for path in ("/", "/nothing", "/auth/nothing", "/media/nothing", "/authx/health"):
            self.refused(self.ask("GET", path), 404)
        self.refused(self.ask("GET", "/nothing", key=None), 404)

    def test_keys(self):
        for key in (None, "x", "ta_x_y", "ta_" + "0" * 24 + "_" + "a" * 38, self.system.key[:-1], self.system.key + "x", "A" * 5000):
            with self.subTest(key=key):
                self.refused(self.ask("GET", "/media/tracks/latest", key=key), 401)

    def test_a_key_that_was_never_made_but_is_well_formed(self):
        from_other = self.system.key[:3] + "f" * 24 + self.system.key[27:]
        self.refused(self.ask("GET", "/media/tracks/latest", key=from_other), 401)

    def test_request_ids(self):
        self.assertEqual(self.ask("GET", "/auth/health", headers={"X-Request-Id": "my-id.1"}).headers["X-Request-Id"], "my-id.1")
        for bad in ("a b", "x" * 65, "<script>"):
            got = self.ask("GET", "/auth/health", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
            self.assertNotEqual(got, bad)
            self.assertRegex(got, r"^[A-Za-z0-9._-]{1,64}$")
        self.assertRegex(self.ask("GET", "/auth/health").headers["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.assertTrue(self.ask("GET", "/auth/health", headers={"traceparent": trace}).headers["traceparent"].startswith(trace[:35]))

    def test_a_client_cannot_pose_as_the_edge(self):
        """Neither at the edge's door nor at the service's own: the key is checked all the same."""
        posing = {"X-Consumer-ID": "1", "X-Consumer-Username": "admin", "x-tonearm-edge": "guess", "X-Forwarded-For": "1.2.3.4"}
        self.refused(self.ask("GET", "/media/tracks/latest", key=None, headers=posing), 401)
        for service, path in (("media", "/tracks/latest"), ("auth", "/profile/id/" + "0" * 24)):
            address = self.system.address(service)
            self.refused(self.ask("GET", path, key=None, headers=posing, address=address), 401)
            self.assertIn(self.ask("GET", path, address=address).status, (200, 404))

    def test_method_not_allowed_names_those_that_are(self):
        answer = self.ask("DELETE", "/auth/profile/mine")
        self.refused(answer, 405)
        self.assertIn("GET", answer.headers["Allow"])


class Protocols(Case):
    def test_tls_and_http2(self):
        url = self.system.env["TONEARM_TLS_URL"]
        for version in ("--http1.1", "--http2"):
            done = subprocess.run(["curl", "-sk", version, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", f"{url}/auth/health"],
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.stdout, "200 " + ("2" if version == "--http2" else "1.1"))
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code} %{http_version}",
                               f"{self.system.env['TONEARM_URL']}/auth/health"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.stdout, "200 2")

    def test_old_tls_is_refused(self):
        address = urllib.parse.urlsplit(self.system.env["TONEARM_TLS_URL"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with socket.create_connection((address.hostname, address.port), timeout=5) as plain:
                context.wrap_socket(plain).do_handshake()

    def test_tls_sessions_are_resumed_whichever_process_answers(self):
        address = urllib.parse.urlsplit(self.system.env["TONEARM_TLS_URL"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its tickets come with the handshake
        session = None
        for _ in range(20):
            with socket.create_connection((address.hostname, address.port), timeout=5) as plain:
                with context.wrap_socket(plain, session=session) as tls:
                    self.assertEqual(tls.session_reused, session is not None)
                    session = session or tls.session

    def raw(self, text):
        with socket.create_connection((self.system.host, self.system.port), timeout=5) as connection:
            connection.sendall(text)
            got = b""
            try:
                while chunk := connection.recv(65536):
                    got += chunk
                    if b"\r\n\r\n" in got:
                        break
            except (TimeoutError, ConnectionError):
                pass
            return got

    def test_smuggling_is_refused(self):
        key = f"X-API-Key: {self.system.key}\r\n"
        heads = {
            "no host": "GET /auth/health HTTP/1.1\r\n\r\n",
            "two hosts": "GET /auth/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "length and chunked": f"POST /auth/signin/basic HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": f"POST /auth/signin/basic HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
            "two codings": f"POST /auth/signin/basic HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            "coding in 1.0": f"POST /auth/signin/basic HTTP/1.0\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "folded": "GET /auth/health HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
            "bare line feeds": "GET /auth/health HTTP/1.1\nHost: a\n\n",
            "absolute form": "GET http://other/auth/health HTTP/1.1\r\nHost: a\r\n\r\n",
            "method": "GE(T /auth/health HTTP/1.1\r\nHost: a\r\n\r\n",
            "trace": "TRACE /auth/health HTTP/1.1\r\nHost: a\r\n\r\n",
            "connect": "CONNECT /auth/health HTTP/1.1\r\nHost: a\r\n\r\n",
            "encoded slash": "GET /auth/..%2fmedia/health HTTP/1.1\r\nHost: a\r\n\r\n",
        }
        for name, head in heads.items():
            with self.subTest(name=name):
                got = self.raw(head.encode())
                self.assertRegex(got[:40], rb"^HTTP/1\.[01] 4\d\d |^$", name)

    def test_a_large_head_is_refused(self):
        got = self.raw(b"GET /auth/health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 40000 + b"\r\n\r\n")
        self.assertRegex(got[:40], rb"^HTTP/1\.1 4(31|00) |^$")
        got = self.raw(b"GET /auth/health HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 150 + b"\r\n")
        self.assertRegex(got[:40], rb"^HTTP/1\.1 4(31|00) |^$")

    def test_keep_alive(self):
        connection = http.client.HTTPConnection(self.system.host, self.system.port, timeout=5)
        for _ in range(20):
            connection.request("GET", "/auth/health")
            answer = connection.getresponse()
            self.assertEqual((answer.status, bool(answer.read())), (200, True))
        connection.close()


class Admin(Case):
    def admin(self, path):
        address = urllib.parse.urlsplit(self.system.env["TONEARM_ADMIN_URL"])
        return self.ask("GET", path, key=None, address=(address.hostname, address.port))

    def test_status_and_metrics(self):
        self.assertEqual(self.admin("/status").status, 200)
        text = self.admin("/metrics").body.decode()
        self.assertTrue(re.search(r"^tonearm_\w+(\{[^}]*\})? \d", text, re.M), text[:500])

    def test_members_come_from_discovery(self):
        health = eventually(lambda: self.admin("/upstreams/auth/health").json, 30)
        host, port = self.system.address("auth")
        self.assertIn(f"{host}:{port}", str(health))
