"""The little HTTP that is spoken: requests are read within limits, replies are written.

h11 parses (wsproto brings it along); whatever is no request that we serve becomes a Refusal with its proper reply.
Each request gets a parser of its own, and what came behind it goes to the next: so no state of h11's can be carried
over, and who sends several requests at once is answered in their order. A request with a body is the last of its
connection, because nobody looks at the body.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import h11

MOST_HEADER = 16384  # bytes of request line and headers
# What every reply says, unless it says something else: nobody frames it, embeds it, guesses its type or keeps it, and
# where a browser shows it by itself, it can load and do nothing. No Strict-Transport-Security: with a certificate that
# is our own, it would lock the user out when that one is renewed, and it would be for all other services at this name.
GUARDS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_REASONS = {
    200: "OK", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 426: "Upgrade Required", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


class Refusal(Exception):
    """A request is not served: with which status, why (a sentence), and the counter's word for it."""

    def __init__(self, status: int, sentence: str, word: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.word = word
        self.headers = headers or {}


@dataclass(frozen=True)
class Request:
    """A request: header names in lower case; of several with one name the last."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    version: str
    raw_headers: list[tuple[bytes, bytes]] = field(repr=False, default_factory=list)
    rest: bytes = b""  # what came behind it
    goes_on: bool = False  # whether another one may follow on the connection

    @property
    def takes_gzip(self) -> bool:
        """Whether the client understands gzip (RFC 9110 section 12.5.3)."""
        for coding in self.headers.get("accept-encoding", "").split(","):
            name, _, parameters = coding.partition(";")
            if name.strip().lower() == "gzip":
                return parameters.replace(" ", "").rstrip("0.") not in ("q=", "Q=")
        return False

    def has(self, tag: str | None) -> bool:
        """Whether the client has a copy of what this `ETag` stands for (RFC 9110 section 13.1.2)."""
        known = {each.strip().removeprefix("W/") for each in self.headers.get("if-none-match", "").split(",")}
        return tag is not None and bool(known & {tag.removeprefix("W/"), "*"})

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client asks for WebSocket (RFC 6455 section 4.2.1)."""
        return "websocket" in self.headers.get("upgrade", "").lower()


def read_request(receive: Callable[[], bytes], begun: bytes = b"") -> Request | None:
    """The request that `receive` brings piece by piece, behind what has `begun` it; None where the client leaves.

    Raises Refusal where it is none; whatever `receive` raises passes through.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEADER)
    data = begun or receive()
    try:
        parser.receive_data(data)
        while (event := parser.next_event()) is h11.NEED_DATA:
            if not (data := receive()):
                return None
            parser.receive_data(data)
        if not isinstance(event, h11.Request):
            return None
        rest = parser.trailing_data[0]
        # The next request begins behind this one, unless there is a body, or the connection becomes another thing.
        whole = not _has_body(event) and isinstance(parser.next_event(), h11.EndOfMessage)
    except h11.RemoteProtocolError as error:
        status = error.error_status_hint if error.error_status_hint in _REASONS else 400
        if status == 431:
            raise Refusal(status, "the request is too long", "too_long") from error
        # Without h11's own words, which may repeat what was sent, whatever that was.
        raise Refusal(status, "this is no HTTP request that can be served here", "bad_request") from error
    return _request(event, rest, goes_on=whole and parser.their_state is h11.DONE)


def _has_body(event: h11.Request) -> bool:
    """Whether something belongs to a request beyond its headers (RFC 9112 section 6.3)."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in event.headers
    )


def _request(event: h11.Request, rest: bytes, goes_on: bool) -> Request:
    target = event.target.decode("latin-1")
    path, _, query = target.partition("#")[0].partition("?")
    try:
        if not target.startswith("/"):  # absolute form, as proxies are sent it (RFC 9112 section 3.2.2)
            url = urlsplit(target)
            path, query = url.path or "/", url.query
        asked = {name: values[-1] for name, values in parse_qs(query, max_num_fields=20).items()}
    except ValueError as error:
        raise Refusal(400, "the request's target cannot be read", "bad_request") from error
    return Request(
        method=event.method.decode("latin-1"),
        target=target,
        path=path,
        query=asked,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers},
        version=event.http_version.decode("latin-1"),
        raw_headers=list(event.headers.raw_items()),
        rest=rest,
        goes_on=goes_on,
    )


@dataclass(frozen=True)
class Reply:
    """What is to be sent."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes] = ()  # its pieces

    def head(self, idle: float) -> bytes:
        """What goes before the body: the connection stays open for so many seconds, or is closed if 0."""
        lines = GUARDS | self.headers
        lines |= {"Connection": "keep-alive", "Keep-Alive": f"timeout={idle:.0f}"} if idle else {"Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n{head}\r\n".encode("latin-1")


def reply(
    status: int, content: str | bytes | Iterable[bytes], headers: dict[str, str] | None = None, size: int = 0
) -> Reply:
    """A reply with this content, of `size` bytes where it comes in pieces."""
    if isinstance(content, str):
        content = content.encode(errors="replace")
    if isinstance(content, bytes):
        content, size = (content,), len(content)
    return Reply(status, {"Content-Length": str(size)} | (headers or {}), content)


def unchanged(headers: dict[str, str]) -> Reply:
    """The reply to who has a copy of what he asks for (RFC 9110 section 15.4.5)."""
    return Reply(304, {name: value for name, value in headers.items() if name != "Content-Type"})
