"""A dashboard that keeps the bytes of each request that reaches it."""

import base64
import contextlib
import hashlib
import json
import re
import socketserver
import threading

INSIDE = "Figures for users only"


class Recorder:
    """`/api/me` names whoever the cookie `session` does; everything else shows what is inside."""

    def __init__(self, inside=INSIDE, tls=None):
        self.received = []
        # More fields of the answers below /static/.
        self.fields = b""
        recorder = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                # Some servers end a connection by a reset, or before it begins if they don't believe the certificate.
                with contextlib.suppress(OSError):
                    self.attend()

            def attend(self):
                while (request := Request.read(self.rfile)) is not None:
                    if not request.target.startswith(b"/api/me"):
                        recorder.received.append(request)
                    if request.value("sec-websocket-key"):
                        return self.echo(request)
                    if request.value("upgrade"):
                        # More agreeable than it should be.
                        agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                        return self.wfile.write(agreed + request.value("upgrade") + b"\r\n\r\n")
                    line, rest = request.answer(inside).split(b"\r\n", 1)
                    fields = recorder.fields if request.target.startswith(b"/static/") else b""
                    self.wfile.write(line + b"\r\n" + fields + rest)

            def echo(self, request):
                key = request.value("sec-websocket-key") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                accept = base64.b64encode(hashlib.sha1(key).digest())
                head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                self.wfile.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                while head := self.rfile.read(2):
                    length, mask = head[1] & 0x7F, self.rfile.read(4)
                    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
                    self.wfile.write(bytes([head[0], length]) + data)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self):
        """What has arrived since it was last asked."""
        received, self.received = self.received, []
        return received

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Request:
    def __init__(self, head, body):
        self.head, self.body = head, body
        line, *fields = head.split(b"\r\n")
        self.method, self.target, _ = line.split(b" ")
        pairs = [field.split(b":", 1) for field in fields]
        self.fields = [(name.decode("latin-1").lower(), value.strip()) for name, value in pairs]

    @classmethod
    def read(cls, stream):
        lines = []
        while (line := stream.readline()) not in (b"\r\n", b""):
            lines.append(line.removesuffix(b"\r\n"))
        if not lines:
            return None
        request = cls(b"\r\n".join(lines), b"")
        if request.value("transfer-encoding"):
            while size := int(stream.readline().split(b";")[0], 16):
                request.body += stream.read(size)
                stream.readline()
            while stream.readline().strip():
                pass
        else:
            request.body = stream.read(int(request.value("content-length") or 0))
        return request

    def values(self, name):
        return [value for known, value in self.fields if known == name]

    def value(self, name):
        return b", ".join(self.values(name))

    def answer(self, inside):
        status, kind, body = "200 OK", "text/html", inside
        if self.target.startswith(b"/api/me"):
            kind = "application/json"
            found = re.search(rb"(?:^|; )session=(\w+)", self.value("cookie"))
            status = "200 OK" if found else "401 Unauthorized"
            body = json.dumps({"id": found[1].decode(), "company": {"slug": "acme"}} if found else {})
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        return (head + ("" if self.method == b"HEAD" else body)).encode()
