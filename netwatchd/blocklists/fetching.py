"""Fetches a list by HTTP, and nothing else: only http and https, TLS verified, within a size and a time.

The answer is unpacked (gzip, as an encoding or as a file) while it comes, so that a small one that unpacks to a huge
one ends at the limit. What came is in a file then; nothing of it is looked at here but whether it is complete.
"""

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from netwatchd import __version__
from netwatchd.blocklists.answers import Answer, Failed, Limits

_REDIRECTS = 5
_CHUNK = 65_536
_GZIP = b"\x1f\x8b"


class _Redirects(HTTPRedirectHandler):
    """Follows a few redirects, to http and https only, and never from TLS to plain text."""

    max_redirections = _REDIRECTS
    max_repeats = 2

    def redirect_request(  # as urllib calls it
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        _check_scheme(req.type, urlsplit(newurl).scheme)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Deadline(HTTPHandler, HTTPSHandler):
    """Opens connections, and ends them when the time is over: the library waits for every next byte of a header anew.

    A context: beyond it nothing is ended any more.
    """

    def __init__(self, seconds: float) -> None:
        HTTPHandler.__init__(self)
        HTTPSHandler.__init__(self, context=ssl.create_default_context())
        self._tls = ssl.create_default_context()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def http_open(self, req: Request) -> Any:
        """A connection in plain text."""
        return self.do_open(self._held(http.client.HTTPConnection), req)

    def https_open(self, req: Request) -> Any:
        """One with TLS."""
        return self.do_open(self._held(http.client.HTTPSConnection), req, context=self._tls)

    def _held(self, kind: type[http.client.HTTPConnection]) -> Any:
        sockets = self._sockets

        class Held(kind):  # type: ignore[valid-type,misc]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Held

    def _end(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)


def fetch(url: str, target: Path, limits: Limits, etag: str = "", modified: str = "") -> Answer | None:
    """Fetches `url` into the file `target`; None where it has not changed since `etag` and `modified`.

    Raises Failed; or OSError where the file cannot be written.
    """
    headers = {"User-Agent": f"netwatchd/{__version__}", "Accept-Encoding": "gzip"}
    if etag:
        headers["If-None-Match"] = etag
    if modified:
        headers["If-Modified-Since"] = modified
    deadline = time.monotonic() + limits.seconds
    with _failing(), _Deadline(limits.seconds) as held:
        request = Request(url, headers=headers)  # noqa: S310  # its schemes are those of the opener
        with _opener(held).open(request, timeout=limits.silence) as answer:
            return _save(answer, target, limits, deadline)
    return None


def read_file(source: Path, target: Path, limits: Limits) -> Answer:
    """The same from a file here, which may be packed, too; raises Failed or OSError."""
    if not source.is_file():
        raise Failed("there is no such file")
    with source.open("rb") as file, target.open("wb") as out:
        saved = _Saving(out, limits.size, unpack=None)
        while chunk := file.read(_CHUNK):
            saved.take(chunk)
        return Answer("", "", *saved.finish())


def _opener(held: _Deadline) -> OpenerDirector:
    opener = OpenerDirector()
    handlers = (
        ProxyHandler(), UnknownHandler(), held, HTTPDefaultErrorHandler(), _Redirects(), HTTPErrorProcessor(),
    )  # fmt: skip
    for handler in handlers:
        opener.add_handler(handler)
    return opener


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """What the library raises, as a sentence; that nothing has changed passes without one."""
    try:
        yield
    except HTTPError as error:
        with error:
            if error.code != http.client.NOT_MODIFIED:
                raise _refusal(error) from error
    except ssl.SSLCertVerificationError as error:
        raise Failed(f"its certificate is not trusted: {error.verify_message}") from error
    except URLError as error:
        cause = error.reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Failed(f"its certificate is not trusted: {cause.verify_message}") from error
        raise Failed(f"cannot reach the server: {_reason(cause)}") from error
    except (TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise Failed(f"the server broke off: {_reason(error)}") from error
    except (http.client.HTTPException, zlib.error, ValueError) as error:
        raise Failed(f"what came is no proper answer: {error or type(error).__name__}") from error
    except OSError as error:
        if isinstance(error, CannotWrite):
            raise
        raise Failed(f"the server broke off: {_reason(error)}") from error


def _refusal(error: HTTPError) -> Failed:
    """What a server says that does not give the list."""
    if error.code in (301, 302, 303, 307, 308):
        _check_scheme("", urlsplit(error.headers.get("Location") or "http:").scheme)
        return Failed("it is redirected again and again")
    return Failed(f"the server answers {error.code} {error.reason}".strip(), _retry(error.headers))


def _check_scheme(before: str, scheme: str) -> None:
    """Raises Failed where a redirect must not be followed."""
    if scheme not in ("", "http", "https"):
        raise Failed(f"it is redirected to {scheme}:, which is not followed")
    if before == "https" and scheme == "http":
        raise Failed("it is redirected from https to http, which is not followed")


def _reason(error: Any) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _retry(headers: Any) -> float:
    """Retry-After in seconds (RFC 9110 section 10.2.3), a day at most; a date is not read, as clocks differ."""
    told = (headers.get("Retry-After") or "").strip() if headers else ""
    return min(float(told), 86_400.0) if told.isascii() and told.isdecimal() and len(told) < 9 else 0


def _save(answer: Any, target: Path, limits: Limits, deadline: float) -> Answer:
    told = answer.headers.get("Content-Length") or ""
    if answer.status != http.client.OK:
        raise Failed(f"the server answers {answer.status} {answer.reason}".strip())
    encoding = (answer.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise Failed(f"it is packed as {encoding:.20}, which was not asked for")
    came = 0
    with _opened(target) as out:
        saved = _Saving(out, limits.size, unpack=True if encoding != "identity" else None)
        while chunk := answer.read1(_CHUNK):
            came += len(chunk)
            if came > limits.size:  # also where it unpacks to nothing
                raise Failed(f"it is larger than max_size of [blocklists], {limits.size:,} bytes")
            _check_time(limits, deadline)
            saved.take(chunk)
        _check_time(limits, deadline)  # what was cut off looks like an end
        if told.isascii() and told.isdecimal() and came < int(told):
            raise Failed(f"it broke off: {came:,} of {int(told):,} bytes came")
        size, digest = saved.finish()
    return Answer(answer.headers.get("ETag") or "", answer.headers.get("Last-Modified") or "", size, digest)


def _check_time(limits: Limits, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Failed(f"it takes longer than {limits.seconds:.0f} s")


class CannotWrite(OSError):
    """The file that it is saved to cannot be written: that is not the server's fault."""


def _opened(target: Path) -> IO[bytes]:
    try:
        return target.open("wb")
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror) from error


class _Saving:
    """Unpacks and writes what comes, up to a limit."""

    def __init__(self, out: IO[bytes], most: int, unpack: bool | None) -> None:
        """`unpack`: whether it is packed; None: told by its first bytes."""
        self._out = out
        self._most = most
        self._unpack = unpack
        self._unpacker: Any = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._first = True

    def take(self, chunk: bytes) -> None:
        """Takes in what came next; raises Failed, zlib.error, OSError."""
        if self._first:
            self._first = False
            if self._unpack or chunk.startswith(_GZIP):
                self._unpacker = zlib.decompressobj(31)
        while chunk:
            if self._unpacker is None:
                self._write(chunk)
                return
            self._write(self._unpacker.decompress(chunk, _CHUNK))
            chunk = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if self._unpacker.eof and chunk:
                if not chunk.startswith(_GZIP[: len(chunk)]):
                    raise Failed("behind what was packed there is something else")
                self._unpacker = zlib.decompressobj(31)  # RFC 1952: members one after the other

    def finish(self) -> tuple[int, str]:
        """Size and digest of what was saved; raises Failed where its end is missing."""
        if self._unpacker is not None and not self._unpacker.eof:
            # What was held back because of the limit of one step.
            self._write(self._unpacker.flush())
            if not self._unpacker.eof:
                raise Failed("it broke off: the end of what was packed is missing")
        return self._size, self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise Failed(f"it is larger than max_size of [blocklists], {self._most:,} bytes")
        self._digest.update(data)
        try:
            self._out.write(data)
        except OSError as error:
            raise CannotWrite(error.errno, error.strerror) from error
