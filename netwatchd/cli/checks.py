"""What the verb `doctor` looks at: each check is a function that says in sentences what works, and what would help."""

import shutil
import socket
import sqlite3
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from netwatchd import config
from netwatchd.broadcast.messages import threat_json
from netwatchd.budget import size_text
from netwatchd.cli.moments import counted, span_text
from netwatchd.cli.reach import host_of, place_of
from netwatchd.events import ThreatStatus
from netwatchd.metrics.exposition import MISSING
from netwatchd.mutes import Word
from netwatchd.pidfile import PID_FILE
from netwatchd.sights import source_names
from netwatchd.storage import queries, retention

OK, NOTE, BROKEN = "ok", "note", "broken"
LITTLE = 100_000_000  # bytes free, below which a day of flows may not fit
SYSCTLS = Path("/proc/sys/net")
# Bits of capability sets (linux/capability.h).
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
# Which sources need which of them.
NEEDED = {"CAP_NET_ADMIN": ("conntrack", "prober"), "CAP_NET_RAW": ("capture",)}
# What is lost where a sysctl of connection tracking is 0.
TRACKED = {
    "nf_conntrack_acct": "flows have no bytes and packets",
    "nf_conntrack_timestamp": "the times of flows are estimates",
    "nf_conntrack_events": "ends of flows come late",
}
CROWDED = 0.8  # of nf_conntrack_max: soon the kernel refuses new connections
PROMPT = 1.0  # seconds in which whoever listens here takes a connection
WARM = 600  # seconds after which a source that is on should have told something


class Check(NamedTuple):
    """What was looked at, and how it is."""

    topic: str
    state: str
    text: str
    help: str | None = None


class Patient(NamedTuple):
    """What is known at the beginning."""

    settings: config.Config  # the defaults where it cannot be read
    place: str  # where config.ini is
    mistakes: list[str]
    status: dict[str, Any] | None  # what the daemon says of itself, None where none answers
    why: str  # no daemon answers

    @property
    def directory(self) -> Path:
        """Where the databases lie."""
        return Path(self.status["database"]["directory"]) if self.status else config.state_directory(self.settings)


def check_all(patient: Patient) -> list[Check]:
    """All checks, in the order in which they matter."""
    checks = (
        of_config,
        of_daemon,
        of_page,
        of_database,
        of_disk,
        of_clock,
        of_permissions,
        of_kernel,
        of_losses,
        of_mutes,
        of_alerts,
        of_lists,
        of_metrics,
    )
    return [check for look in checks for check in look(patient)]


def of_config(patient: Patient) -> Iterable[Check]:
    """Whether config.ini can be read."""
    if patient.mistakes:
        yield Check("config", BROKEN, "; ".join(patient.mistakes), "correct it; until then the defaults count here")
    elif patient.settings.path is None:
        yield Check("config", OK, f"there is no {config.DEFAULT_PATH}: the defaults hold")
    else:
        yield Check("config", OK, f"{patient.place}: no mistakes")


def of_daemon(patient: Patient) -> Iterable[Check]:
    """Whether it runs."""
    if patient.status is None:
        yield Check(
            "daemon", BROKEN, patient.why, "systemctl start netwatchd; journalctl -u netwatchd says why it ended"
        )
        return
    status = patient.status
    yield Check(
        "daemon", OK,
        f"{status['version']}, running for {span_text(status['uptime'])}, {counted(status['devices'], 'device')}, "
        f"{counted(status['live_flows'], 'live flow')}, {counted(status['open_threats'], 'open threat')}",
    )  # fmt: skip


def of_page(patient: Patient) -> Iterable[Check]:
    """From where the page can be opened, or who has its port."""
    websocket = patient.settings.websocket
    if patient.status is not None:
        here = config.LOOPBACK.fullmatch(websocket.host)
        who = "for this machine alone" if here else "for others, too, with the token"
        yield Check("page", OK, f"{websocket.page_url}, {who} (docs/PAGE.md)")
    elif _is_taken(host_of(websocket), websocket.port):
        yield Check(
            "page", BROKEN, f"{place_of(websocket)} is taken, and not by a netwatchd that knows this config.ini",
            f"ss -ltnp 'sport = :{websocket.port}' names the program; after a change: systemctl restart netwatchd",
        )  # fmt: skip


def _is_taken(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), PROMPT).close()
    except OSError:
        return False
    return True


def of_database(patient: Patient) -> Iterable[Check]:
    """Whether it can be read and written, and is sound."""
    directory = patient.directory
    try:
        said = queries.soundness(directory)
    except queries.NoDatabase as error:
        if patient.status is None and not (directory / "core.db").exists():
            yield Check("database", NOTE, str(error))
        else:
            yield Check("database", BROKEN, str(error))
        return
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        text = f"{directory}/core.db is damaged: {said}"
        yield Check(
            "database", BROKEN, text, "netwatchd begins a new one when it meets the damage; is the card worn out?"
        )
        return
    database = patient.status["database"] if patient.status else {"state": "ok", "reason": None}
    if database["state"] != "ok":
        yield Check("database", BROKEN, f"{directory} cannot be written: {database['reason']}")
        return
    yield Check("database", OK, f"{directory}, {size_text(retention.size_of(directory))}, sound")


def of_disk(patient: Patient) -> Iterable[Check]:
    """Whether there is room for what may come."""
    place = next((path for path in (patient.directory, *patient.directory.absolute().parents) if path.exists()), None)
    if place is None:
        return
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Check("disk", BROKEN, f"{place} cannot be looked at: {error.strerror}")
        return
    wanted = patient.settings.storage.max_size - retention.size_of(patient.directory)
    if free < LITTLE:
        yield Check("disk", BROKEN, f"only {size_text(free)} are free", "make room, or lower [storage] max_size")
    elif free < wanted:
        text = f"{size_text(free)} are free, but the databases may take {size_text(wanted)} more"
        yield Check("disk", NOTE, text, "lower [storage] max_size")
    else:
        yield Check("disk", OK, f"{size_text(free)} are free")


def of_clock(patient: Patient) -> Iterable[Check]:
    """Whether the time is right."""
    if retention.kernel_clock_is_synchronised():
        yield Check("clock", OK, "synchronised")
    else:
        yield Check("clock", NOTE, "not known to be right, so that little that is old is removed", "run NTP (chrony)")


def of_permissions(patient: Patient) -> Iterable[Check]:
    """What the daemon may do, as far as the sources need it."""
    try:
        pid = int((config.runtime_directory() / PID_FILE).read_text())
        status = Path(f"/proc/{pid}/status").read_text()
        bits = int(status.split("CapEff:")[1].split()[0], 16)
    except (OSError, ValueError, IndexError):
        if patient.status is not None:
            yield Check("permissions", NOTE, "the daemon's cannot be seen from here", "try as root")
        return
    missing = {
        name: [each for each in NEEDED[name] if _wants(patient.settings, each)]
        for name, bit in CAPABILITIES.items()
        if not bits >> bit & 1
    }
    missing = {name: sources for name, sources in missing.items() if sources}
    if not missing:
        yield Check("permissions", OK, "the daemon may do what its sources need")
    for name, sources in missing.items():
        text = f"the daemon lacks {name}, which {' and '.join(sources)} need"
        yield Check("permissions", NOTE, text, f"AmbientCapabilities={name} in its unit, or run it as root")


def of_kernel(patient: Patient) -> Iterable[Check]:
    """What the kernel notes of connections, and how much waits for us to read it."""
    settings = patient.settings
    if settings.conntrack.enabled != "no":
        yield from _of_tracking()
    limit = _number(SYSCTLS / "core/rmem_max")
    wanted = settings.netflow.receive_buffer
    if settings.netflow.enabled != "no" and limit is not None and limit < wanted:
        text = f"net.core.rmem_max is {size_text(limit)}, so that a burst of NetFlow may not fit"
        yield Check("kernel", NOTE, text, f"sysctl -w net.core.rmem_max={wanted}, unless the daemon has CAP_NET_ADMIN")


def _of_tracking() -> Iterable[Check]:
    values = {name: _number(SYSCTLS / "netfilter" / name) for name in TRACKED}
    if all(value is None for value in values.values()):
        yield Check("kernel", NOTE, "connection tracking is not loaded here: no flows from the kernel",
                    "modprobe nf_conntrack; in a container, the host must have it")  # fmt: skip
        return
    off = [name for name, value in values.items() if value == 0]
    for name in off:
        yield Check("kernel", NOTE, f"{name} is 0: {TRACKED[name]}", f"sysctl -w net.netfilter.{name}=1")
    count, most = (_number(SYSCTLS / "netfilter" / f"nf_conntrack_{name}") for name in ("count", "max"))
    if count and most and count > most * CROWDED:
        text = f"{count:,} of {most:,} connections are tracked: beyond that the kernel refuses new ones"
        yield Check(
            "kernel", NOTE, text, f"sysctl -w net.netfilter.nf_conntrack_max={most * 2}; is something scanning?"
        )
    elif not off:
        yield Check("kernel", OK, "it counts, times and tells connections")


def of_losses(patient: Patient) -> Iterable[Check]:
    """What the daemon could not take in, by its own account."""
    if patient.status is None:
        return
    parts = [f"{count:,} {name}" for name, count in leaves(patient.status["lost"], "lost")]
    parts += [f"{count:,} {name}" for name, count in leaves(patient.status["dropped"], "dropped")]
    if parts:
        yield Check("losses", NOTE, f"since its start: {', '.join(parts)}", "docs/INTERFACE.md tells what each means")
    if error := patient.status["last_error"]:
        yield Check("losses", NOTE, f"the last error of the database: {error}")


def of_mutes(patient: Patient) -> Iterable[Check]:
    """What the rules keep quiet, and whether they can mean anybody."""
    rules = patient.settings.threats.mute
    try:
        core = queries.read_core(patient.directory)
    except (queries.NoDatabase, sqlite3.Error):
        return
    names = {device.name.casefold() for device in core.devices if device.name}
    for rule in rules:
        if (name := _is_name(rule.who)) and name not in names:
            help_text = f"netwatchd name DEVICE {name}: only names that you give count"
            yield Check("mute", NOTE, f"{rule.text!r} mutes nothing: no device has the name {name!r}", help_text)
    muted = (patient.status or {}).get("counters", {}).get("threats", {}).get("muted", 0)
    if rules:
        yield Check("mute", OK, f"{len(rules)} rules, {muted:,} findings muted since the start")
    put_away = sum(threat_json(each)["status"] != ThreatStatus.OPEN for each in core.threats)
    yield Check("threats", OK, f"{len(core.threats) - put_away:,} open, {put_away:,} acknowledged or dismissed")


def of_alerts(patient: Patient) -> Iterable[Check]:
    """Whether anybody is told of threats."""
    if patient.status is None:
        return
    channels = [each for each in patient.status["alerts"] if each["state"] != "off"]
    if not channels:
        yield Check("alerts", OK, "no channel is configured: threats are seen by whoever looks (docs/ALERTS.md)")
    for each in channels:
        if each["state"] == "failing":
            text = f"{each['name']} fails: {each['last_error']} ({each['waiting']} messages wait)"
            yield Check("alerts", BROKEN, text, f"netwatchd alert-test {each['name']}")
        else:
            yield Check("alerts", OK, f"{each['name']} works: {each['place']}")


def of_lists(patient: Patient) -> Iterable[Check]:
    """Whether the blocklists are there, and fresh."""
    lists = (patient.status or {}).get("blocklists") or []
    failing = [f"{each['name']}: {each['error']}" for each in lists if each["error"]]
    if failing:
        yield Check("blocklists", NOTE, f"not up to date: {'; '.join(failing)}", "netwatchd lists tells more")
    elif lists:
        entries = sum(each["entries"] or 0 for each in lists)
        yield Check("blocklists", OK, f"{len(lists)} with {entries:,} entries")
    elif not patient.settings.blocklists.lists:
        text = "none is configured, so that no threat of the kind blocklist is told"
        yield Check("blocklists", NOTE, text, "name some in [blocklists] lists; docs/BLOCKLISTS.md knows them")


def of_metrics(_: Patient) -> Iterable[Check]:
    """Whether Prometheus can be told anything."""
    if find_spec("prometheus_client"):
        yield Check("metrics", OK, "Prometheus may ask for /metrics")
    else:
        yield Check("metrics", OK, "none are told, which matters to Prometheus only", MISSING)


def of_sources(patient: Patient) -> tuple[list[Check], set[str]]:
    """Which sources are on, and why the others are not; and the names of those that are on, or may be."""
    if patient.status is None:
        hoped = {name for name in source_names() if getattr(patient.settings, name).enabled != "no"}
        text = f"not known without the daemon; not switched off: {', '.join(sorted(hoped))}"
        return [Check("sources", NOTE, text)], hoped
    states = {each["name"]: each for each in patient.status["sources"] if each["name"] in source_names()}
    on = {name for name, each in states.items() if each["state"] == "on"}
    checks = [
        Check("sources", OK if on else BROKEN, f"on: {', '.join(name for name in states if name in on) or 'none'}")
    ]
    off = [name for name, each in states.items() if each["state"] == "off" and not _is_wanted(patient, name)]
    if off:
        checks.append(Check("", OK, f"switched off: {', '.join(off)}"))
    for name, each in states.items():
        if each["state"] == "failed":
            checks.append(Check("", BROKEN, f"{name} does not work: {each['reason']}"))
        elif each["state"] == "off" and _is_wanted(patient, name):
            checks.append(Check("", NOTE, f"{name} is off: {each['reason']}"))
    counters = patient.status["counters"]
    told = counters.get("received", {}).keys() | counters.get("observed", {}).keys()
    silent = [name for name in states if name in on - {"json"} and name not in told]
    if silent and patient.status["uptime"] > WARM:
        checks.append(Check("", NOTE, f"on, but nothing has come yet: {', '.join(silent)}"))
    return checks, on


def leaves(tree: dict[str, Any] | int, name: str) -> list[tuple[str, int]]:
    """The counters of a tree, by their names in words."""
    if isinstance(tree, int):
        return [(name, tree)]
    return [leaf for key, value in tree.items() for leaf in leaves(value, f"{name} {key}".replace("_", " "))]


def _is_wanted(patient: Patient, source: str) -> bool:
    section = getattr(patient.settings, source, None)
    return section is not None and section.enabled != "no"


def _wants(settings: config.Config, source: str) -> bool:
    return settings.devices.probe if source == "prober" else bool(getattr(settings, source).enabled != "no")


def _is_name(word: Word) -> str | None:
    """The name of a device that a rule means, where it is one."""
    if word.literal:
        return word.text.casefold()
    return word.host if word.host and not set("*?[.") & set(word.host) else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
