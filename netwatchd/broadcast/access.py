"""What a request shows: the token, the page that a browser speaks for, and the name under which we were reached.

A browser lets any page open a WebSocket to anywhere, and says in `Origin` which page it is (RFC 6455 section 10.2).
A page of an attacker may also have its own name point to our address (DNS rebinding): then Origin and Host agree, but
the name is none of ours. So a Host that is a name must be `localhost` or this machine's.
"""

import re
import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from netwatchd.addresses import Address
from netwatchd.broadcast.http import Refusal, Request

TOKEN_PROTOCOL = "netwatchd.token."  # noqa: S105 - the subprotocol in which browsers, who can set no header, show it
# By which a proxy says that it speaks for somebody, and for whom (RFC 7239, RFC 8586, RFC 9110 section 7.6.3).
_PROXIED = re.compile(r"forwarded|x-forwarded.*|via|cdn-loop|.*(real|client|connecting)-ip")
_LOOPBACK = bytes(8) + bytes(8)  # of ::1 the /64, as `origin_of` has it: nobody has another address of that
_HOST = re.compile(r"[A-Za-z0-9._~%-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")  # it becomes part of our own policy
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
    if origin is None or _is_allowed(origin, allowed):
        return
    page = _split(origin)
    host = request.headers.get("host", "")
    here = _split(f"{page.scheme}://{host}")
    if not page.hostname or (page.hostname, _port(page)) != (here.hostname, _port(here)):
        raise Refusal(403, "this web page is not in allowed_origins", "origin")
    check_host(request, allowed)


def check_site(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises Refusal where a browser says that it asks for another site's sake (Fetch Metadata, `Sec-Fetch-Site`).

    A page could not read the answer, but might learn from how long it took; and of a request for an image or a script,
    there is no `Origin`. What the user has typed into the address bar is for nobody's sake: `none`.
    """
    site = request.headers.get("sec-fetch-site", "none").lower()
    if site not in ("none", "same-origin") and not _is_allowed(request.headers.get("origin"), allowed):
        raise Refusal(403, "this is not told to another web page", "origin")


def is_here(request: Request, origin: Address) -> bool:
    """Whether it is this machine that asks, and not a proxy on it for somebody else.

    A proxy shows itself by a header. One that sends none cannot be told from a program of this machine: docs say so.
    """
    local = origin >> 24 == 127 if isinstance(origin, int) else origin == _LOOPBACK
    return local and not any(map(_PROXIED.fullmatch, request.headers))


def _is_allowed(origin: str | None, allowed: tuple[str, ...]) -> bool:
    return origin is not None and origin.lower() in (known.lower().rstrip("/") for known in allowed)


def check_host(request: Request, allowed: tuple[str, ...]) -> None:
    """Raises Refusal where we were reached under a name that is none of ours, nor of an allowed origin.

    Who says none at all, as HTTP/1.0 may, is no browser, which is what could be deceived.
    """
    if "host" not in request.headers:
        return
    if not _HOST.fullmatch(request.headers["host"]):
        raise Refusal(400, "the Host header cannot be read", "bad_request")
    name = _split(f"//{request.headers.get('host', '')}").hostname or ""
    names = _own_names() | {_split(origin).hostname for origin in allowed}
    if not _is_address(name) and name not in names:
        raise Refusal(403, f"{name!r:.80} is not this machine's name; use its address", "host")


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
