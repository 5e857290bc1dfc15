"""What the daemon tells of itself: the status that operators ask for, the statistics for clients, one line for logs."""

import logging
from typing import TYPE_CHECKING, Any

from netwatchd import __version__, budget, clock, ledger
from netwatchd.clock import Now
from netwatchd.events import Status
from netwatchd.ledger import total
from netwatchd.sights import sights
from netwatchd.storage import retention, wear

if TYPE_CHECKING:
    from netwatchd.daemon import Daemon

log = logging.getLogger(__name__)

DAY = 86400.0


class Report:
    """Reads the daemon's parts, and keeps the book of the day; any thread may ask."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon
        self._disk = wear.DiskMeter()
        self._growth = wear.Growth()
        self._day = wear.day_of(clock.now().wall)
        self._before: dict[str, Any] = {}  # the counters as they were when the day began
        self._written = self._disk.written() or 0  # likewise
        self._begun = daemon.started.steady

    def remember(self, note: str | None) -> None:
        """Takes in what an earlier run has noted of the databases' growth."""
        self._growth.remember(note)
        self.budget(retention.size_of(self._daemon.storage.directory), clock.now())

    def status(self) -> dict[str, Any]:
        """What an operator asks first."""
        daemon = self._daemon
        counts = daemon.counters.tree()
        database = daemon.storage.get_database_stats() | {"directory": str(daemon.storage.directory)}
        messages = daemon.broadcaster.queued
        return {
            "running": True,
            "version": __version__,
            "since": daemon.started.wall,
            "sources": [
                {"name": name, "state": supervisor.state, "reason": supervisor.reason}
                for name, supervisor in daemon.sources.items()
            ],
            "sights": self._sights(),
            "exporters": daemon.exporters(),
            "blocklists": daemon.blocklists.state(),
            "alerts": daemon.alerts.status(),
            "learning_until": daemon.watching.learning_until(),
            "counters": counts,
            "last_error": database["last_error"],
            "waiting": daemon.inboxes.waiting() | {"messages": messages},
            **self.stats(),
            "ledger": ledger.reckon(
                counts,
                [(name, supervisor.state) for name, supervisor in daemon.sources.items()],
                ledger.Stages(daemon.inboxes.seen(), daemon.storage.waiting(), daemon.flows.held, messages),
            ),
            "budget": self.budget(database["size"], clock.now()),
            "minutes": daemon.flows.throughput.minutes(clock.now()),
            "database": database | {"written_today": self._disk.written_today()},
        }

    def budget(self, size: int, now: Now) -> dict[str, Any]:
        """What the databases, which take `size` bytes, grow and write, and what ends that first."""
        storage, sizes = self._daemon.storage, wear.sizes(self._daemon.storage.directory)
        written, today = self._disk.written(), wear.day_of(now.wall)
        settings = storage.settings
        limits = budget.Limits(
            settings.max_size, retention.part_size(settings.max_size), settings.retention / DAY,
            settings.hourly_retention / DAY,
        )  # fmt: skip
        periods = self._growth.periods(sizes, written or 0, now.steady)
        told = budget.forecast(sizes, size, today, periods, limits)
        if written is None:
            told["written_a_day"] = None
        return {"size": size, "written": written, "written_today": self._disk.written_today(), **told}

    def turn(self) -> None:
        """Ends the day where it is over (UTC): a line in the journal, and a note of how much it brought."""
        now = clock.now()
        if (today := wear.day_of(now.wall)) == self._day:
            return
        storage = self._daemon.storage
        self._tell(f"the day until {_dashed(today)} 00:00 UTC", self._before, self._written, now)
        note = self._growth.turn(wear.sizes(storage.directory), self._disk.written() or 0, now.steady)
        storage.put_note(wear.GROWTH, note)
        self._day, self._before = today, self._daemon.counters.tree()
        self._written, self._begun = self._disk.written() or 0, now.steady

    def say_statistics(self) -> None:
        """One line in the journal with the figures that matter."""
        log.info("%s", self.summary(), extra={"event": "statistics"})

    def say_stopped(self) -> None:
        """The last lines of the journal: what this run has brought, and how it ended."""
        self._begun = self._daemon.started.steady
        self._tell("this run", {}, 0, clock.now())
        log.info("stopped; %s", self.summary(), extra={"event": "stopped"})

    def _tell(self, what: str, before: dict[str, Any], written_before: int, now: Now) -> None:
        """The ledger and the budget in a line, from when the counters were as `before`."""
        counts = ledger.since(before, self._daemon.counters.tree())
        told = self.budget(retention.size_of(self._daemon.storage.directory), now)
        commits = total(counts.get("storage", 0))
        written = "" if told["written"] is None else f"{budget.size_text(told['written'] - written_before)} written in "
        hours = (now.steady - self._begun) / 3600
        log.info(
            "%s (%.1f h): %s; %s%s commits, databases %s; %s",
            what, hours, ledger.line(counts), written, f"{commits:,}", budget.size_text(told["size"]), told["text"],
            extra={"event": "ledger"},
        )  # fmt: skip

    def _sights(self) -> list[dict[str, Any]]:
        """How each kind of threats is seen; its meaning and limits, which stay the same, `doctor` tells."""
        on = {name for name, supervisor in self._daemon.sources.items() if supervisor.state == "on"}
        told = ("kind", "seen", "would_help")
        return [{key: each[key] for key in told} for each in sights(on, self._daemon.settings)]

    def stats(self) -> dict[str, Any]:
        """The figures that clients are sent every few seconds."""
        daemon = self._daemon
        counts = daemon.counters.tree()
        devices = daemon.devices.all()
        database = daemon.storage.get_database_stats()
        return {
            "uptime": round(clock.now().steady - daemon.started.steady, 1),
            "devices": len(devices),
            "online": sum(device.status is Status.ONLINE for device in devices),
            "live_flows": daemon.flows.live,
            "open_threats": len(daemon.threats.open()),
            "clients": len(daemon.broadcaster.clients),
            "received": counts.get("received", {}),
            "stored": counts.get("stored", {}),
            "dropped": counts.get("dropped", {}),
            "lost": counts.get("lost", {}),
            "traffic": daemon.flows.throughput.figures(clock.now()),
            "database": {key: database[key] for key in ("state", "size", "pending")}
            | {"written_today": self._disk.written_today()},
        }

    def summary(self) -> str:
        """One line with the figures that matter."""
        stats = self.stats()
        on = [name for name, supervisor in self._daemon.sources.items() if supervisor.state == "on"]
        return (
            f"{stats['online']} of {stats['devices']} devices online, {stats['live_flows']} live flows, "
            f"{stats['open_threats']} open threats, {stats['clients']} clients, database {stats['database']['state']}, "
            f"received {total(stats['received'])}, stored {total(stats['stored'])}, "
            f"dropped {total(stats['dropped'])}{_lost(stats['lost'])}, sources on: {', '.join(on) or 'none'}"
        )


def _dashed(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _lost(tree: dict[str, Any]) -> str:
    """What sources lost, by source: a sum of all would add datagrams to flows, and count some twice."""
    leaves = {
        f"{source} {what}".rstrip(): count
        for source, counts in tree.items()
        for what, count in (counts.items() if isinstance(counts, dict) else [("", counts)])
    }
    return "".join(f", lost {total(count)} {name}" for name, count in leaves.items())
