"""The operator's page in headless Chromium: what it says of an edge that is well, that is ill, that is gone; how it looks."""

import http.client
import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import browser
from patience import hold_port
from system import ROOT, Case, eventually

BIN = os.environ.get("TONEARM_BIN", os.path.join(ROOT, "run", "bin"))

# The least contrast (WCAG 2.1, 1.4.3) of all text that is shown, against the nearest background that is painted.
CONTRAST = """
const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
    for (; element; element = element.parentElement) {
        const [r, g, b, a = 1] = parse(getComputedStyle(element).backgroundColor);
        if (a)
            return [r, g, b];
    }
    return [255, 255, 255];
};
let least = [21, ""];
for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.getClientRects().length || getComputedStyle(element).display === "none")
        continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    least = (a + 0.05) / (b + 0.05) < least[0] ? [(a + 0.05) / (b + 0.05), element.textContent.slice(0, 40)] : least;
}
return least;
"""

PATIENCE = 30  # seconds, on a machine that has other work


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(500 if "fail" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def member(port=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Edge:
    """One of the test's own: upstream `tracks` with two members, of which the second can be away."""

    def __init__(self, routes=2, away=False):
        self.dir = tempfile.mkdtemp(prefix="tonearm-page-")
        self.port, self.admin = hold_port(), hold_port()
        self.members = [member()]
        self.away = hold_port()
        if not away:
            self.members.append(member(self.away))
        self.file = os.path.join(self.dir, "edge.yml")
        self.write(routes)
        env = {**os.environ, "EDGE_LISTEN": f"127.0.0.1:{self.port}", "EDGE_ADMIN_LISTEN": f"127.0.0.1:{self.admin}", "EDGE_TLS_LISTEN": "",
               "EDGE_CONFIG": self.file, "NATS_URL": "", "EDGE_THREADS": "1", "DRAIN": "1s"}
        self.process = subprocess.Popen([os.path.join(BIN, "tonearm-edge")], env=env, stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{self.admin}/"
        eventually(self.listens, PATIENCE, "the edge listens")

    def write(self, routes):
        with open(self.file, "w") as file:
            file.write("_format_version: '3.0'\nupstreams:\n"
                       "  - name: tracks\n    healthchecks: {passive: {unhealthy: {tcp_failures: 1}}}\n"
                       f"    targets: [{{target: '127.0.0.1:{self.members[0].server_port}'}}, {{target: '127.0.0.1:{self.away}'}}]\n"
                       "services:\n  - name: catalogue\n    host: tracks\n    routes:\n")
            file.writelines(f"      - {{name: route-{i}, paths: [/r{i}]}}\n" for i in range(routes))

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.admin)) == 0

    def ask(self, count=20, path="/r1/x"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(count):
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()

    def end(self):
        self.process.terminate()
        self.process.wait(20)

    def close(self):
        self.end()
        for server in self.members:
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.dir)


@unittest.skipUnless(browser.there(), "needs chromium and chromium-driver")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def look(self, **kwargs):
        edge = Edge(**kwargs)
        self.addCleanup(edge.close)
        self.browser.open(edge.url)
        return edge

    def text(self, selector):
        return self.browser.run("const found = document.querySelector(arguments[0]); return found && found.innerText", selector)

    def says(self, title, edge=None, path="/r1/x", seconds=PATIENCE):
        """Meanwhile requests go through the edge."""

        def said():
            if edge:
                edge.ask(5, path)
            return self.text("h1") == title

        try:
            eventually(said, seconds)
        except AssertionError:
            self.fail(f"it does not say {title!r} but {self.text('h1')!r}: {self.text('#verdict p')!r}")

    def row(self, name):
        return self.browser.run("const row = [...document.querySelectorAll('tbody tr')].find(row => row.innerText.startsWith(arguments[0]));"
                                "return row && [...row.cells].map(cell => cell.innerText)", name)

    def legible(self):
        for scheme in ("light", "dark"):
            self.browser.scheme(scheme)
            ratio, text = self.browser.run(CONTRAST)
            self.assertGreaterEqual(ratio, 4.5, f"{text!r} in {scheme}")

    def test_says_that_all_is_well(self):
        edge = self.look()
        self.says("All is well", edge)
        eventually(lambda: edge.ask() or self.text(".number b") not in (None, "–", "0"), PATIENCE, "requests are counted")
        eventually(lambda: (self.row("route-1") or ["–"])[-1].endswith("ms"), PATIENCE, "the row has a p99")
        cells = self.row("route-1")
        self.assertIn("/r1", cells[0])
        self.assertEqual(cells[2:4], ["0 %", "0 %"])
        self.assertEqual(self.row("route-0")[4:], ["–", "–"])
        self.assertEqual(self.text("#members .head p"), "2 of 2 answer")
        self.legible()
        # The page of the test before may have spoken last.
        self.assertEqual([line for line in self.browser.log() if f":{edge.admin}/" in line], [])

    def test_names_a_member_that_is_out(self):
        edge = self.look(away=True)
        self.says("1 member is out", edge)
        self.assertIn(f"127.0.0.1:{edge.away} (tracks)", self.text("#verdict p"))
        self.assertIn(f"127.0.0.1:{edge.away} is out", self.text(".member.bad"))
        self.legible()

    def test_says_on_which_route_answers_fail(self):
        edge = self.look()
        self.says("Many answers fail", edge, "/r1/fail")
        self.assertIn("route-1", self.text("#verdict p"))
        eventually(lambda: (self.row("route-1") or ["", "", "0 %"])[2] not in ("0 %", "–"), PATIENCE, "the row tells it too")
        self.legible()

    def test_says_that_the_edge_is_gone(self):
        edge = self.look()
        self.says("All is well")
        edge.end()
        self.says("The edge does not answer")
        self.assertIn("old", self.text("#verdict p"))

    def test_a_thousand_routes(self):
        edge = self.look(routes=1000)
        self.says("All is well", edge, "/r777/x")
        self.assertEqual(self.browser.run("return document.querySelectorAll('tbody tr').length"), 20)
        eventually(lambda: edge.ask(5, "/r777/x") or self.row("route-777"), PATIENCE, "the busiest is among the first")
        self.browser.run("const find = document.querySelector('#find'); find.value = 'route-99'; find.dispatchEvent(new Event('input'))")
        self.assertEqual(self.browser.run("return document.querySelectorAll('tbody tr').length"), 11)
        self.browser.run("const find = document.querySelector('#find'); find.value = ''; find.dispatchEvent(new Event('input'));"
                         "document.querySelector('#rest button').click()")
        self.assertEqual(self.browser.run("return document.querySelectorAll('tbody tr').length"), 1000)
        took = min(self.browser.run("const began = performance.now(); show(); return performance.now() - began") for _ in range(5))
        self.assertLess(took, 250, "milliseconds for a look at all of them, on a machine that does nothing else in one of five")

    def test_judges_by_the_worst(self):
        edge = self.look()
        self.says("All is well", edge)
        up, out = {"target": "a:1", "health": "HEALTHY", "weight": 100}, {"target": "b:1", "health": "UNHEALTHY", "weight": 100}
        unchecked, drained = {**up, "health": "HEALTHCHECKS_OFF"}, {**up, "health": "HEALTHCHECKS_OFF", "weight": 0}
        nowhere = {**up, "health": "DNS_ERROR"}
        cases = [
            ([up], 0, {}, "good", "All is well"),
            ([up], 3, {}, "good", "All is well"),
            ([unchecked, drained], 0, {}, "good", "All is well"),
            ([up], 0, {"processes": 1}, "warn", "1 of 2 processes serve"),
            ([up], 0, {"nats": {"configured": True, "connected": False}}, "warn", "NATS is away"),
            ([up], 6, {"processes": 1}, "warn", "Some answers fail"),
            ([up, out], 6, {}, "warn", "1 member is out"),
            ([up, out, nowhere], 0, {}, "warn", "2 members are out"),
            ([up, out], 60, {}, "bad", "Many answers fail"),
            ([out, nowhere], 60, {}, "bad", "u has no member that answers"),
            ([drained], 0, {}, "bad", "u has no member that answers"),
        ]
        for members, failed, more, kind, title in cases:
            with self.subTest(title=title):
                live = {"upstreams": [{"name": "u", "members": members}], "nats": {"configured": False}, "processes": 2, "processes_wanted": 2, **more}
                said = self.browser.run("const sum = { all: 1000, failed: arguments[1], refused: 0, buckets: null };"
                                        "return judge(arguments[0], { seconds: 60, sum, routes: new Map([['r', sum]]) })", live, failed)
                self.assertEqual(said[:2], [kind, title])

    def test_follows_a_new_configuration(self):
        edge = self.look()
        self.says("All is well")
        edge.write(3)
        edge.process.send_signal(1)
        eventually(lambda: self.row("route-2"), PATIENCE, "the new route is there")

    def test_runs_nothing_but_its_own(self):
        self.look()
        self.says("All is well")
        self.browser.run("const script = document.createElement('script'); script.textContent = 'window.foreign = 1'; document.body.append(script);"
                         "const image = new Image(); image.src = 'http://127.0.0.1:9/'; document.body.append(image)")
        self.assertIsNone(self.browser.run("return window.foreign"))
        refused = eventually(lambda: [line for line in self.browser.log() if "Content Security Policy" in line], PATIENCE)
        self.assertTrue(refused)


@unittest.skipUnless(browser.there(), "needs chromium and chromium-driver")
class PageOfTheSystem(Case):
    def test_shows_the_system(self):
        with browser.Browser() as one:
            one.open(self.system.env["TONEARM_ADMIN_URL"] + "/")
            eventually(lambda: one.run("return [...document.querySelectorAll('#groups h3')].map(name => name.innerText)"), PATIENCE)
            names = one.run("return [...document.querySelectorAll('#groups h3')].map(name => name.innerText)")
            self.assertLessEqual({"auth", "media"}, set(names))
            self.assertEqual(one.log(), [])
