"""Headless Chromium by the W3C's WebDriver protocol: JSON over HTTP to Debian's chromedriver, nothing between.

    with Browser() as browser:
        browser.open("http://127.0.0.1:8001/")
        browser.run("return document.title")
"""

import base64
import http.client
import json
import shutil
import subprocess
import tempfile
import time

from patience import hold_port

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--hide-scrollbars"]


def there():
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Browser:
    def __init__(self, width=1280, height=1000):
        self.port = hold_port()
        self.home = tempfile.mkdtemp(prefix="tonearm-browser-")
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}", "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.path = ""
        try:
            self.begin(width, height)
        except BaseException:
            self.close()
            raise

    def begin(self, width, height):
        until = time.monotonic() + 60
        while True:
            try:
                if self.call("GET", "/status")["ready"]:
                    break
            except OSError:
                pass
            if time.monotonic() > until:
                raise RuntimeError("chromedriver does not answer")
            time.sleep(0.05)
        options = {"args": [*ARGUMENTS, f"--window-size={width},{height}", f"--user-data-dir={self.home}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.path = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, self.path + path, body=json.dumps(body or {}) if method == "POST" else None,
                               headers={"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{value['error']}: {value['message']}")
        return value

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def scheme(self, name):
        """light or dark"""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def log(self):
        """What the console has said since the last time, with what the browser refused."""
        return [f"{one['level']} {one['message']}" for one in self.call("POST", "/se/log", {"type": "browser"})]

    def picture(self, file):
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            if self.path:
                self.call("DELETE", "")
        except (OSError, RuntimeError):
            pass
        self.driver.terminate()
        self.driver.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
