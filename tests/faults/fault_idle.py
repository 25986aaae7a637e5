"""5,000 connections that ask nothing: what they cost, whom they hold up, and that they go. At the limit, who comes next waits."""

import ssl
import statistics
import time

from edge_bed import Bed, raise_files
from fault_tools import Skip
from http_clients import PREFACE, SETTINGS, frame, trusting
from measures import until
from vanish import dial, head, request

NAME = "idle"
TITLE = "Idle connections"
SYSTEMS = [None]
SECONDS = 100
PLAIN, H2, TLS = 4200, 400, 400  # half of TLS speaks HTTP/2
IDLE = 60  # seconds; the edge's
PLAIN_MAX, TLS_MAX = 20000, 160000  # bytes for one
ASKED = 400


def plain(port):
    """Idle is who has been answered before; who says nothing at all is cut off after 10 s."""
    sock = dial(port)
    sock.sendall(head("GET", "/small", {}))
    assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    return sock


def http2(port):
    sock = dial(port)
    sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + request(1, "/small"))
    return answered(sock)


def answered(sock):
    data = b""
    while b'{"small":true}' not in data:
        more = sock.recv(4096)
        assert more, "the connection was closed"
        data += more
    return sock


def tls(port, contexts, i):
    sock = contexts[i % 2].wrap_socket(dial(port), server_hostname="localhost")
    sock.sendall(PREFACE + frame(SETTINGS, 0, 0) + request(1, "/small") if i % 2 else head("GET", "/small", {}))
    return answered(sock)


def latency(bed):
    """Of one request after the other on a kept connection: (median, the 99th of a hundred) in ms."""
    sock, took = plain(bed.port), []
    for _ in range(ASKED):
        began = time.monotonic()
        sock.sendall(head("GET", "/small", {}))
        assert sock.recv(4096)
        took.append((time.monotonic() - began) * 1000)
    sock.close()
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def still_open(sock):
    """What comes before the end (GOAWAY, TLS' goodbye) is read and thrown away."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            continue
        return False
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


def open_now(socks):
    socks[:] = [sock for sock in socks if still_open(sock)]
    return len(socks)


def case_many(_):
    """5,000 idle connections"""
    if raise_files() < 17000:
        raise Skip("fewer than 17,000 descriptors for a process")
    with Bed("idle", files=20000) as bed:
        contexts = [trusting(), trusting(True)]
        socks = [plain(bed.port) for _ in range(200)] + [tls(bed.tls_port, contexts, i) for i in range(20)]
        quiet = min(latency(bed) for _ in range(3))
        base = bed.memory()
        socks += [plain(bed.port) for _ in range(PLAIN - 200)]
        for_plain = (bed.memory() - base) / (PLAIN - 200)
        base = bed.memory()
        socks += [http2(bed.port) for _ in range(H2)]
        for_h2 = (bed.memory() - base) / H2
        base = bed.memory()
        socks += [tls(bed.tls_port, contexts, i) for i in range(TLS - 20)]
        for_tls = (bed.memory() - base) / (TLS - 20)
        filled = time.monotonic()
        count = bed.metric("connections")
        with_them = min(latency(bed) for _ in range(3))
        refused = bed.metric("refused")
        until(lambda: open_now(socks) == 0, 240, lambda: f"{len(socks)} are open")
        gone = time.monotonic() - filled
        until(lambda: bed.metric("connections") <= 2, 60, "the edge knows")
        # The machine may have other work by then: what counts is the worse of before and after.
        quiet = max(quiet, min(latency(bed) for _ in range(3)))
    assert count >= PLAIN + H2 + TLS, f"{count} of {PLAIN + H2 + TLS} are open"
    assert refused == 0, f"{refused} were refused"
    assert for_plain < PLAIN_MAX and for_h2 < TLS_MAX and for_tls < TLS_MAX, f"{for_plain}, {for_h2}, {for_tls} bytes"
    assert with_them[0] < 3 * quiet[0] + 2, f"median {with_them[0]:.2f} ms, without them {quiet[0]:.2f} ms"
    return [("open at once (4,200 HTTP/1.1, 400 HTTP/2, 400 TLS)", f"{count:.0f}, none refused", "5,000"),
            ("memory for one", f"{for_plain / 1000:.1f} kB; HTTP/2 {for_h2 / 1000:.1f} kB; TLS {for_tls / 1000:.1f} kB", "< 20 kB plain, < 160 kB others"),
            ("another's request beside them, median and p99", f"{with_them[0]:.2f}, {with_them[1]:.2f} ms; without them {quiet[0]:.2f}, {quiet[1]:.2f} ms",
             "less than three times and 2 ms more, the median"),
            ("all are closed", f"{gone:.0f} s after the last has come", f"{IDLE} s idle, and what a busy machine takes")]


def served_at_once(socks):
    """How many of these are, when all ask. What is asked takes descriptors too, to the member."""
    for sock in socks:
        sock.settimeout(60)
        sock.sendall(head("GET", "/small", {}))
    return sum(sock.recv(4096).startswith(b"HTTP/1.1 200") for sock in socks)


def case_limit(_):
    """More connections than the edge takes"""
    with Bed("limit", files=512) as bed:
        socks = []
        while len(socks) < 1000:  # until one waits
            sock = dial(bed.port, 5)
            sock.sendall(head("GET", "/small", {}))
            try:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            except TimeoutError:
                break
            socks.append(sock)
        taken = len(socks)
        assert 30 < taken < 700, f"{taken} were taken"
        served = sum(served_at_once(socks[i:i + 20]) for i in range(0, taken, 20))
        for old in socks:
            old.close()
        sock.settimeout(60)
        late = sock.recv(4096).startswith(b"HTTP/1.1 200")
        until(lambda: bed.get("/small").status == 200, 60, "new ones are taken")
    assert served == taken, f"{served} of the {taken} old ones were served"
    assert late, "who waited was not served when there was room"
    return [("taken with 512 descriptors for each process", taken, "five eighths of the descriptors"),
            ("old ones served meanwhile", f"{served} of {taken}", "all"), ("who waited is served when others leave", "yes", "yes")]
