"""A WebSocket as a browser opens one (RFC 6455), for text in short messages."""

import base64
import json
import os
import socket
import time

PATIENCE = 60
TEXT, CLOSE = 1, 8


class WebSocket:
    """Opened with the visitor's cookies; `status` is 101 if the other side agreed."""

    def __init__(self, visitor, path):
        self.socket = socket.create_connection(("127.0.0.1", visitor.gateway.port), timeout=PATIENCE)
        fields = {
            "Host": visitor.gateway.origin.removeprefix("http://"),
            "Origin": visitor.gateway.origin,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-Fetch-Mode": "websocket",
            "Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items()),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass

    def send(self, message):
        data, mask = json.dumps(message).encode(), os.urandom(4)
        assert len(data) < 1 << 16, "short messages only"
        length = bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.socket.sendall(bytes([0x80 | TEXT]) + length + mask + masked)

    def messages(self):
        """What arrives, as JSON, until the other side ends it."""
        while head := self.stream.read(2):
            kind, length = head[0] & 0x0F, head[1]
            if length > 125:
                length = int.from_bytes(self.stream.read({126: 2, 127: 8}[length]), "big")
            data = self.stream.read(length)
            if kind == CLOSE:
                return
            if kind == TEXT:
                yield json.loads(data)

    def assert_ends(self):
        """Fails if the other side goes on talking."""
        deadline = time.monotonic() + PATIENCE
        for message in self.messages():
            assert time.monotonic() < deadline, f"still there: {message}"

    def close(self):
        self.stream.close()
        self.socket.close()
