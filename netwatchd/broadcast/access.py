"""What a request shows: the token, the page that a browser speaks for, and the name under which we were reached.

A browser lets any page open a WebSocket to anywhere, and says in `Origin` which page it is (RFC 6455 section 10.2).
A page of an attacker may also have its own name point to our address (DNS rebinding): then Origin and Host agree, but
the name is none of ours. So a Host that is a name must be `localhost` or this machine's.
"""

import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from netwatchd.broadcast.http import Refusal, Request

TOKEN_PROTOCOL = "netwatchd.token."  # noqa: S105 - the subprotocol in which browsers, who can set no header, show it
_DEFAULT_PORTS = {"http": 80, "https": 443}


def shown_token(request: Request) -> str | None:
    """The token that a request shows: as bearer, in the URL or as subprotocol."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    if "token" in request.query:
        return request.query["token"]
    protocol = token_protocol(request)
    return protocol.removeprefix(TOKEN_PROTOCOL) if protocol else None


def token_protocol(request: Request) -> str | None:
    """The subprotocol with the token; a browser wants to see it in the reply, or it closes the connection."""
    offered = [word.strip() for word in request.headers.get("sec-websocket-protocol", "").split(",")]
    return next((word for word in offered if word.startswith(TOKEN_PROTOCOL)), None)


def check_origin(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises Refusal where a browser speaks for a page that is not ours."""
    origin = request.headers.get("origin")
    if origin is None or origin.lower() in (known.lower().rstrip("/") for known in allowed):
        return
    page = _split(origin)
    host = request.headers.get("host", "")
    here = _split(f"{page.scheme}://{host}")
    if not page.hostname or (page.hostname, _port(page)) != (here.hostname, _port(here)):
        raise Refusal(403, "this web page is not in allowed_origins", "origin")
    check_host(request, allowed)


def check_host(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises Refusal where we were reached under a name that is none of ours, nor of an allowed origin."""
    name = _split(f"//{request.headers.get('host', '')}").hostname or ""
    names = _own_names() | {_split(origin).hostname for origin in allowed}
    if not _is_address(name) and name not in names:
        raise Refusal(403, f"{name!r} is not this machine's name; use its address", "host")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.lower())
        _ = parts.port  # raises where it is no number
    except ValueError:
        return urlsplit("")
    return parts


def _port(url: SplitResult) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _own_names() -> set[str]:
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    return {"localhost", own, short, f"{short}.local"}
