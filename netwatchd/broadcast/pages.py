"""What is served over plain HTTP, before and beside the WebSocket: the page, the answers behind it, health, status.

The page's files hold nothing that is not public, and are served to whoever may reach the port; what they show comes by
the WebSocket and by /api, which want the token.
"""

import time

from netwatchd.addresses import Address
from netwatchd.broadcast import access, json_text
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import Refusal, Request, reply
from netwatchd.broadcast.offers import Answer, Offers
from netwatchd.broadcast.site import File, Site
from netwatchd.config import Websocket

# All that the page needs comes from here, and it makes no HTML of data. Some browsers do not take a WebSocket for
# 'self', so that it is named.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {socket}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
GUARDS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Frame-Options": "DENY",
}
API = "/api/"
JSON = {"Content-Type": "application/json"}


class Pages:
    """Answers requests that are no WebSocket's. Any thread may call."""

    def __init__(self, settings: Websocket, offers: Offers, guesses: Guesses) -> None:
        self._settings = settings
        self._offers = offers
        self._guesses = guesses
        self._site = Site()

    def reply(self, request: Request, origin: Address) -> bytes:
        """The whole reply; raises Refusal."""
        if request.method != "GET":
            raise Refusal(405, "only GET is served here", "method", {"Allow": "GET"})
        if request.path == "/healthz":
            ill = self._offers.ill()
            return reply(503, f"{ill}\n") if ill else reply(200, "ok\n")
        if request.path == "/ws":
            raise Refusal(426, "this is a WebSocket; connect with ws://", "bad_request", {"Upgrade": "websocket"})
        if file := self._site.file(request.path):
            access.check_host(request, self._settings.allowed_origins)
            return self._file(file, request)
        if request.path == "/status" or request.path.startswith(API):
            self._check(request, origin)
            if request.path == "/status":
                return reply(200, json_text.text_of(self._offers.status()) + "\n", JSON)
            return self._answer(self._offers.answer(request.path.removeprefix(API), request.query), request)
        raise Refusal(404, "there is nothing here; the page is at /, the WebSocket at /ws", "not_found")

    def _check(self, request: Request, origin: Address) -> None:
        access.check_origin(request, self._settings.allowed_origins)
        access.check_host(request, self._settings.allowed_origins)
        self._guesses.check(request, origin, time.monotonic())

    def _answer(self, answer: Answer, request: Request) -> bytes:
        headers = JSON | answer.headers
        if answer.headers.get("ETag") in _tags(request):
            return reply(304, b"", headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return reply(200, answer.zipped, headers | {"Content-Encoding": "gzip"})
        return reply(200, json_text.unzipped(answer.zipped), headers)

    def _file(self, file: File, request: Request) -> bytes:
        headers = {
            "Content-Type": file.type, "ETag": file.tag, "Content-Security-Policy": self._policy(request), **GUARDS
        }  # fmt: skip
        if file.tag in _tags(request):
            return reply(304, b"", headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return reply(200, file.zipped, headers | {"Content-Encoding": "gzip"})
        return reply(200, file.content, headers)

    def _policy(self, request: Request) -> str:
        scheme = "wss" if self._settings.tls_certificate else "ws"
        return POLICY.format(socket=f"{scheme}://{request.headers.get('host', '')}")


def _tags(request: Request) -> set[str]:
    """Of which content the client has a copy (RFC 9110 section 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
