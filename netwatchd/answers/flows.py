"""The newest flows, or those that are looked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netwatchd.answers import terms
from netwatchd.answers.found import Found
from netwatchd.broadcast.messages import flow_json
from netwatchd.events import Device
from netwatchd.storage import queries, search


@dataclass(frozen=True)
class Like:
    """What must be true of a flow, as people say it; times are in Unix ms."""

    since: int = 0  # first seen then or later
    until: int | None = None  # first seen then or earlier
    before: int | None = None  # its id is lower
    device: str | None = None  # it was put down to this one
    peer: str | None = None  # an address, a network or a device, on either side
    port: str | None = None  # `443` or `tcp/443`, on either side
    protocol: str | None = None
    state: str | None = None  # or several, with commas between them
    text: str | None = None  # as it is typed into a search box

    def terms(self, known: list[Device]) -> Iterator[search.Either]:
        """The same for a search; raises NotFound, Misasked."""
        if self.device is not None:
            yield terms.of_device(self.device, known)
        if self.peer is not None:
            yield terms.of_peer(self.peer, known)
        if self.port is not None:
            yield terms.of_port(self.port)
        if self.protocol is not None:
            yield terms.of_protocol(self.protocol)
        if self.state is not None:
            yield terms.of_states(self.state)
        yield from terms.of_text(self.text or "", known)


def flows(directory: Path, like: Like | None = None, limit: int | None = 50) -> Found:
    """The newest flows that are `like` that, however long it takes; raises NotFound, Misasked, NoDatabase."""
    known = queries.read_core(directory).devices
    found = _search(directory, like or Like(), known, limit, None)
    return Found(list(map(flow_json, found)), known)


def part(directory: Path, like: Like, limit: int, bounds: search.Bounds) -> search.Search:
    """A search for the same within bounds; raises NotFound, Misasked, NoDatabase."""
    return _search(directory, like, queries.read_core(directory).devices, limit, bounds)


def _search(
    directory: Path, like: Like, known: list[Device], limit: int | None, bounds: search.Bounds | None
) -> search.Search:
    wanted = search.Wanted(like.since, like.until, like.before, tuple(like.terms(known)))
    return search.Search(directory, wanted, limit, bounds)
