"""People who log in at the dashboard and enroll an authenticator on the gate's own pages."""

import base64
import hashlib
import hmac
import http.client
import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

LIMIT = 30


def people(port, count):
    """The cookies of so many people with verified sessions, as their browsers send them."""
    with ThreadPoolExecutor(8) as together:
        return list(together.map(lambda number: person(port, f"user-{number:06}"), range(count)))


def person(port, login):
    theirs = f"theme=dark; login={login}; timezone=Europe%2FBerlin"
    browser = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    stopped = ask(browser, "GET", "/1k", theirs)
    expect(stopped.status == 303, f"{login} passes without a second factor", stopped)
    pending = cookie(stopped)
    shown = ask(browser, "GET", stopped.getheader("location"), f"{theirs}; {pending}")
    secret = re.search(r"[?&;]secret=([A-Z2-7]+)", shown.text)
    expect(secret is not None, f"{login} is shown no key", shown)
    form = urlencode({"code": code(secret[1]), "next": "/1k"})
    confirmed = ask(browser, "POST", "/_2fa/enroll", f"{theirs}; {pending}", form)
    expect(confirmed.status == 200, f"the code of {login} is refused", confirmed)
    cookies = f"{theirs}; {cookie(confirmed)}"
    passed = ask(browser, "GET", "/1k", cookies)
    expect(passed.status == 200 and len(passed.text) == 1024, f"{login} does not pass", passed)
    return cookies


def ask(browser, method, target, cookies, form=None):
    fields = {"Cookie": cookies, "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    if form is not None:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    browser.request(method, target, form, fields)
    answer = browser.getresponse()
    answer.text = answer.read().decode()
    return answer


def cookie(answer):
    set_cookie = answer.getheader("set-cookie")
    expect(set_cookie is not None, "no session was opened", answer)
    return set_cookie.split(";")[0]


def expect(holds, otherwise, answer):
    if not holds:
        raise RuntimeError(f"{otherwise}: {answer.status} {answer.headers}\n{answer.text[:300]}")


def code(secret):
    """RFC 6238 with SHA-1, six digits and 30 seconds."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset:offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"
