"""Uploads that take longer than a minute: no limit of the edge cuts off who goes on sending."""

import hashlib
import threading
import time

from edge_bed import BLOCK, Bed
from fault_slow_reader import KINDS, connect
from http_clients import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, head_block

NAME = "upload"
TITLE = "Long uploads"
SYSTEMS = [None]
SECONDS = 75
TURNS, TURN, PAUSE = 120, 0.45, 12  # seconds; once there is a pause, shorter than the 30 s after which a body is given up
LARGE, WITHIN_A_WINDOW = 3000000, 60000  # bytes: one lies in a file, the other needs no WINDOW_UPDATE


class Upload(threading.Thread):
    def __init__(self, bed, h2, tls):
        super().__init__(daemon=True)
        self.bed, self.h2, self.tls, self.error, self.seconds = bed, h2, tls, None, 0.0
        size = WITHIN_A_WINDOW if h2 else LARGE
        self.body = (BLOCK * (size // len(BLOCK) + 1))[:size]

    def run(self):
        began = time.monotonic()
        try:
            self.send()
        except Exception as error:
            self.error = repr(error)
        self.seconds = time.monotonic() - began

    def send(self):
        sock = connect(self.bed, self.h2, self.tls)
        part = len(self.body) // TURNS
        if self.h2:
            sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head_block("PUT", "/sink", "x", {})))
        else:
            sock.sendall(f"PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: {len(self.body)}\r\n\r\n".encode())
        for turn in range(TURNS):
            time.sleep(PAUSE if turn == TURNS // 2 else TURN)
            data = self.body[turn * part:(turn + 1) * part]
            sock.sendall(frame(DATA, END_STREAM if turn == TURNS - 1 else 0, 1, data) if self.h2 else data)
        said, told = f"{len(self.body)} {hashlib.sha256(self.body).hexdigest()}".encode(), b""
        while said not in told:
            more = sock.recv(65536)
            assert more, f"closed without an answer: {told[-200:]!r}"
            told += more


def case_a_60_s_upload(_):
    """A minute and more for one body, over HTTP/1.1 and HTTP/2, plain and TLS, at the same time"""
    with Bed("upload") as bed:
        uploads = [Upload(bed, h2, tls) for _, h2, tls in KINDS]
        for upload in uploads:
            upload.start()
        for upload in uploads:
            upload.join()
    rows = []
    for upload, (name, *_) in zip(uploads, KINDS):
        assert not upload.error, f"{name}: {upload.error} after {upload.seconds:.0f} s"
        assert upload.seconds > 60, f"{name}: {upload.seconds:.0f} s"
        rows.append((f"{name}: whole at the member, and answered", f"after {upload.seconds:.0f} s", "yes, after more than 60 s"))
    return rows
