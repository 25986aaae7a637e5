"""HTTP/2 as its own conformance suite sees it: h2spec, all of its 145 cases."""

import re
import shutil
import subprocess
import unittest

from system import Case


@unittest.skipUnless(shutil.which("h2spec"), "h2spec is not built: Go is not there")
class H2spec(Case):
    def failures(self, url, *options):
        """What it says is wrong: the names of the cases."""
        host, port = self.system.env[url].rpartition("/")[2].split(":")
        done = subprocess.run(["h2spec", "--host", host, "--port", port, "--path", "/auth/health", "--timeout", "5", *options],
                              capture_output=True, text=True, timeout=300)
        count = re.search(r"^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout, re.M)
        self.assertTrue(count, done.stdout + done.stderr)
        self.assertEqual(count.groups()[0::2], ("145", "0"), done.stdout)
        listed = done.stdout.partition("Failures:")[2]
        wrong = re.findall(r"^\s*× \d+: (.*)$", listed, re.M)
        self.assertEqual(len(wrong), int(count.group(4)), done.stdout)
        return wrong

    def test_all_145_over_tls(self):
        self.assertEqual(self.failures("TONEARM_TLS_URL", "--tls", "--insecure"), [])

    def test_all_on_the_plain_port_but_what_is_http_1_there(self):
        """A preface that is none of HTTP/2's is a bad request of HTTP/1.1 where both are spoken: it is answered 400, then closed."""
        self.assertEqual(self.failures("TONEARM_URL"), ["Sends invalid connection preface"])
