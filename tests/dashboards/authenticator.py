"""An authenticator app: RFC 6238 with SHA-1, 6 digits and 30 seconds."""

import base64
import hashlib
import hmac
import time

from programs import until

STEP = 30
# Seconds that sending a code may take before its step is over.
MARGIN = 5


class Authenticator:
    def __init__(self, secret):
        self.key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        self.step = 0

    def code(self):
        """The earliest code that is still good and was not shown before. Three are good at any moment."""

        def earliest():
            return max(self.step + 1, int((time.time() + MARGIN) // STEP) - 1)

        until("the next code is good", lambda: earliest() <= time.time() // STEP + 1, 2 * STEP)
        self.step = earliest()
        return self.code_at(self.step)

    def code_at(self, step):
        mac = hmac.digest(self.key, step.to_bytes(8, "big"), hashlib.sha1)
        start = mac[-1] & 0xF
        number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"
