"""The table of devices: one a line, as people know them."""

import re
from typing import Any

from rich.text import Text

from netwatchd.answers.found import Rows
from netwatchd.budget import size_text
from netwatchd.cli.moments import ago_text
from netwatchd.cli.sheet import Column, print_sheet
from netwatchd.cli.terminal import ROOMY, console, into_pipe, printable

LONGEST_VENDOR, LONGEST_WHERE_ROOMY = 12, 24  # characters
DOTTED = 15  # characters of an IPv4 address: cut, it says nothing
COLUMNS = (
    Column("name", least=15), Column("vendor", spare=2), Column("kind", least=12), Column("address", least=DOTTED),
    Column("seen"), Column("in", number=True), Column("out", number=True), Column("device", spare=3),
)  # fmt: skip
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
    cells = (
        [
            printed_name(row) if row["name"] or row["hostname"] else Text(printable(printed_name(row)), "dim"),
            _vendor(row["vendor"], roomy),
            row["kind"] if row["kind"] != "unknown" else Text("unknown", "dim"),
            _addresses(row["ips"], roomy),
            Text("online", "green") if row["status"] == "online" else Text(ago_text(row["last_seen"], now), "dim"),
            _size(row["bytes_in_today"]),
            _size(row["bytes_out_today"]),
            row["mac"] or row["ip"] or "-",
        ]
        for row in rows
    )
    print_sheet(COLUMNS, cells, otherwise)


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
