"""A browser at the gateway, as far as HTTP shows it: its cookies, its navigations, its pages' scripts."""

import http.client
import json
import re
import uuid
from contextlib import closing
from html import unescape
from urllib.parse import urlencode

from authenticator import Authenticator

PATIENCE = 60


class Visitor:
    def __init__(self, gateway):
        self.gateway = gateway
        self.cookies = {}
        # What the dashboard's own script puts into each of its requests, and no navigation carries.
        self.script_fields = {}
        self.authenticator = None
        self.recovery_codes = []

    # What a browser does

    def open(self, path):
        """Goes to an address."""
        return self._request("GET", path, NAVIGATION)

    def submit(self, path, **fields):
        """Sends a form of a page of this origin."""
        fields = {name: value for name, value in fields.items() if value is not None}
        return self._request("POST", path, {**NAVIGATION, **self._own(), **FORM}, urlencode(fields).encode())

    def ask(self, path, method="GET", body=None, fields=None):
        """Has the dashboard's script ask; `body` is sent as JSON."""
        content = {} if body is None else {"content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return self._request(method, path, {**SCRIPT, **self._own(), **content, **(fields or self.script_fields)}, data)

    def send(self, path, **form):
        """Has the dashboard's script send a form."""
        fields = {**SCRIPT, **self._own(), **FORM, **self.script_fields}
        return self._request("POST", path, fields, urlencode(form).encode())

    def upload(self, path, field, name, content):
        """Has the dashboard's script send a file."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
        kind = {"content-type": f"multipart/form-data; boundary={mark}"}
        return self._request("POST", path, {**SCRIPT, **self._own(), **kind, **self.script_fields}, body)

    def listen(self, path):
        """Opens an event stream: the events as JSON, one by one as they arrive."""
        fields = {**SCRIPT, "accept": "text/event-stream", **self.script_fields}
        with closing(self._connect()) as connection:
            response = self._send(connection, "GET", path, fields, None)
            assert response.status == 200, response.status
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    # What people do at the gateway's pages

    def enroll(self, page="/_2fa/enroll"):
        shown = self.open(page)
        assert shown.status == 200, shown
        self.authenticator = Authenticator(shown.one(r'<code id="secret"[^>]*>([A-Z2-7 ]+)</code>').replace(" ", ""))
        done = self.submit("/_2fa/enroll", code=self.authenticator.code())
        self.recovery_codes = re.findall(r"<li><code>([^<]+)</code></li>", done.text)
        assert done.status == 200 and len(self.recovery_codes) == 10, done

    def give_code(self, next=None):
        return self.submit("/_2fa/verify", code=self.authenticator.code(), next=next)

    def _own(self):
        return {"origin": self.gateway.origin, "sec-fetch-site": "same-origin"}

    def _request(self, method, path, fields, body=None):
        with closing(self._connect()) as connection:
            response = self._send(connection, method, path, fields, body)
            return Answer(response, response.read())

    def _connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)

    def _send(self, connection, method, path, fields, body):
        if self.cookies:
            fields = {**fields, "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        for cookie in response.headers.get_all("set-cookie", []):
            self._keep(cookie)
        return response

    def _keep(self, cookie):
        pair, *attributes = [part.strip() for part in cookie.split(";")]
        name, value = pair.split("=", 1)
        attributes = [attribute.lower() for attribute in attributes]
        if "secure" in attributes:  # Not kept from a plain-HTTP address.
            return
        over = "max-age=0" in attributes or any(a.startswith("expires=") and "1970" in a for a in attributes)
        if over:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.fields = response.headers
        self.text = body.decode(errors="replace")

    @property
    def location(self):
        return self.fields["location"]

    def json(self):
        return json.loads(self.text)

    def one(self, pattern):
        found = re.findall(pattern, self.text)
        assert len(found) == 1, f"{pattern} is there {len(found)} times: {self}"
        return unescape(found[0])

    def __repr__(self):
        return f"{self.status} {dict(self.fields)}\n{self.text[:2000]}"


NAVIGATION = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
SCRIPT = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
