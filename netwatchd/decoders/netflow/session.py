"""What is known of one exporter's stream: its templates, rates, clock and numbers.

Templates, rates and boot time belong to an exporter's address and its observation domain. Sequence numbers belong to
the socket that it sends from, too: two processes on one machine are two streams, and may even give the same ids to
different templates. So a stream keeps its own templates, and falls back to those of its domain.
"""

from netwatchd.addresses import Address
from netwatchd.decoders.netflow.clock import TOLERANCE, WRAP, Boot, Clock
from netwatchd.decoders.netflow.halves import Halves, Waiting
from netwatchd.decoders.netflow.header import Header
from netwatchd.decoders.netflow.kept import Budget, Kept
from netwatchd.decoders.netflow.sampling import Sampling
from netwatchd.decoders.netflow.sequence import BEFORE, DATAGRAMS, Sequence
from netwatchd.decoders.netflow.templates import Template, Templates
from netwatchd.events import Origin

# Rates of one stream whose Origins are remembered; records may each name another rate.
_MOST_ORIGINS = 64

# An uptime that falls back by more than datagrams overtake each other is a restart.
_RESTART = 60_000  # ms


class Domain:
    """What one observation domain of an exporter has told."""

    def __init__(self, exporter: Address, number: int, budget: Budget) -> None:
        self.exporter = exporter
        self.number = number
        self.templates = Templates()
        self.sampling = Sampling()
        self.booted: int | None = None  # by its own clock, Unix ms
        self.kept: Kept[tuple[Session, Clock]] = Kept(budget)


class Session:
    """One stream of datagrams."""

    def __init__(self, version: int, port: int, domain: Domain) -> None:
        self.version = version
        self.port = port
        self.domain = domain
        self.templates = Templates()
        self.sequence = Sequence(DATAGRAMS if version == 9 else BEFORE)
        self.datagrams = self.flows = 0
        self.dropped_here = 0  # datagrams, as far as its numbers tell
        self.unexplained = 0  # datagrams that were missed lately and that our socket is not known to have lost
        self.missed = 0  # when that was
        self.sampling = 1  # of the latest flows
        self.clock_trusted = True
        self.last_heard = 0
        self._uptime = 0
        self._boot = Boot()
        self._waiting: dict[tuple[int, bool], Origin] = {}

    def clock(self, header: Header, now: int) -> Clock:
        """How the times of a datagram that came at `now` become ours."""
        trusted = abs(header.export - now) <= TOLERANCE
        export = header.export if trusted else now
        shift = export - header.export
        self.clock_trusted = trusted
        if header.uptime is None:
            return Clock(now, export, 0, export, shift, trusted)
        if header.uptime + _RESTART < self._uptime < WRAP - _RESTART:
            self.sequence.restart()
        self._uptime = header.uptime
        return Clock(now, export, header.uptime, self._boot.base(export, header.uptime), shift, trusted)

    def template(self, number: int) -> Template | None:
        """The template of a data set."""
        return self.templates.get(number) or self.domain.templates.get(number)

    def learn(self, number: int, template: Template | None) -> bool:
        """Keeps a template, or forgets it; whether data can be read that could not before."""
        news = self.templates.learn(number, template)
        return self.domain.templates.learn(number, template) or news

    def waiting(self, halves: Halves, sampling: int, trusted: bool) -> Waiting:
        """Where the halves of its flows wait."""
        origin = self._waiting.get((sampling, trusted))
        if origin is None:
            if len(self._waiting) >= _MOST_ORIGINS:
                self._waiting.clear()
            origin = Origin(self.domain.exporter, self.domain.number, sampling, trusted)
            self._waiting[sampling, trusted] = origin
        return halves.of(origin)
