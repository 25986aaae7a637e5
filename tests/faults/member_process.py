"""tests/faults/member_process.py PORT LOG: a member as a process, to be killed. It writes the id of each request (its path) to LOG before it answers, 5 ms later."""

import asyncio
import os
import sys

port, log = int(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
            await reader.readexactly(size)
            os.write(log, (head.split(" ", 2)[1] + "\n").encode())
            await asyncio.sleep(0.005)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", port, reuse_address=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
