"""WebSockets: an upstream that accepts them and repeats what it hears, and clients that hold them open."""

import asyncio
import base64
import hashlib
import sys

ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def serve(port):
    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


async def one(reader, writer):
    try:
        await websocket(await reader.readuntil(b"\r\n\r\n"), reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError, StopIteration):
        pass
    finally:
        writer.close()


async def websocket(head, reader, writer):
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while heard := await reader.read(4096):
        writer.write(heard)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
