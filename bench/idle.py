"""bench/idle.py HOST PORT COUNT KEYFILE: holds COUNT connections that have each had one answer, says "held", and waits for the end of its input."""

import socket
import sys

host, port, count, key_file = sys.argv[1:]
with open(key_file) as file:
    key = file.read().strip()
question = f"GET /answer.json HTTP/1.1\r\nHost: {host}:{port}\r\nX-API-Key: {key}\r\n\r\n".encode()
held = []
for number in range(int(count)):
    connection = socket.create_connection((host, int(port)), 10)
    connection.sendall(question)
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < 206:
        got = connection.recv(4096)
        if not got:
            sys.exit(f"connection {number} was closed: {answer[:100]!r}")
        answer += got
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"connection {number}: {answer[:100]!r}")
    held.append(connection)
print("held", len(held), flush=True)
sys.stdin.read()
