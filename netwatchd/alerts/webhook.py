"""A webhook: JSON by POST. By its signature the receiver knows who sent it, and by the time in that, that it is new.

Netwatchd-Signature: sha256=HEX, HEX = HMAC-SHA256(secret, Netwatchd-Timestamp + "." + body)
"""

import hashlib
import hmac
import json
import time

from netwatchd.alerts import Message
from netwatchd.alerts.credentials import secret
from netwatchd.alerts.http import TIMEOUT, ByHttp
from netwatchd.alerts.line import Line
from netwatchd.config import AlertWebhook


class Webhook(ByHttp):
    """Sends to an address of HTTP."""

    name = "webhook"

    def __init__(self, settings: AlertWebhook, timeout: float = TIMEOUT) -> None:
        super().__init__(settings, timeout)
        self._settings = settings

    def send(self, message: Message, line: Line) -> None:
        """Sends a message; raises Postponed or Refused."""
        settings = self._settings
        body = json.dumps(message.json, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "Netwatchd-Id": message.id, "Netwatchd-Event": message.event}
        if key := secret(settings.secret, settings.secret_file):
            moment = str(int(time.time()))
            headers |= {"Netwatchd-Timestamp": moment, "Netwatchd-Signature": f"sha256={signature(key, moment, body)}"}
        self.post(body, headers, line)


def signature(key: str, moment: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over the time and the body, in hexadecimal."""
    return hmac.new(key.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
