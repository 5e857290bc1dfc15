"""What the daemon tells of itself: the status that operators ask for, the statistics for clients, one line for logs."""

from typing import TYPE_CHECKING, Any

from netwatchd import __version__, clock
from netwatchd.events import Status
from netwatchd.sights import sights
from netwatchd.storage.wear import DiskMeter

if TYPE_CHECKING:
    from netwatchd.daemon import Daemon


class Report:
    """Reads the daemon's parts, and changes nothing; any thread may ask."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon
        self._disk = DiskMeter()

    def status(self) -> dict[str, Any]:
        """What an operator asks first."""
        daemon = self._daemon
        counts = daemon.counters.tree()
        database = daemon.storage.get_database_stats() | {"directory": str(daemon.storage.directory)}
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
            "waiting": daemon.inboxes.waiting() | {"messages": daemon.broadcaster.queued},
            **self.stats(),
            "minutes": daemon.flows.throughput.minutes(clock.now()),
            "database": database | {"written_today": self._disk.written_today()},
        }

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
            f"received {sum_of(stats['received'])}, stored {sum_of(stats['stored'])}, "
            f"dropped {sum_of(stats['dropped'])}{_lost(stats['lost'])}, sources on: {', '.join(on) or 'none'}"
        )


def _lost(tree: dict[str, Any]) -> str:
    """What sources lost, by source: a sum of all would add datagrams to flows, and count some twice."""
    leaves = {
        f"{source} {what}".rstrip(): count
        for source, counts in tree.items()
        for what, count in (counts.items() if isinstance(counts, dict) else [("", counts)])
    }
    return "".join(f", lost {sum_of(count)} {name}" for name, count in leaves.items())


def sum_of(tree: dict[str, Any] | int) -> int:
    """All the counts of a tree of counters."""
    return tree if isinstance(tree, int) else sum(map(sum_of, tree.values()))
