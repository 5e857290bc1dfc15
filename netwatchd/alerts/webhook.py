"""A webhook: JSON by POST. By its signature the receiver knows who sent it, and by the time in that, that it is new.

Netwatchd-Signature: sha256=HEX, HEX = HMAC-SHA256(secret, Netwatchd-Timestamp + "." + body)
"""

import hashlib
import hmac
import json
import time

from netwatchd.alerts import Message
from netwatchd.alerts.credentials import secret
from netwatchd.alerts.http import post
from netwatchd.alerts.line import Line
from netwatchd.config import AlertWebhook


class Webhook:
    """Sends to an address of HTTP."""

    name = "webhook"

    def __init__(self, settings: AlertWebhook) -> None:
        self._settings = settings
        self.severity = settings.severity

    @property
    def place(self) -> str:
        """The server. Not the path, in which services have their tokens."""
        return self._settings.url.place if self._settings.url else ""

    def send(self, message: Message, line: Line) -> None:
        """Sends a message; raises Postponed or Refused."""
        settings = self._settings
        assert settings.url
        body = json.dumps(message.json, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "Netwatchd-Id": message.id, "Netwatchd-Event": message.event}
        if key := secret(settings.secret, settings.secret_file):
            moment = str(int(time.time()))
            headers |= {"Netwatchd-Timestamp": moment, "Netwatchd-Signature": f"sha256={signature(key, moment, body)}"}
        post(settings.url, body, headers, settings.ca_file, line)


def signature(key: str, moment: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over the time and the body, in hexadecimal."""
    return hmac.new(key.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
