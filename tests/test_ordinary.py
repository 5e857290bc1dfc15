"""An ordinary home is told nothing but what is true: no alert by an hour without Internet, a dead NAS, a restart."""

import heapq
from collections.abc import Callable, Iterable

import pytest
from detector_kit import NOON
from ingest_kit import Recorder, devices_of, sighting
from ordinary import AT, HOUR, MAC, MINUTE, NAMES, WAYS, Home, Talk, in_order, living, observed, street

from netwatchd import config
from netwatchd.clock import Now
from netwatchd.detectors.panel import Panel
from netwatchd.events import SEVERITIES, Flow, FlowBatch, Threat
from netwatchd.ingest.detection import Detection
from netwatchd.ingest.threats import Threats

ALERT = SEVERITIES.index("medium")
_OWNERS = {AT[name]: MAC[name] for name in NAMES}


class Watch:
    """A daemon's detectors and threats, as they are shown the days of a home."""

    def __init__(self, way: str, home: Home, restart: float | None = None) -> None:
        self.way, self.home = way, home
        self.alerts: list[Threat] = []
        seen = Recorder()
        devices = devices_of(seen)
        devices.see([sighting(MAC[name], ips=(AT[name],), time=NOON) for name in NAMES], Now(NOON, 0.0))
        self.rows = seen.threats
        self._threats = Threats(devices, seen, seen, alert=self.alerts.append)
        self._begin(None)
        self._restart = restart
        self._known: set[int] = set()

    def _begin(self, before: Panel | None) -> None:
        self._panel = Panel(config.Config(), street())
        if before is not None:
            self._panel.recall(before.notes())
        self._detection = Detection(self._panel, self._threats)

    def run(self) -> "Watch":
        """All of it, by half seconds."""
        talks = list(self.home.talks())
        flows = ((at, 0, flow) for at, flow in in_order(talks, WAYS[self.way]))
        others = observed(self.home) if self.way == "capture" else ()
        ticked, batch = 0.0, list[Flow]()
        for at, kind, each in heapq.merge(flows, ((at, 1, each) for at, each in others), key=lambda each: each[0]):
            now = Now(NOON + int(at * 1000), at)
            if at >= ticked + 0.5:
                ticked = at
                self._show(batch, now)
                if self._restart is not None and at >= self._restart:
                    self._restarted(talks, now)
                self._detection.tick(now.wall)
            if kind:
                self._detection.observations([each], now)
            else:
                batch.append(each)
        self._show(batch, now)
        return self

    def _show(self, batch: list[Flow], now: Now) -> None:
        new = [each.id not in self._known for each in batch]
        self._known.update(each.id for each in batch)
        owners = [_OWNERS.get(each.src_ip) or _OWNERS.get(each.dst_ip) for each in batch]
        self._detection.flows(FlowBatch(list(batch), owners), [int(each) for each in new], now)
        batch.clear()

    def _restarted(self, talks: Iterable[Talk], now: Now) -> None:
        """What lives is told anew, all at once; nothing is known of flows any more."""
        assert self._restart is not None
        self._begin(self._panel)
        self._known.clear()
        self._show(list(living(talks, self._restart, self.way)), now)
        self._restart = None

    @property
    def told(self) -> list[Threat]:
        """The alerts, but that the SSH server, which is open to the world, is tried: that is true."""
        alerts = [each for each in self.alerts if SEVERITIES.index(each.severity) >= ALERT]
        return [each for each in alerts if (each.kind, each.target) != ("brute_force", "192.168.1.3:22")]

    def sentences(self) -> list[str]:
        """All that was told, for who wants to know what should not have been."""
        return [f"{each.severity} {each.kind} {each.description}" for each in self.alerts]


def hard_day(home: Home, scale: float = 1.0) -> Home:
    """The line is dead for an hour, then the NAS, then a server."""
    home.uplink_dead = [(2 * HOUR * scale, 3 * HOUR * scale)]
    home.dead = {"nas": [(4 * HOUR * scale, 5 * HOUR * scale)], "server": [(5.5 * HOUR * scale, 5.7 * HOUR * scale)]}
    return home


@pytest.mark.parametrize("way", ["conntrack", pytest.param("capture", marks=pytest.mark.slow), "netflow"])
def test_minutes_of_everything_yield_no_alert_that_is_not_true(way: str) -> None:
    watch = Watch(way, hard_day(Home(0.2), 0.03), restart=5 * MINUTE).run()
    assert not watch.told, watch.sentences()


@pytest.mark.slow
@pytest.mark.parametrize("restart", [None, 2.5 * HOUR, 3.01 * HOUR, 4.5 * HOUR])
@pytest.mark.parametrize("way", WAYS)
def test_a_day_yields_no_alert_that_is_not_true(way: str, restart: float | None) -> None:
    watch = Watch(way, hard_day(Home(7)), restart).run()
    assert not watch.told, watch.sentences()
    # What is true of the open SSH server takes few rows, however many try.
    assert sum(each.kind == "brute_force" for each in watch.rows.values()) <= 5, watch.sentences()
    assert len(watch.rows) < 20, watch.sentences()


def scanning_kid(home: Home) -> Iterable[Talk]:
    """nmap, once."""
    for port in range(1, 500):
        yield from home.talk(300 + port / 50, "kid", "nas", port, refused=port % 3 > 0, silent=port % 3 == 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", [scanning_kid])
def test_what_is_no_ordinary_thing_is_told_among_all_that(way: str, what: Callable[[Home], Iterable[Talk]]) -> None:
    home = Home(0.12)
    home.besides = list(what(home))
    told = {(each.kind, each.device, each.target) for each in Watch(way, home).run().told}
    assert told == {("port_scan", MAC["kid"], "192.168.1.2")}
