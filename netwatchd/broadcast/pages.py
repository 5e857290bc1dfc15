"""What is served over plain HTTP, before and beside the WebSocket: the page, the answers behind it, health, status.

The page's files hold nothing that is not public, and are served to whoever may reach the port; what they show comes by
the WebSocket and by /api, which want the token.
"""

import gzip
import logging
import time
from dataclasses import replace

from netwatchd.addresses import Address
from netwatchd.broadcast import access, json_text
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import Refusal, Reply, Request, reply, unchanged
from netwatchd.broadcast.offers import Answer, Metrics, Offers
from netwatchd.broadcast.site import File, Site
from netwatchd.config import Websocket

log = logging.getLogger(__name__)

# All that the page needs comes from here, and it makes no HTML of data. Some browsers do not take a WebSocket for
# 'self', so that it is named.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{socket}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
API = "/api/"
JSON = {"Content-Type": "application/json", "Vary": "Accept-Encoding"}


class Pages:
    """Answers requests that are no WebSocket's. Any thread may call."""

    def __init__(self, settings: Websocket, offers: Offers, guesses: Guesses, site: Site | None = None) -> None:
        self._settings = settings
        self._offers = offers
        self._guesses = guesses
        self._site = site or Site()

    def reply(self, request: Request, origin: Address) -> Reply:
        """The reply; raises Refusal."""
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "only GET and HEAD are served here", "method", {"Allow": "GET, HEAD"})
        access.check_host(request, self._settings.allowed_origins)
        found = self._found(request, origin)
        return replace(found, body=()) if request.method == "HEAD" else found

    def _found(self, request: Request, origin: Address) -> Reply:
        try:
            file = self._site.file(request.path)
        except OSError as error:  # as while an update replaces them
            # Which file, is nobody's business who has shown no token.
            log.error("the page cannot be read: %s", error, extra={"repeat": "broadcast.page"})
            raise Refusal(503, "the page cannot be read now", "no_answer", {"Retry-After": "10"}) from error
        if file:
            return self._file(file, request)
        if request.path == "/healthz":
            self._check(request, origin, is_open_here=True)
            ill = self._offers.ill()
            return reply(503, f"{ill}\n", {"Retry-After": "10"}) if ill else reply(200, "ok\n")
        if request.path == "/metrics":
            self._check(request, origin, is_open_here=True)
            return _exposition(self._offers.metrics(request.headers.get("accept", "")), request)
        if request.path == "/status":
            self._check(request, origin)
            return reply(200, json_text.text_of(self._offers.status()) + "\n", JSON)
        if request.path.startswith(API):
            self._check(request, origin)
            return _answer(self._offers.answer(request.path.removeprefix(API), request.query), request)
        if request.path == "/ws":
            raise Refusal(426, "this is a WebSocket; connect with ws://", "bad_request", {"Upgrade": "websocket"})
        raise Refusal(404, "there is nothing here; the page is at /, the WebSocket at /ws", "not_found")

    def _check(self, request: Request, origin: Address, is_open_here: bool = False) -> None:
        """Raises Refusal where nothing may be told; `is_open_here`: who asks from this machine needs no token."""
        access.check_site(request, self._settings.allowed_origins)
        access.check_origin(request, self._settings.allowed_origins)
        if not (is_open_here and access.is_here(request, origin)):
            self._guesses.check(request, origin, time.monotonic())

    def _file(self, file: File, request: Request) -> Reply:
        # It may be kept, but must be asked for anew each time: after an update of netwatchd the new page is seen at
        # once, whole, and not a mixture of both.
        headers = {
            "Content-Type": file.type, "ETag": file.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
            "Content-Security-Policy": self._policy(request),
        }  # fmt: skip
        if request.has(file.tag):
            return unchanged(headers)
        if request.takes_gzip:
            return reply(200, file.zipped, headers | {"Content-Encoding": "gzip"})
        return reply(200, file.content, headers)

    def _policy(self, request: Request) -> str:
        scheme = "wss" if self._settings.tls_certificate else "ws"
        host = request.headers.get("host", "")
        # A policy has no way to write an IPv6 address (CSP 3, section 2.3.1): there, 'self' has to do.
        return POLICY.format(socket="" if "[" in host else f" {scheme}://{host}")


def _exposition(told: Metrics, request: Request) -> Reply:
    headers = {"Content-Type": told.type, "Vary": "Accept, Accept-Encoding"}
    if request.takes_gzip:
        return reply(200, gzip.compress(told.text, 1), headers | {"Content-Encoding": "gzip"})
    return reply(200, told.text, headers)


def _answer(answer: Answer, request: Request) -> Reply:
    headers = JSON | answer.headers
    if request.has(answer.headers.get("ETag")):
        return unchanged(headers)
    if request.takes_gzip:
        return reply(200, answer.zipped, headers | {"Content-Encoding": "gzip"})
    return reply(200, json_text.unzipped(answer.zipped), headers, answer.size)
