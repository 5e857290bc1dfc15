"""The tables of flows and those who moved most, and the daemon's own account."""

import re
from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from netwatchd.answers.found import Rows
from netwatchd.budget import size_text
from netwatchd.cli import ledgers
from netwatchd.cli.moments import counted, span_text, time_text
from netwatchd.cli.sheet import Column, print_sheet
from netwatchd.cli.terminal import add, print_page, printable
from netwatchd.ledger import total

SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
# Words that a line of `status` may begin with.
STATE_STYLES = {
    "on": "green", "ok": "green", "off": "dim", "failed": "bold red", "failing": "bold red", "degraded": "bold red",
}  # fmt: skip

FLOWS = (
    Column("start"), Column("device", least=13), Column(""), Column("peer", least=15), Column("service", least=9),
    Column("in", number=True), Column("out", number=True), Column("state", least=8, spare=1),
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
    """The daemon's own account: first whether all is well, then everything."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _status_lines(answer):
        add(table, Text(label, "bold"), text if isinstance(text, Text) else _with_state(text))
    print_page(*_verdict(answer), table)


def _verdict(answer: dict[str, Any]) -> list[Text | Table]:
    """Whether all is well, or in a line each what is not, and what is to be known besides."""
    if not answer["running"]:
        return [Text("not running", "bold red")]
    broken, notes = [*_troubles(answer)], _notes(answer)
    what = Text("all is well", "bold green")
    if broken:
        what = Text(f"not well: {counted(len(broken), 'trouble')}", "bold red")
    lines = Table.grid(padding=(0, 1))
    lines.add_column(width=1)
    lines.add_column(overflow="fold")
    for text, style in [*((text, "red") for text in broken), *((text, "yellow") for text in notes)]:
        lines.add_row("", Text(printable(text), style))
    return [what, lines] if lines.rows else [what]


def _troubles(answer: dict[str, Any]) -> Iterable[str]:
    if (database := answer["database"])["state"] != "ok":
        yield f"the database is {database['state']}: {database['reason'] or 'no reason is known'}"
    if warning := answer["budget"]["warning"]:
        yield warning
    for each in answer["sources"]:
        if each["state"] == "failed":
            yield f"source {each['name']} has failed: {each['reason'] or 'the log tells why'}"
    for each in answer["alerts"]:
        if each["state"] == "failing":
            yield f"alerts by {each['name']} fail: {each['last_error']}"
    for each in answer["blocklists"]:
        if each["error"]:
            yield f"list {each['name']} is {each['state']}: {each['error']}"


def _notes(answer: dict[str, Any]) -> list[str]:
    threats = answer["open_threats"]
    return [
        *((f"{counted(threats, 'threat')} open: netwatchd threats",) if threats else ()),
        *(("something was lost or dropped since its start: below",) if answer["lost"] or answer["dropped"] else ()),
    ]


def _with_state(text: str) -> Text:
    """The text; where it begins with a state, that is coloured."""
    state = re.match(r"\w*", text)
    style = STATE_STYLES.get(state[0], "") if state else ""
    line = Text(printable(text))
    line.stylize(style or "default", 0, len(state[0]) if state and style != "dim" else len(text))
    return line


def _status_lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    database = answer["database"]
    if not answer["running"]:
        return [("netwatchd", "not running"), ("database", f"{size_text(database['size'])} in {database['directory']}")]
    learning = answer["learning_until"]
    state = database["state"] + (f": {database['reason']}" if database["reason"] else "")
    seconds = max(answer["uptime"], 1)
    return [
        (
            "netwatchd",
            f"{answer['version']}, running since {time_text(answer['since'])} ({span_text(answer['uptime'])})",
        ),
        *ledgers.sources(answer),
        *((f"exporter {exporter['address']}", _exporter_line(exporter)) for exporter in answer["exporters"]),
        (
            "devices",
            f"{answer['online']:,} here of {answer['devices']:,}"
            + (f", learning until {time_text(learning)}" if learning else ""),
        ),
        ("live flows", f"{answer['live_flows']:,}"),
        ("received", _counts(answer["received"]) + _rate(answer["received"], seconds)),
        ("stored", _counts(answer["stored"]) + _rate(answer["stored"], seconds)),
        *ledgers.kinds(answer["ledger"]),
        ("database", f"{state}; {size_text(database['size'])}, {database['pending']:,} events pending"),
        *ledgers.budget(answer),
        ("directory", database["directory"]),
        ("last error", answer["last_error"] or "none"),
        ("clients", f"{answer['clients']:,}"),
        *((f"alerts by {channel['name']}", _channel_line(channel)) for channel in answer["alerts"]),
        *((f"list {each['name']}", _list_line(each)) for each in answer["blocklists"]),
        ("dropped", _counts(answer["dropped"])),
        *((("lost", _counts(answer["lost"])),) if answer["lost"] else ()),
    ]


def _rate(tree: dict[str, Any], seconds: float) -> str:
    """How much that is in a second, on average since the start."""
    each = total(tree) / seconds
    return f" ({each:,.1f} a second on average)" if each >= 0.1 else ""


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
