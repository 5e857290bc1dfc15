"""Channels that POST, within bounds. Nothing follows redirections: they could lead a token elsewhere, or out of TLS."""

import email.utils
import http.client
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from netwatchd import __version__
from netwatchd.alerts import Postponed, Refused
from netwatchd.alerts.line import Line
from netwatchd.config import AlertNtfy, AlertWebhook
from netwatchd.values import Url

TIMEOUT = 10.0  # seconds that connecting, and each further step, may take
MOST_READ = 1024  # bytes of the answer's body that are read: nobody needs more
# Answers that may be others the next time, though they begin with 4 (RFC 9110, RFC 6585, RFC 8470).
PASSING = frozenset((408, 425, 429))


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """How the other side is checked; raises Postponed where the certificates cannot be read."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one, too
        raise Postponed(f"{ca_file} cannot be used: {error.strerror or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # which a system of old may not ask for
    return context


class ByHttp:
    """What channels have in common that send by HTTP: a server, and how it is asked."""

    def __init__(self, settings: AlertNtfy | AlertWebhook, timeout: float = TIMEOUT) -> None:
        """`timeout`: seconds that connecting, and each further step, may take."""
        self.severity = settings.severity
        self._url = settings.url
        self._ca_file = settings.ca_file
        self._timeout = timeout

    @property
    def place(self) -> str:
        """The server. Not the path: in it services have their tokens, and a topic is the password of its readers."""
        return self._url.place if self._url else ""

    def post(self, body: bytes, headers: Mapping[str, str], line: Line) -> None:
        """Sends `body`, and returns when the other side has taken it; raises Postponed or Refused."""
        assert self._url
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise Refused("a token should be printable ASCII")  # the library would say it, and the token too
        headers = {"User-Agent": f"netwatchd/{__version__}", "Connection": "close"} | dict(headers)
        with closing(self._connection(self._url)) as connection:
            line.holds_connection(connection)
            try:
                connection.connect()
                line.holds_connection(connection)  # again: while it had no socket, nothing was there to be cut
                connection.request("POST", self._url.path, body, headers)
                response = connection.getresponse()
                said = response.read(MOST_READ)
            except (OSError, http.client.HTTPException) as error:
                raise Postponed(f"{self.place}: {reason_of(error, self._timeout)}") from None
        _judge(self._url, response, said)

    def _connection(self, url: Url) -> http.client.HTTPConnection:
        if not url.secure:
            return http.client.HTTPConnection(url.host, url.port, timeout=self._timeout)
        context = trust(self._ca_file)
        return http.client.HTTPSConnection(url.host, url.port, timeout=self._timeout, context=context)


def reason_of(error: Exception, timeout: float) -> str:
    """What is wrong with a connection, in words; each step of it may take `timeout` seconds."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"what answers speaks no HTTP ({type(error).__name__})"


def _judge(url: Url, response: http.client.HTTPResponse, said: bytes) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    words = "".join(letter if letter.isprintable() else " " for letter in said.decode(errors="replace"))[:200].strip()
    why = f"{url.place} answers {status} {http.client.responses.get(status, '')}".rstrip() + (words and f": {words}")
    if status in PASSING or status >= 500:
        raise Postponed(why, _retry_after(response.headers.get("Retry-After")))
    if 300 <= status < 400:
        raise Refused(f"{url.place} answers {status}: it sends elsewhere, which is not followed; write the new address")
    raise Refused(why)


def _retry_after(text: str | None) -> float:
    """Seconds that the other side wants to be left alone (RFC 9110 section 10.2.3); 0 where it does not say."""
    if not text:
        return 0.0
    if text.strip().isdecimal() and text.isascii():
        return float(text[:9])
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0
