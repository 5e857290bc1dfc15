"""Everything that is known of one device, for people."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from netwatchd.addresses import is_random_mac
from netwatchd.answers.portrait import NAMES, Portrait, of_kinds
from netwatchd.broadcast.messages import device_json
from netwatchd.budget import size_text
from netwatchd.cli import timeline
from netwatchd.cli.devicetable import printed_name
from netwatchd.cli.moments import ago_text, moment_text, span_text, time_text
from netwatchd.cli.tables import SEVERITY_STYLES
from netwatchd.cli.terminal import letters, print_sections, printable
from netwatchd.events import Device, Status

MOST_SESSIONS = 12  # that are shown; --json has all
MOST_VALUES = 12  # of one kind of clue that are shown
BAR = ("\N{FULL BLOCK}", "\N{LOWER HALF BLOCK}", "\N{MIDDLE DOT}")
PLAIN_BAR = ("#", "+", ".")

DHCP = {
    "dhcp_vendor_class": "vendor class", "dhcp_user_class": "user class", "dhcp_client_id": "client id",
    "dhcp_duid": "DUID", "dhcp_parameters": "options", "dhcp_parameters6": "options of DHCPv6", "dhcp_mud": "MUD",
}  # fmt: skip
SERVICES = {"mdns_service": "mDNS", "ssdp_type": "UPnP", "port": "port"}
OTHERS = {
    "mdns_model": "model in mDNS", "mdns_id": "id in mDNS", "ssdp_server": "UPnP server", "ssdp_uuid": "UPnP UUID",
    "lldp_description": "LLDP", "lldp_capability": "LLDP capability", "cloud": "asks DNS for",
    "http_agent": "HTTP agent", "role": "role",
}  # fmt: skip


def show(whole: Portrait) -> None:
    """Prints it: who it is, how that is known, when it was here, what it moved, and what is wrong with it."""
    device = whole.device
    here = device.status is Status.ONLINE
    title = Text(printable(printed_name(device_json(device))), "bold")
    title.append("  online" if here else "  offline", "green" if here else "dim")
    print_sections(title, _sections(whole))


def _sections(whole: Portrait) -> Iterable[tuple[str, Sequence[str | Text]]]:
    device = whole.device
    yield "names", _names(whole)
    yield "vendor", [device.vendor or "unknown"]
    yield "kind", [device.kind + (f": {device.model}" if device.model else "")]
    yield "evidence", device.evidence
    yield "MACs", _macs(whole)
    yield "addresses", [", ".join(as_ip) if (as_ip := device_json(device)["ips"]) else "none now"]
    yield "DHCP", _clues(whole, DHCP)
    yield "services", _clues(whole, SERVICES)
    yield "also", _clues(whole, OTHERS)
    yield "seen by", [", ".join(device.sources)]
    yield "first seen", [_when(device.first_seen, whole.now)]
    yield "last seen", [_when(device.last_seen, whole.now)]
    yield "status", [_status(whole)]
    yield "timeline", _timeline(whole)
    yield "traffic", _traffic(whole)
    yield "peers", _peers(whole)
    yield "open", _threats(whole)


def _names(whole: Portrait) -> list[str]:
    """Every name once, with all who tell it."""
    told: dict[str, list[str]] = {}
    if whole.device.name:
        told[whole.device.name] = ["yours"]
    for trait in of_kinds(whole.traits, NAMES):
        by = told.setdefault(trait.clue.value, [])
        by += [label for label in (NAMES[trait.clue.kind],) if label not in by]
    if whole.device.hostname and whole.device.hostname not in told:
        told[whole.device.hostname] = ["host name"]
    lines = [f"{name} ({', '.join(by)})" for name, by in told.items()]
    return _at_most(lines) or ["none"]


def _macs(whole: Portrait) -> list[str]:
    device = whole.device
    aliases = {alias.mac: alias for alias in whole.merged}
    lines = []
    for mac in dict.fromkeys((device.mac, *device.macs, *aliases)):
        if mac is None:
            continue
        lines.append(mac + (" (random)" if is_random_mac(mac) else "") + (" now" if _is_latest(mac, device) else ""))
        if alias := aliases.get(mac):
            lines.append(f"  merged {time_text(alias.time)} by {'you' if alias.by == 'user' else alias.by}")
            lines += [f"  because {reason}" for reason in alias.evidence]
            lines.append(f"  to undo: {whole.undoing(mac)}")
    lines += [
        f"{alias.mac} was told apart {time_text(alias.undone)}" for alias in whole.aliases if alias.undone is not None
    ]
    return lines or ["not known"]


def _is_latest(mac: str, device: Device) -> bool:
    return len(device.macs) > 1 and device.macs[0] == mac


def _clues(whole: Portrait, labels: dict[str, str]) -> list[str]:
    lines = []
    for kind, label in labels.items():
        values = dict.fromkeys(trait.clue.value for trait in of_kinds(whole.traits, {kind}))
        if values:
            lines.append(f"{label}: {', '.join(_at_most(list(values)))}")
    return lines


def _status(whole: Portrait) -> str:
    device = whole.device
    latest = whole.sessions[0] if whole.sessions else None
    if device.status is Status.ONLINE:
        text = "online" + (f" since {_when(latest.start, whole.now)}" if latest and latest.end is None else "")
    else:
        text = f"offline since {_when(latest.end if latest and latest.end else device.last_seen, whole.now)}"
    return text + (f"; silent up to {span_text(device.usual_silence / 1000)} at times" if device.usual_silence else "")


def _timeline(whole: Portrait) -> list[str]:
    device = whole.device
    if not whole.sessions:
        return [f"not here since {time_text(whole.since)}"] if device.last_seen < whole.since else []
    letter = BAR if letters("".join(BAR), "") else PLAIN_BAR
    lines = [
        f"{day.name}  {timeline.marks(day, *letter)}  {span_text(day.here / 1000) if day.here else '-'}"
        for day in timeline.days(
            device, whole.sessions, whole.since, timeline.last_of(whole.sessions, device, whole.now)
        )
    ]
    for session in whole.sessions[:MOST_SESSIONS]:
        end = timeline.end_of(session, device, whole.now)
        lasts = session.end is None and device.status is Status.ONLINE
        lines.append(
            f"{moment_text(session.start)} to {'now' if lasts else moment_text(end)}"
            f" ({span_text((end - session.start) / 1000)})"
        )
    more = len(whole.sessions) - MOST_SESSIONS
    return [*lines, f"and {more} more"] if more > 0 else lines


def _traffic(whole: Portrait) -> list[str]:
    today, device = whole.today, whole.device
    return [
        f"today {size_text(today[0])} in, {size_text(today[1])} out",
        f"in total {size_text(device.bytes_in)} in, {size_text(device.bytes_out)} out",
    ]


def _peers(whole: Portrait) -> list[str]:
    return [
        f"{row['peer']}{' ' + row['name'] if row['name'] else ''} {row['port']}: {size_text(row['bytes_in'])} in,"
        f" {size_text(row['bytes_out'])} out, last {ago_text(row['last_seen'], whole.now)}"
        for row in whole.peers
    ]


def _threats(whole: Portrait) -> list[str | Text]:
    lines: list[str | Text] = [
        Text(f"{row['severity']:<8} ", SEVERITY_STYLES[row["severity"]]).append(
            printable(f"{row['kind']}: {row['description']} ({_times(row['count'])}{time_text(row['last_seen'])})"), ""
        )
        for row in whole.threats[:MOST_VALUES]
    ]
    more = len(whole.threats) - MOST_VALUES
    return [*lines, f"and {more} more"] if more > 0 else lines


def _times(count: int) -> str:
    return f"{count:,} times, last " if count > 1 else ""


def _when(time: int, now: int) -> str:
    return f"{time_text(time)} ({ago_text(time, now)})"


def _at_most(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_VALUES
    return [*lines[:MOST_VALUES], f"and {more} more"] if more > 0 else lines
