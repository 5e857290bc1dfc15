"""A server of lists on this machine, of which tests say what it answers; and lists that are kept from it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from netwatchd import config
from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.blocklists.answers import Limits
from netwatchd.blocklists.lists import Lists
from netwatchd.blocklists.updates import Updates
from netwatchd.config.blocklists import Blocklists
from netwatchd.counters import Counters

OWN = Networks(PRIVATE.split())
ROUTER = parse_address("192.0.2.254")
GOOD = b"# a list\n198.51.100.7\n203.0.113.0/24 ; SBL123\nevil.example # Dridex\n"


@dataclass
class Served:
    """What the server answers, and what it was asked."""

    body: bytes = GOOD
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # what Content-Length says; None: the truth
    stall: threading.Event | None = None  # the body waits for it
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    """Answers as the test wants."""

    served: Served

    def do_GET(self) -> None:
        """One request."""
        served = self.served
        served.asked.append({key.lower(): value for key, value in self.headers.items()} | {"path": self.path})
        etag = served.headers.get("ETag")
        if etag and self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(served.status)
        for name, value in served.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(served.body) if served.length is None else served.length))
        self.end_headers()
        try:
            self.wfile.write(served.body[:10])
            self.wfile.flush()
            if served.stall:
                served.stall.wait(30)
            self.wfile.write(served.body[10:])
        except OSError:
            pass  # whoever asked has left

    def log_message(self, format: str, *args: object) -> None:  # its name is the library's
        """Nothing: tests look at what was asked."""


@contextmanager
def server(**fields: object) -> Iterator[Served]:
    """A server on a port of its own."""
    served = Served(**fields)  # type: ignore[arg-type]
    handler = type("Handler", (_Handler,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        served.url = f"http://127.0.0.1:{running.server_port}/list"
        try:
            yield served
        finally:
            if served.stall:
                served.stall.set()
            running.shutdown()
            thread.join()


def section(text: str, **fields: str) -> Blocklists:
    """[blocklists] with these lists, and other settings as they are written in config.ini."""
    fields = {"lists": text} | fields
    read = {key: each.metadata["read"] for key, each in config.settings_of(Blocklists).items()}
    return Blocklists(**{key: read[key](value) for key, value in fields.items()})


class Keeper:
    """Lists as the daemon keeps them; `look` is what its thread does at each turn."""

    def __init__(self, state: Path, settings: Blocklists, own: Networks = OWN) -> None:
        self.counters = Counters()
        self.lists = Lists(self.counters)
        self.updates = Updates(
            settings,
            own,
            state,
            self.lists,
            self.counters,
            lambda size: Limits(size, seconds=5, silence=0.5),
            lambda: {ROUTER: "a gateway of this machine"},
        )
        self.updates.look()

    def again(self) -> None:
        """Has everything be asked again now, whenever it is due."""
        self.updates.expire()
        self.updates.look()

    def __getitem__(self, name: str) -> dict[str, object]:
        return next(each for each in self.updates.state() if each["name"] == name)


def packed(data: bytes) -> bytes:
    """The same in gzip."""
    return gzip.compress(data, mtime=0)
