"""One POST, within bounds. Redirections are not followed: they could lead a token elsewhere, or out of TLS."""

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


def post(url: Url, body: bytes, headers: Mapping[str, str], ca_file: Path | None, line: Line) -> None:
    """Sends `body`, and returns when the other side has taken it; raises Postponed or Refused."""
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise Refused("a token should be printable ASCII")  # the library would say it, and the token too
    if url.secure:
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            url.host, url.port, timeout=TIMEOUT, context=trust(ca_file)
        )
    else:
        made = http.client.HTTPConnection(url.host, url.port, timeout=TIMEOUT)
    headers = {"User-Agent": f"netwatchd/{__version__}", "Connection": "close"} | dict(headers)
    with closing(made) as connection:
        line.holds_connection(connection)
        try:
            connection.connect()
            line.holds_connection(connection)  # again: while it had no socket, nothing was there to be cut
            connection.request("POST", url.path, body, headers)
            response = connection.getresponse()
            said = response.read(MOST_READ)
        except (OSError, http.client.HTTPException) as error:
            raise Postponed(f"{url.place}: {reason_of(error)}") from None
    _judge(url, response, said)


def reason_of(error: Exception) -> str:
    """What is wrong with a connection, in words."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
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
