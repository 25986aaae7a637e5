"""Routes that end at a NATS subject: a service of the test's own, without HTTP, and tonearm's own (docs/nats-routes.md)."""

import concurrent.futures
import json
import os
import signal
import subprocess
import threading
import time
import unittest

from own_edge import PATIENCE, NatsServer, NatsService, OwnEdge, freeze
from patience import calm
from system import ROOT, Case, eventually, patient, read_env

CONFIG = """
_format_version: "3.0"
services:
  - {name: item, url: "nats://shop.item.{action}", read_timeout: 20000, routes: [{name: item, paths: ["/shop/items/{id}/{action}"]}]}
  - {name: echo, url: "nats://shop.echo", routes: [{name: echo, paths: [/echo]}]}
  - {name: made, url: "nats://shop.made", read_timeout: 5000, routes: [{name: made, paths: [/made]}]}
  - {name: refused, url: "nats://shop.refused", routes: [{name: refused, paths: [/refused]}]}
  - {name: silent, url: "nats://shop.silent", read_timeout: 700, routes: [{name: silent, paths: [/silent]}]}
  - {name: brief, url: "nats://shop.brief", read_timeout: 700, routes: [{name: brief, paths: [/brief]}]}
  - {name: slow, url: "nats://shop.slow", read_timeout: 20000, routes: [{name: slow, paths: [/slow]}]}
  - {name: real, url: "nats://shop.real.{name}", read_timeout: 20000, routes: [{name: real, paths: ["/real/{name}"]}]}
  - {name: secret, url: "nats://shop.secret", read_timeout: 20000, routes: [{name: secret, paths: [/secret]}]}
  - name: guarded
    url: nats://shop.guarded
    routes: [{name: guarded, paths: [/guarded]}]
    plugins:
      - {name: key-auth, config: {key_names: [apikey], hide_credentials: true}}
      - {name: acl, config: {allow: [staff]}}
consumers:
  - {username: ann, custom_id: user-1, keyauth_credentials: [{key: key-of-ann}], acls: [{group: staff}]}
  - {username: bob, keyauth_credentials: [{key: key-of-bob}]}
"""


class Shop:
    """What it hears it tells; some subjects have words of their own."""

    def __init__(self, url):
        self.enough = threading.Event()  # who is asked slowly answers then
        self.service = NatsService(url, "shop.*", self.answer)
        self.items = NatsService(url, "shop.item.*", self.answer)

    def answer(self, heard):
        name = heard.subject.removeprefix("shop.")
        if name == "silent":
            return None
        if name == "refused":
            return [("Nats-Service-Error-Code", "409"), ("Nats-Service-Error", "it is sold")], b""
        if name == "made":
            return [("tonearm-status", "201"), ("Content-Type", "text/plain"), ("Location", "/shop/items/8"), ("Nats-Own", "x"),
                    ("tonearm-own", "x"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], b"eight"
        if name == "slow":
            self.enough.wait(PATIENCE)
        if name == "echo":
            return [("Content-Type", "application/octet-stream")], heard.data
        return [], json.dumps({"subject": heard.subject, "headers": heard.headers, "data": heard.data.decode()}).encode()

    @property
    def heard(self):
        return self.service.heard + self.items.heard

    def close(self):
        self.enough.set()
        self.service.close()
        self.items.close()


class Own(unittest.TestCase):
    def setUp(self):
        self.nats = self.enterContext(NatsServer())
        self.edge = self.enterContext(OwnEdge(CONFIG, NATS_URL=self.nats.url("edge")))
        self.shop = Shop(self.nats.url("shop"))
        self.addCleanup(self.shop.close)

    def refused(self, answer, status, message=None):
        self.assertEqual(answer.status, status, answer)
        body = answer.json
        self.assertEqual((body["code"], body["status"], body["requestId"]), ("10001", status, answer.headers["X-Request-Id"]))
        if message:
            self.assertEqual(body["message"], message)
        if status == 503:
            self.assertRegex(answer.headers["Retry-After"], r"^\d+$")

    def test_body_path_query_and_headers_reach_a_service_without_http(self):
        sent = time.time() * 1000
        answer = self.edge.ask("POST", "/shop/items/42/move?q=x%20y+z&tag=a&tag=b&id=forged", '{"to": {"shelf": 7}, "q": "mine"}',
                               {"Content-Type": "application/json", "X-Mine": "yes", "X-Request-Id": "of-the-test", "Accept-Language": "de"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.headers["X-Request-Id"], "of-the-test")
        heard = answer.json
        self.assertEqual(heard["subject"], "shop.item.move")
        self.assertEqual(json.loads(heard["data"]), {"id": "42", "q": "x y z", "tag": ["a", "b"], "to": {"shelf": 7}})
        headers = heard["headers"]
        for name, value in {"tonearm-method": "POST", "x-mine": "yes", "content-type": "application/json", "accept-language": "de",
                            "tonearm-fields": "id,q,tag", "x-request-id": "of-the-test", "x-forwarded-for": "127.0.0.1"}.items():
            self.assertEqual(headers.get(name), [value], name)
        self.assertEqual(headers["traceparent"][0][3:35], answer.headers["traceparent"][3:35])
        self.assertGreater(int(headers["tonearm-deadline"][0]), sent + 15000, "it is known how long the client waits")
        self.assertEqual(len(self.shop.heard), 1)

    def test_bytes_come_back_as_they_were(self):
        body = os.urandom(900_000)
        answer = self.edge.ask("PUT", "/echo", body)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/octet-stream"))
        self.assertEqual(answer.body, body)
        self.refused(self.edge.ask("PUT", "/echo", b"x" * ((1 << 20) + 1)), 413)

    def test_status_headers_and_errors_are_the_services(self):
        made = self.edge.ask("POST", "/made")
        self.assertEqual((made.status, made.body), (201, b"eight"))
        self.assertEqual((made.headers["Content-Type"], made.headers["Location"]), ("text/plain", "/shop/items/8"))
        self.assertEqual(made.headers.get_all("Set-Cookie"), ["a=1", "b=2"])
        for name in ("Nats-Own", "tonearm-own", "tonearm-status"):
            self.assertNotIn(name, made.headers)
        self.refused(self.edge.ask("GET", "/refused"), 409, "it is sold")

    def test_who_does_not_answer_is_504_and_who_is_not_there_503(self):
        began = time.monotonic()
        self.refused(self.edge.ask("POST", "/silent"), 504)
        self.assertGreaterEqual(time.monotonic() - began, 0.69)
        self.assertEqual(len(self.shop.heard), 1, "asked once")
        self.shop.close()  # one that it was given and did not answer is 504
        eventually(lambda: self.edge.ask("GET", "/made").status == 503, PATIENCE, "nobody is there")
        self.refused(self.edge.ask("GET", "/shop/items/1/get"), 503)

    def test_without_any_nats_it_is_503(self):
        with OwnEdge(CONFIG, NATS_URL="") as edge:
            self.refused(edge.ask("GET", "/made"), 503, "the service is asked over NATS, which is off")

    def test_a_client_cannot_say_what_the_edge_or_nats_says(self):
        forged = {"X-Consumer-Id": "1", "X-Consumer-Username": "admin", "X-Tonearm-Edge": "guess", "Tonearm-Method": "DELETE", "Tonearm-Path": "/x",
                  "Tonearm-Fields": "q", "Tonearm-Deadline": "1", "Nats-Rollup": "all", "Nats-Service-Error-Code": "500", "Status": "503",
                  "X-Forwarded-For": "10.9.8.7", "Connection": "X-Forwarded-Host"}
        headers = self.edge.ask("GET", "/shop/items/1/get", headers=forged).json["headers"]
        self.assertEqual((headers["tonearm-method"], headers["tonearm-path"]), (["GET"], ["/"]))
        self.assertEqual(headers["tonearm-fields"], ["id"])
        self.assertGreater(int(headers["tonearm-deadline"][0]), time.time() * 1000)
        self.assertIn("x-forwarded-host", headers)
        for name in headers:
            self.assertFalse(name.startswith(("nats-", "x-consumer-", "x-tonearm")) or name == "status", name)

    def test_no_path_leads_to_another_subject(self):
        for part in ("a.b", "*", "%3E", "a%20b", "%0d%0aPUB", "%ff"):
            with self.subTest(part=part):
                self.refused(self.edge.ask("GET", f"/shop/items/1/{part}"), 400)
        self.assertEqual(self.shop.heard, [])

    def test_nobody_is_asked_for_who_may_not(self):
        self.assertEqual(self.edge.ask("GET", "/guarded").status, 401)
        self.assertEqual(self.edge.ask("GET", "/guarded", headers={"apikey": "key-of-nobody"}).status, 401)
        self.assertEqual(self.edge.ask("GET", "/guarded", headers={"apikey": "key-of-bob"}).status, 403)
        self.assertEqual(self.shop.heard, [])
        headers = self.edge.ask("GET", "/guarded", headers={"apikey": "key-of-ann"}).json["headers"]
        self.assertEqual((headers["x-consumer-username"], headers["x-consumer-custom-id"]), (["ann"], ["user-1"]))
        self.assertNotIn("apikey", headers)

    def test_what_the_edges_user_may_not_ask_is_503_and_the_log_says_why(self):
        began = time.monotonic()
        self.refused(self.edge.ask("GET", "/secret"), 503)
        self.assertLess(time.monotonic() - began, 15, "not the 20 s that it would wait for an answer")
        self.assertEqual(self.shop.heard, [])
        eventually(lambda: "shop.secret" in self.edge.log() and "ermission" in self.edge.log(), PATIENCE, "it is in the log")

    def test_replicas_share_and_each_question_is_asked_once(self):
        second = Shop(self.nats.url("shop"))
        self.addCleanup(second.close)
        ids = [str(i) for i in range(60)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda id: self.edge.ask("GET", f"/shop/items/{id}/get"), ids))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual([json.loads(answer.json["data"])["id"] for answer in answers], ids)
        self.assertTrue(self.shop.heard and second.heard, "both were asked")
        self.assertEqual(len(self.shop.heard) + len(second.heard), 60)
        self.shop.close()
        eventually(lambda: self.edge.ask("GET", "/made").status == 201, PATIENCE, "the other is there")
        self.assertEqual({self.edge.ask("GET", "/made").status for _ in range(20)}, {201})

    def test_a_reload_leaves_questions_under_way_alone(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            under_way = [pool.submit(self.edge.ask, "GET", "/slow") for _ in range(8)]
            eventually(lambda: len(self.shop.heard) == 8, PATIENCE, "all are asked")
            self.edge.reload(CONFIG.replace("nats://shop.slow", "nats://shop.made").replace("paths: [/made]", "paths: [/made, /new]"))
            eventually(lambda: all(self.edge.ask("GET", "/new").status == 201 for _ in range(16)), PATIENCE, "the new file is in force")
            self.assertEqual(self.edge.ask("GET", "/slow").status, 201, "another subject")
            self.shop.enough.set()
            answers = [asked.result() for asked in under_way]
        self.assertEqual([(answer.status, answer.json.get("subject")) for answer in answers], [(200, "shop.slow")] * 8, answers)

    def test_the_nats_command_serves(self):
        """No line of ours in the service: `nats reply` of the NATS project."""
        command = ["nats", "--server", self.nats.url("shop"), "reply"]
        services = [subprocess.Popen([*command, "shop.real.echo", "--echo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
                    subprocess.Popen([*command, "shop.real.no", "", "-H", "Nats-Service-Error-Code:404", "-H", "Nats-Service-Error:no such thing"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        self.addCleanup(lambda: [service.wait(PATIENCE) for service in services])
        self.addCleanup(lambda: [service.kill() for service in services])
        eventually(lambda: self.edge.ask("GET", "/real/echo").status == 200, PATIENCE, "it serves")
        answer = self.edge.ask("POST", "/real/echo?size=7", '{"a": [1]}')
        self.assertEqual((answer.status, answer.json), (200, {"a": [1], "size": "7"}))
        eventually(lambda: self.edge.ask("GET", "/real/no").status == 404, PATIENCE, "it refuses")
        self.refused(self.edge.ask("GET", "/real/no"), 404, "no such thing")

    def test_a_frozen_nats_is_told_and_nothing_is_asked_too_late(self):
        # One process: each finds out by itself.
        edge = self.enterContext(OwnEdge(CONFIG, NATS_URL=self.nats.url("edge"), EDGE_THREADS="1"))

        def ask(number):
            return edge.ask("GET", f"/brief?n={number}", timeout=90)

        freeze(self.nats.process.pid)
        self.addCleanup(self.nats.process.send_signal, signal.SIGCONT)
        self.refused(ask("first"), 504)
        # Two pings are missed: from then on nobody waits, not even for an answer that may take a minute.
        eventually(lambda: ask("next").status == 503, 60, "it is known to be away")
        began = calm()
        self.refused(edge.ask("GET", "/made?n=away"), 503)
        self.assertLess(calm() - began, 2)
        time.sleep(0.8)  # whoever was asked on the way there waits no more
        self.nats.process.send_signal(signal.SIGCONT)
        eventually(lambda: edge.ask("GET", "/made?n=back").status == 201, PATIENCE, "it is back")
        late = [(json.loads(heard.data)["n"], heard) for heard in self.shop.heard]
        self.assertNotIn("away", [number for number, _ in late], "what was refused is not asked afterwards")
        for number, heard in late:  # what lay in the server's socket: its deadline says that nobody waits
            if number != "back":
                self.assertLess(int(heard.headers["tonearm-deadline"][0]), heard.at, heard)


class Tonearm(Case):
    """Subjects of the real services, by the user that the shipped edge has."""

    CONFIG = """
_format_version: "3.0"
services:
  - {name: people, url: "nats://auth.profile.user", read_timeout: 20000, routes: [{name: people, paths: ["/people/{id}"], methods: [GET]}]}
  - {name: found, url: "nats://media.search", read_timeout: 20000, routes: [{name: found, paths: [/found]}]}
  - {name: tracks, url: "nats://media.track.get", read_timeout: 20000, routes: [{name: tracks, paths: ["/tracks/{id}"]}]}
  - {name: forge, url: "nats://auth.session.revoked", read_timeout: 20000, routes: [{name: forge, paths: [/forge]}]}
plugins:
  - {name: key-auth, config: {key_names: [x-api-key]}}
"""

    def own(self, config):
        env = read_env(os.path.join(self.system.run, "env", "edge.env"))
        edge = self.enterContext(OwnEdge(config, **env))
        eventually(lambda: edge.ask("GET", "/status", port=edge.admin).json["nats"]["feed_whole"], PATIENCE, "it knows who is revoked")
        return edge

    def test_auth_and_media_answer_without_http(self):
        edge, key = self.own(self.CONFIG), {"X-API-Key": self.system.key}
        user, _ = self.system.person(name="Asked Over NATS")
        answer = edge.ask("GET", f"/people/{user['id']}", headers=key)
        self.assertEqual((answer.status, answer.json), (200, {"id": user["id"], "name": "Asked Over NATS", "profilePicUrl": None}))
        self.refused(edge.ask("GET", f"/people/{'0' * 24}", headers=key), 404)
        self.refused(edge.ask("GET", f"/tracks/{'0' * 24}", headers=key), 404)
        over_http = self.good(self.ask("GET", "/media/search?q=nats&limit=5"))
        answer = edge.ask("GET", "/found?q=nats&limit=5", headers=key)
        self.assertEqual((answer.status, answer.json), (200, over_http))
        self.refused(edge.ask("GET", "/found", headers=key), 400)
        self.refused(edge.ask("GET", "/found?q=x&limit=many", headers=key), 400)

    def test_only_who_has_a_key_of_auth(self):
        edge = self.own(self.CONFIG)
        for headers in ({}, {"X-API-Key": "x"}, {"X-API-Key": self.system.key[:-1]}, {"X-Consumer-Id": "1"}):
            self.refused(edge.ask("GET", "/found?q=x", headers=headers), 401)
        _, other = self.system.person()
        self.refused(edge.ask("GET", "/found?q=x", headers={"Authorization": f"Bearer {other['accessToken']}"}), 401)

    def test_no_route_makes_the_edge_say_what_auth_alone_may_say(self):
        edge, (_, tokens) = self.own(self.CONFIG), self.system.person()
        token = tokens["accessToken"]
        session = next(one["id"] for one in self.good(self.ask("GET", "/auth/sessions", token=token)) if one["current"])
        began = time.monotonic()
        self.refused(edge.ask("POST", "/forge", json.dumps({"id": session, "version": 1}), {"X-API-Key": self.system.key}), 503)
        self.assertLess(time.monotonic() - began, 15)
        self.good(self.ask("GET", "/auth/profile/mine", token=token))

    def test_the_example_in_the_shipped_file_works_as_it_stands(self):
        """Without its `# `: it is there to be taken."""
        with open(os.path.join(ROOT, "gateway.yml")) as file:
            before, example = file.read().split("  # - name: search\n", 1)
        lines = example.split("\n")
        size = next(i for i, line in enumerate(lines) if not line.startswith("  # "))
        text = before + "\n".join(["  - name: search", *("  " + line[4:] for line in lines[:size]), *lines[size:]])
        edge = self.own(text)
        answer = patient(lambda: edge.ask("GET", "/search?q=nats&limit=5", headers={"X-API-Key": self.system.key}))
        self.assertEqual((answer.status, answer.json), (200, self.good(self.ask("GET", "/media/search?q=nats&limit=5"))))
        self.refused(edge.ask("GET", "/search?q=nats"), 401)
        self.good(edge.ask("GET", "/media/search?q=nats", headers={"X-API-Key": self.system.key}))
