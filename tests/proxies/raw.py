"""Requests byte for byte, as no browser would send them."""

import http.client
import socket

PATIENCE = 60
HOST = b"insights.acme.example"


def head(target, *fields, method=b"GET", host=HOST, version=b"1.1"):
    """Fields are bytes as they are sent, `Name: value`."""
    line = method + b" " + target + b" HTTP/" + version
    return b"\r\n".join([line, *([b"Host: " + host] if host else []), *fields, b"", b""])


class Reply:
    """The answer to one request; its status is 0 if there was none."""

    def __init__(self, connection, method):
        self.status, self.fields, self.body = 0, http.client.HTTPMessage(), b""
        response = http.client.HTTPResponse(connection, method=method.decode())
        try:
            response.begin()
            self.status, self.fields = response.status, response.headers
            self.body = response.read()
        except (http.client.HTTPException, ConnectionError):
            pass

    def __repr__(self):
        return f"{self.status} {self.fields.items()} {self.body[:1000]}"


def exchange(port, data):
    """Sends it all, and reads one answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        return Reply(connection, data.split(b" ", 1)[0])


class WebSocket:
    """One that the caller speaks over byte for byte."""

    def __init__(self, port, *fields):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        handshake = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        self.connection.sendall(head(b"/live", *handshake, key, *fields))
        self.stream = self.connection.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass

    def echo(self, text):
        """What comes back for a text of a few bytes."""
        self.connection.sendall(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)
        opened, length = self.stream.read(2)
        assert opened == 0x81, opened
        return self.stream.read(length)

    def close(self):
        self.stream.close()
        self.connection.close()
