"""For promises in time, on a machine that has other work: a clock that stands still while nobody is let run, and ports that nobody
else is given."""

import socket
import threading
import time

TURN, MOST = 0.005, 0.007  # seconds; who sleeps for a turn and finds more gone than the most has waited for a processor


class Calm:
    """Seconds; on a machine of one's own it runs as time.monotonic() does."""

    def __init__(self):
        self.lock, self.counted, self.running = threading.Lock(), 0.0, False

    def __call__(self):
        with self.lock:
            if not self.running:
                self.running = True
                threading.Thread(target=self.run, daemon=True).start()
            return self.counted

    def run(self):
        last = time.monotonic()
        while True:
            time.sleep(TURN)
            now = time.monotonic()
            self.counted += min(now - last, MOST)
            last = now


calm = Calm()

held = []


def hold_port():
    """A port of loopback that nobody listens to: held to the end of this process, and yet a server that sets SO_REUSEADDR, as they
    do, may listen to it, end, and listen again."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after the choice: another process holds its own in the same way
    held.append(sock)
    return sock.getsockname()[1]
