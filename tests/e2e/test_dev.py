"""./dev, as a user types it, on the system under test."""

import os
import re
import subprocess

from system import ROOT, RUN, Case, dev, read_env


class Dev(Case):
    def test_status_lists_every_process(self):
        done = dev("status")
        self.assertEqual(done.returncode, 0, done.stdout)
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertTrue({"edge", "auth", "media", "notify", "nats", "redis-auth", "redis-media"} <= {line[0] for line in lines})
        for name, pid, address, state in lines:
            self.assertRegex(pid, r"^\d+$")
            self.assertRegex(address, r"^127\.0\.0\.1:\d+$")
            self.assertEqual(state, "ready")

    def test_the_env_file_is_plain(self):
        with open(os.path.join(RUN, "tonearm.env")) as file:
            for line in file:
                self.assertRegex(line.rstrip("\n"), r"^[A-Z_]+=[A-Za-z0-9:/@._+-]+$")
        env = read_env(os.path.join(RUN, "tonearm.env"))
        for name in ("TONEARM_URL", "TONEARM_TLS_URL", "TONEARM_ADMIN_URL", "TONEARM_API_KEY", "TONEARM_ADMIN_EMAIL", "TONEARM_ADMIN_PASSWORD", "NATS_URL"):
            self.assertTrue(env[name])

    def test_a_second_up_leaves_what_runs_alone(self):
        before = {name: self.system.pid(name) for name in ("edge", "auth", "media", "nats")}
        done = dev("up", "--detach", *(["--store", "mongodb"] if self.system.env["TONEARM_STORE"] == "mongodb" else []))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual({name: self.system.pid(name) for name in before}, before)
        self.assertIn("tonearm is ready", done.stdout)

    def test_wrong_words_are_explained(self):
        for words in (("up", "--store", "oracle"), ("up", "--replicas", "0"), ("up", "--nonsense"), ("frobnicate",)):
            done = dev(*words)
            self.assertEqual(done.returncode, 64, words)
            self.assertTrue(done.stderr)

    def test_settings_out_of_range_are_all_named_at_once(self):
        for name in ("auth", "media", "notify", "edge"):
            environment = {**os.environ, "WORKERS": "99999", "EDGE_THREADS": "9999", "LOG_LEVEL": "loud", "DRAIN": "x"}
            done = subprocess.run([os.path.join(ROOT, "run", "bin", f"tonearm-{name}")], env=environment, capture_output=True, text=True, timeout=20, cwd="/tmp")
            self.assertEqual(done.returncode, 78, name)
            said = done.stdout + done.stderr
            self.assertGreaterEqual(len(re.findall(r"^(?:\S+: )?(WORKERS|EDGE_THREADS|LOG_LEVEL|DRAIN): ", said, re.M)), 2, said)

    def test_a_port_in_use_is_said(self):
        environment = {**os.environ, **read_env(os.path.join(RUN, "env", "notify.env"))}
        done = subprocess.run([os.path.join(ROOT, "run", "bin", "tonearm-notify")], env=environment, capture_output=True, text=True, timeout=20)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(environment["NOTIFY_LISTEN"], done.stdout + done.stderr)

    def test_the_command_line(self):
        done = dev("tonearm", "apikey", "create", "--name", "from-the-test", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        key = done.stdout.strip()
        self.good(self.ask("GET", "/media/tracks/latest", key=key))
        id = key.split("_")[1]
        self.assertIn(id, dev("tonearm", "apikey", "list").stdout)
        self.assertEqual(dev("tonearm", "apikey", "revoke", id).returncode, 0)
        self.assertNotEqual(dev("tonearm", "apikey", "create", "--name", "late", "--expires", "2020-01-01T00:00:00Z").returncode, 0)
        self.assertNotEqual(dev("tonearm", "apikey", "create", "--name", "late", "--expires", "tomorrow").returncode, 0)
        brief = dev("tonearm", "apikey", "create", "--name", "brief", "--expires", "2999-01-31T00:00:00Z", "--quiet")
        self.assertEqual(brief.returncode, 0, brief.stderr)
        brief_id = brief.stdout.split("_")[1]
        self.assertRegex(dev("tonearm", "apikey", "list").stdout, f"{brief_id} .*expires 2999-01-31")
        self.assertEqual(dev("tonearm", "apikey", "revoke", brief_id).returncode, 0)
        from system import eventually

        eventually(lambda: self.ask("GET", "/media/tracks/latest", key=key).status == 401, 2, "revoked by the command line")
        self.assertIn(self.system.env["TONEARM_ADMIN_EMAIL"], dev("tonearm", "user", "list").stdout)
        self.assertEqual(dev("tonearm", "status").returncode, 0)
        self.assertNotEqual(dev("tonearm", "nonsense").returncode, 0)
