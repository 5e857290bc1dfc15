"""How threats are shown to people: one a line, or one with everything that is known of it."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from netwatchd.answers.found import Rows
from netwatchd.cli.moments import ago_text, moment_text, time_text
from netwatchd.cli.sheet import Column, print_sheet
from netwatchd.cli.tables import SEVERITY_STYLES
from netwatchd.cli.terminal import ROOMY, console, print_sections, printable
from netwatchd.mutes import split_port

MOST_LINES = 12  # of one thing in the evidence; --json has all
NOTES = "netwatchd"  # the key of evidence with what netwatchd notes of the row
STYLES = {"open": "bold", "acknowledged": "dim", "dismissed": "dim"}
COLUMNS = (
    Column("id", number=True), Column("seen"), Column("severity"), Column("kind", least=15), Column("who", least=17),
)  # fmt: skip
MORE_COLUMNS = (
    Column("target", least=15), Column("description", least=30, sentence=True), Column("times", number=True, spare=1),
    Column("status"),
)  # fmt: skip
Lines = Sequence[str | Text]


def show(rows: Rows, names: dict[str, str], otherwise: str) -> None:
    """When, how bad, what, who, to whom, how often, and the sentence; `names` are the devices'."""
    if console().width < ROOMY:
        _print_blocks(rows, names, otherwise)
        return
    cells = ([*_who_and_what(row, names), row["target"] or "-", row["description"], f"{row['count']:,}",
              Text(row["status"], STYLES[row["status"]])] for row in rows)  # fmt: skip
    print_sheet((*COLUMNS, *MORE_COLUMNS), cells, otherwise)


def _who_and_what(row: dict[str, Any], names: dict[str, str]) -> list[str | Text]:
    return [
        str(row["id"]),
        time_text(row["last_seen"]),
        Text(row["severity"], SEVERITY_STYLES[row["severity"]]),
        row["kind"],
        names.get(row["device"] or "") or row["device"] or "-",
    ]


def _print_blocks(rows: Rows, names: dict[str, str], otherwise: str) -> None:
    """Eighty columns are too few for a sentence beside the rest: it stands below it."""
    below = [f"{row['description']}{_more(row)}" for row in rows]
    print_sheet(COLUMNS, [_who_and_what(row, names) for row in rows], otherwise, below)


def _more(row: dict[str, Any]) -> str:
    """What has no column of its own in eighty of them."""
    times = [f"{row['count']:,} times"] if row["count"] > 1 else []
    more = ", ".join([*times, *([row["status"]] if row["status"] != "open" else [])])
    return f" ({more})" if more else ""


def flows_command(row: dict[str, Any], state: str | None) -> str | None:
    """The command that shows the flows of the time when it happened; `state` is the directory that was named."""
    if row["device"] is None:
        return None
    since = f"{datetime.fromtimestamp(row['first_seen'] // 60_000 * 60).astimezone():%Y-%m-%d %H:%M}"
    return shlex.join(["netwatchd", "flows", "--device", row["device"], "--since", since, *_in(state)])


def _in(state: str | None) -> list[str]:
    return ["--state", state] if state else []


def portrait(row: dict[str, Any], now: int, place: str, state: str | None) -> None:
    """Prints one threat; `now` in Unix ms, `place` is where config.ini is, `state` the directory that was named."""
    title = Text(f"{row['severity']}  ", SEVERITY_STYLES[row["severity"]])
    title.append(printable(row["kind"]), "bold").append(f"  {row['status']}", STYLES[row["status"]])
    print_sections(title, _sections(row, now, place, state))


def _sections(row: dict[str, Any], now: int, place: str, state: str | None) -> Iterable[tuple[str, Lines]]:
    yield "what", [row["description"]]
    yield "to do", [row["recommendation"]] if row["recommendation"] else []
    yield "means", [row["meaning"]] if row["meaning"] else []
    yield "who", _who(row["device"], row["who"], state)
    yield "target", _who(row["target"], row["whom"], state) if row["target"] else []
    yield "seen", _seen(row, now)
    yield "numbers", list(_numbers(row["evidence"]))
    yield "history", _history(row)
    yield "flows", [row["flows"]] if row["flows"] else []
    yield "put away", _judging(row) if state is None else []
    yield "to mute", [row["mute"], f"  below [threats] in {place}, then: systemctl reload netwatchd"]


# Unix ms from 2017 to 2065; nothing else in evidence is as large, but bytes.
_MOMENTS = range(1_500_000_000_000, 3_000_000_000_000)


def _who(key: str | None, name: str | None, state: str | None) -> Lines:
    if key is None:
        return ["nobody in particular"]
    if name is None:
        return [key]
    host, _ = split_port(key)
    command = shlex.join(["netwatchd", "device", host, *_in(state)])
    return [f"{name} ({key}): {command}" if name != host else f"{key}: {command}"]


def _seen(row: dict[str, Any], now: int) -> Lines:
    first, last = row["first_seen"], row["last_seen"]
    times = f"{row['count']:,} times" if row["count"] > 1 else "once"
    if first == last:
        return [f"{moment_text(last)} ({ago_text(last, now)}), {times}"]
    return [f"{moment_text(first)} to {moment_text(last)} ({ago_text(last, now)}), {times}"]


def _numbers(evidence: dict[str, Any]) -> Iterable[str]:
    """The evidence in lines: what is nested stands in the lines below its name."""
    shown = {name: value for name, value in evidence.items() if name not in (NOTES, "taken_back")}
    width = min(max(map(len, shown), default=0), 20)
    for name, value in shown.items():
        lines = list(_value(value, name))
        yield f"{name:<{width}}  {lines[0] if lines else 'none'}"
        yield from (f"{'':<{width}}  {line}" for line in lines[1:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield f"{'':<{width}}  and {len(lines) - MOST_LINES} more (--json)"


def _value(value: Any, name: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"{key}: {_short(each, key)}"
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        yield from map(_short, value)
    elif isinstance(value, list):
        yield ", ".join(map(_short, value)) or "none"
    else:
        yield _short(value, name)


def _short(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(each, key)}" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return moment_text(value) if value in _MOMENTS and "bytes" not in name else f"{value:,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _history(row: dict[str, Any]) -> Lines:
    """How often it has happened, and what became of it."""
    evidence = row["evidence"]
    notes = evidence.get(NOTES) if isinstance(evidence.get(NOTES), dict) else {}
    lines = []
    if isinstance(notes.get("happenings"), int):
        lines.append(f"it has happened {notes['happenings']:,} times, the last time since {_time(notes.get('began'))}")
    earlier = notes.get("earlier")
    for past in earlier if isinstance(earlier, list) else []:
        if isinstance(past, dict):
            count = past.get("count")
            often = f", {count:,} times" if isinstance(count, int) and count > 1 else ""
            lines.append(f"  {_time(past.get('first_seen'))} to {_time(past.get('last_seen'))}{often}")
    for name, words in (("judged", "you have {0} it {1}, when it was {2}"),
                        ("before", "you had {0} it {1}, when it was {2}; it is open again")):  # fmt: skip
        if isinstance(past := notes.get(name), dict):
            lines.append(words.format(past.get("status"), _time(past.get("time")), past.get("severity")))
    if "muted_by" in notes:
        lines.append(f"the rule {notes['muted_by']!r} has put it away")
    if "taken_back" in evidence:
        lines.append(f"taken back: {evidence['taken_back']}")
    return lines


def _time(value: Any) -> str:
    return time_text(value) if isinstance(value, int) else "?"


def _judging(row: dict[str, Any]) -> Lines:
    verbs = {"open": ("acknowledge", "dismiss"), "acknowledged": ("dismiss", "reopen"), "dismissed": ("reopen",)}
    return [" | ".join(f"netwatchd {verb} {row['id']}" for verb in verbs[row["status"]])]
