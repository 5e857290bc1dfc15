"""The tables of flows and those who moved most, and the daemon's own account."""

from typing import Any

from rich.table import Table
from rich.text import Text

from netwatchd.answers.found import Rows
from netwatchd.cli.moments import size_text, span_text, time_text
from netwatchd.cli.sheet import Column, print_sheet
from netwatchd.cli.terminal import add, print_page

SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}

FLOWS = (
    Column("start"), Column("device", least=13), Column(""), Column("peer", least=15), Column("service"),
    Column("in", number=True), Column("out", number=True), Column("state", spare=1),
)  # fmt: skip


def flows(rows: Rows, names: dict[str, str], owners: dict[str, str]) -> None:
    """Who spoke with whom, and how much, as each device sees it.

    `names` are the devices' by key, `owners` the devices' keys by address, and by each of their MACs.
    """
    print_sheet(FLOWS, (_flow_cells(row, names, owners) for row in rows), "no flows yet")


def _flow_cells(row: dict[str, Any], names: dict[str, str], owners: dict[str, str]) -> list[str | Text]:
    device = row["device"]
    opened = device is None or owners.get(row["dst_ip"]) != owners.get(device, device)
    local, peer = (row["src_ip"], row["dst_ip"]) if opened else (row["dst_ip"], row["src_ip"])
    to_peer, from_peer = (row["bytes_out"], row["bytes_in"]) if opened else (row["bytes_in"], row["bytes_out"])
    return [
        time_text(row["start"]),
        names.get(device or "") or device or local,
        ">" if opened else "<",  # who opened it
        peer,
        f"{row['protocol']}/{row['dst_port']}",
        size_text(from_peer),
        size_text(to_peer),
        row["state"],
    ]


def top(rows: Rows, by: str, names: dict[str, str | None]) -> None:
    """Who moved most; `names` are the devices' by key."""
    columns = (
        Column(by, least=17),
        Column("in", number=True),
        Column("out", number=True),
        Column("flows", number=True),
    )
    cells = (
        [called(row[by], by, names), size_text(row["bytes_in"]), size_text(row["bytes_out"]), f"{row['flows']:,}"]
        for row in rows
    )
    print_sheet(columns, cells, "no flows in this time")


def called(key: str | None, by: str, names: dict[str, str | None]) -> str:
    """How a row of `top` is called."""
    return names.get(key or "") or key or ("(none known)" if by == "device" else "(all others)")


def status(answer: dict[str, Any]) -> None:
    """The daemon's own account."""
    table = Table.grid(padding=(0, 2))
    for label, text in _status_lines(answer):
        add(table, Text(label, "bold"), text)
    print_page(table)


def _status_lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    database = answer["database"]
    if not answer["running"]:
        return [("netwatchd", "not running"), ("database", f"{size_text(database['size'])} in {database['directory']}")]
    written, learning = database["written_today"], answer["learning_until"]
    state = database["state"] + (f": {database['reason']}" if database["reason"] else "")
    return [
        (
            "netwatchd",
            f"{answer['version']}, running since {time_text(answer['since'])} ({span_text(answer['uptime'])})",
        ),
        *((f"source {s['name']}", s["state"] + (f": {s['reason']}" if s["reason"] else "")) for s in answer["sources"]),
        ("devices", f"{answer['devices']}" + (f", learning until {time_text(learning)}" if learning else "")),
        ("live flows", f"{answer['live_flows']}"),
        ("clients", f"{answer['clients']}"),
        ("received", _counts(answer["received"])),
        ("stored", _counts(answer["stored"])),
        ("dropped", _counts(answer["dropped"])),
        *((("lost", _counts(answer["lost"])),) if answer["lost"] else ()),
        *((f"exporter {exporter['address']}", _exporter_line(exporter)) for exporter in answer["exporters"]),
        *((f"list {each['name']}", _list_line(each)) for each in answer["blocklists"]),
        *((f"alerts by {channel['name']}", _channel_line(channel)) for channel in answer["alerts"]),
        ("database", f"{state}; {size_text(database['size'])}, {database['pending']} events pending"),
        ("written today", size_text(written) if written is not None else "unknown"),
        ("directory", database["directory"]),
        ("last error", answer["last_error"] or "none"),
    ]


def _channel_line(channel: dict[str, Any]) -> str:
    """One channel of alerts in a line: the ordinary is not mentioned."""
    if channel["state"] == "off":
        return "off"
    parts = [
        f"{channel['state']}, to {channel['place']}",
        f"{channel['waiting']} waiting" if channel["waiting"] else "",
        f"{channel['held']} held back for a digest" if channel["held"] else "",
        f"last sent {time_text(channel['last_sent'])}" if channel["last_sent"] else "",
        f"last error: {channel['last_error']}" if channel["last_error"] else "",
    ]
    return ", ".join(filter(None, parts))


def _list_line(row: dict[str, Any]) -> str:
    """One blocklist in a line."""
    fetched = f", fetched {time_text(row['fetched'])}" if row["fetched"] else ""
    error = f": {row['error']}" if row["error"] else ""
    return f"{row['entries']:,} entries, {row['state']}{fetched}{error}"


def _exporter_line(exporter: dict[str, Any]) -> str:
    """One exporter in a line: the ordinary is not mentioned."""
    lost = f"{exporter['lost']:,} {exporter['lost_unit']} lost" if exporter["lost"] else "none lost"
    parts = [
        exporter["protocol"] + (f" domain {exporter['domain']}" if exporter["domain"] else ""),
        f"{exporter['flows']:,} flows in {exporter['datagrams']:,} datagrams",
        lost + (f" ({exporter['lost_here']:,} datagrams here)" if exporter["lost_here"] else ""),
        f"{exporter['templates']} templates" if exporter["templates"] else "",
        f"sampled 1 of {exporter['sampling']:,}" if exporter["sampling"] > 1 else "",
        "" if exporter["clock_trusted"] else "clock not trusted",
        f"last heard {time_text(exporter['last_heard'])}",
    ]
    return ", ".join(part for part in parts if part)


def _counts(tree: dict[str, Any], prefix: str = "") -> str:
    parts = [
        _counts(value, f"{prefix}{key} ") if isinstance(value, dict) else f"{value:,} {prefix}{key}"
        for key, value in tree.items()
    ]
    return ", ".join(part for part in parts if part) or "nothing"
