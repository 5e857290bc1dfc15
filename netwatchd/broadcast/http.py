"""The little HTTP that is spoken before the upgrade: one request is read within limits, one reply is written.

h11 parses (wsproto brings it along); whatever is no request that we serve becomes a Refusal with its proper reply.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import h11

MOST_HEADER = 16384  # bytes of request line and headers
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

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client asks for WebSocket (RFC 6455 section 4.2.1)."""
        return "websocket" in self.headers.get("upgrade", "").lower()


def read_request(receive: Callable[[], bytes]) -> Request | None:
    """The request that `receive` brings piece by piece; None where the client leaves before it is whole.

    Raises Refusal where it is none; whatever `receive` raises passes through.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEADER)
    try:
        while (event := parser.next_event()) is h11.NEED_DATA:
            if not (data := receive()):
                return None
            parser.receive_data(data)
    except h11.RemoteProtocolError as error:
        status = error.error_status_hint if error.error_status_hint in _REASONS else 400
        if status == 431:
            raise Refusal(status, "the request is too long", "too_long") from error
        # Without h11's own words, which may repeat what was sent, whatever that was.
        raise Refusal(status, "this is no HTTP request that can be served here", "bad_request") from error
    if not isinstance(event, h11.Request):
        return None
    return _request(event, parser.trailing_data[0])


def _request(event: h11.Request, rest: bytes) -> Request:
    target = event.target.decode("latin-1")
    try:
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query, max_num_fields=20).items()}
    except ValueError as error:
        raise Refusal(400, "the request's target cannot be read", "bad_request") from error
    return Request(
        method=event.method.decode("latin-1"),
        target=target,
        path=url.path,
        query=query,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers},
        version=event.http_version.decode("latin-1"),
        raw_headers=list(event.headers.raw_items()),
        rest=rest,
    )


def reply(status: int, content: str | bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole reply, after which the connection is closed."""
    body = content.encode(errors="replace") if isinstance(content, str) else content
    lines = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
    } | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n{head}\r\n".encode("latin-1") + body
