"""The table of devices: one a line, as people know them."""

import re
from typing import Any

from rich.text import Text

from netwatchd.answers.found import Rows
from netwatchd.cli.moments import ago_text, size_text
from netwatchd.cli.terminal import ROOMY, add, console, into_pipe, print_table, printable, table_of

LONGEST_VENDOR, LONGEST_WHERE_ROOMY = 12, 24  # characters
NARROW = 72  # columns below which the vendor gives way, so that the traffic is seen
DOTTED = 15  # characters of an IPv4 address: cut in two it is hard to read
# What companies are by law, and what many have in their names: it tells nobody what the thing is.
_FORMS = re.compile(
    r"(?:[\s,.]+(?:ab|ag|b\.?v|bv|co|company|corp|corporate|corporation|electronics?|europe|gmbh|inc|incorporated"
    r"|international|intl|kg|limited|llc|ltd|n\.?v|plc|pte|pty|s\.?a|s\.?p\.?a|s\.?r\.?l|systems?|tech|technology"
    r"|technologies|usa))+[\s,.]*$",
    re.IGNORECASE,
)


def show(rows: Rows, now: int, otherwise: str) -> None:
    """Name, vendor, kind, addresses, presence and today's traffic of each device; `now` in Unix ms.

    Without rows, `otherwise` is said.
    """
    roomy = console().width >= ROOMY
    narrow = console().width < NARROW
    first = ["name"] if narrow else ["name", "vendor"]
    table = table_of(*first, "kind", "address", "seen", ">in", ">out", *(["device"] if roomy else []))
    table.columns[0].min_width, table.columns[len(first) + 1].min_width = 12, DOTTED
    for row in rows:
        own = row["name"] or row["hostname"]
        add(
            table,
            printed_name(row) if own else Text(printable(printed_name(row)), "dim"),
            *([] if narrow else [_vendor(row["vendor"], roomy)]),
            row["kind"] if row["kind"] != "unknown" else Text("unknown", "dim"),
            _addresses(row["ips"], roomy),
            Text("online", "green") if row["status"] == "online" else Text(ago_text(row["last_seen"], now), "dim"),
            _size(row["bytes_in_today"]),
            _size(row["bytes_out_today"]),
            *([row["mac"] or row["ip"] or "-"] if roomy else []),
        )
    print_table(table, rows, otherwise)


def printed_name(row: dict[str, Any]) -> str:
    """What a device (its public fields) is called: by its user, itself, what it is, or its MAC."""
    if name := row["name"] or row["hostname"] or row["model"]:
        return str(name)
    kind = row["kind"] if row["kind"] != "unknown" else "device"
    if row["vendor"]:
        return f"{shortened(row['vendor'], LONGEST_WHERE_ROOMY)} {kind}"
    if row["kind"] != "unknown":
        return f"({kind})"
    return "(random MAC)" if row["random_mac"] else str(row["mac"] or row["ip"] or "-")


def shortened(vendor: str, most: int = LONGEST_VENDOR) -> str:
    """A company's name without what it is by law, and no longer than `most` characters."""
    short = _FORMS.sub("", vendor) or vendor
    return short if len(short) <= most else short[: most - 1].rstrip(" ,.-") + "\N{HORIZONTAL ELLIPSIS}"


def _vendor(vendor: str | None, roomy: bool) -> str:
    if into_pipe():
        return vendor or "-"
    return shortened(vendor or "-", LONGEST_WHERE_ROOMY if roomy else LONGEST_VENDOR)


def _addresses(ips: list[str], roomy: bool) -> str:
    """The latest IPv4 address, which people know their devices by, or else the latest of all, and how many more."""
    if into_pipe():
        return ", ".join(ips) or "-"
    shown = next((ip for ip in ips if ":" not in ip), ips[0] if ips else "-")
    return f"{shown} +{len(ips) - 1}" if roomy and len(ips) > 1 else shown


def _size(size: int) -> str:
    return size_text(size) if size else "-"
