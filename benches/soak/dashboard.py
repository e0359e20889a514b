"""The parts of a dashboard that nginx has not: WebSockets, event streams, and uploads that are read and summed up."""

import asyncio
import sys
import zlib
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "compare"))
import live

EVENTS = 40
APART = 0.05


async def serve(port):
    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


async def one(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in
                  (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        if b"sec-websocket-key" in fields:
            await live.websocket(head, reader, writer)
        elif head.startswith(b"POST"):
            await upload(reader, writer, fields)
        else:
            await events(writer, fields.get(b"x-marker", b""))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def upload(reader, writer, fields):
    left, checksum = int(fields.get(b"content-length", 0)), 0
    while left:
        piece = await reader.read(min(left, 65536))
        if not piece:
            raise ConnectionError("it broke off")
        left, checksum = left - len(piece), zlib.crc32(piece, checksum)
    answer = b"%s %d" % (fields.get(b"x-marker", b""), checksum)
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Marker: %s\r\nContent-Length: %d\r\n\r\n%s"
                 % (fields.get(b"x-marker", b""), len(answer), answer))
    await writer.drain()


async def events(writer, marker):
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n"
                 b"X-Marker: %s\r\n\r\n" % marker)
    for number in range(EVENTS):
        writer.write(b"data: %s %d\n\n" % (marker, number))
        await writer.drain()
        await asyncio.sleep(APART)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
