"""A client that says in HTTP/2 (RFC 9113) what none would: fields as they are given, in the order given."""

import socket
import ssl
from contextlib import suppress

PATIENCE = 60
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
ACKNOWLEDGED = 1


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(fields):
    """Each literal, without the table and without Huffman's code (RFC 7541, section 6.2.2)."""

    def text(value):
        more = len(value) - 127
        length = [len(value)] if more < 0 else [127, more % 128 | 128, more // 128]
        return bytes(length) + value

    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def exchange(port, context, server_name, fields):
    """Sends one request without a body; what came back in DATA, once the answer or the connection is over."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname=server_name) as connection:
            assert connection.selected_alpn_protocol() == "h2"
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
            connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 1, block(fields)))
            with suppress(ConnectionError, ssl.SSLError):
                return body_of(connection)
    return b""


def body_of(connection):
    body = b""
    stream = connection.makefile("rb")
    while head := stream.read(9):
        payload, kind, flags = stream.read(int.from_bytes(head[:3], "big")), head[3], head[4]
        if kind == SETTINGS and not flags & ACKNOWLEDGED:
            connection.sendall(frame(SETTINGS, ACKNOWLEDGED, 0))
        if kind == DATA:
            body += payload
        if kind in (RST_STREAM, GOAWAY) or kind in (DATA, HEADERS) and flags & END_STREAM:
            break
    return body
