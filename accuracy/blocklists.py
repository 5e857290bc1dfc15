"""Lists of addresses and names that others publish, read, built into tables, and asked for each of their entries.

What is expected is what a plain splitting of the files finds, whose numbers are those of `_truth/blocklist_counts.json`
or the list's own. An entry matches where it was read as the same network or name, and is found again in the table; a
list that says how long it is, and is not, matches where that is noticed.
"""

import csv
import json
import tempfile
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from accuracy import Row
from netwatchd.blocklists.building import Builder
from netwatchd.blocklists.kept import Record
from netwatchd.blocklists.table import Table, hash_of, suffixes
from netwatchd.blocklists.taking import Refused, build
from netwatchd.decoders.lists import Reading, format_of
from netwatchd.decoders.lists.entry import Entry, entry_text

_KEY = bytes(16)
_TRANSCRIBED = {
    "transcribed/feodo_ipblocklist_2021.csv": 6,
    "transcribed/firehol_level1_head_2026.netset": 5,
    "transcribed/spamhaus_drop_v4_2026.json": 3,
}
# Beginnings of lists that say themselves how many entries they have.
_CUT_OFF = ("transcribed/firehol_level1_head_2026.netset", "transcribed/spamhaus_drop_v4_2026.json")


def rows(data: Path) -> list[Row]:
    """The rows of docs/ACCURACY.md on blocklists; `data` is the folder of the recordings."""
    truth: dict[str, dict[str, int]] = json.loads((data / "_truth/blocklist_counts.json").read_text())
    found: dict[str, list[tuple[int, int, str]]] = {}
    for name in (*truth, *_TRANSCRIBED):
        expected = _number(truth[name]) if name in truth else _TRANSCRIBED[name]
        found.setdefault(name.split("/")[0], []).append(_compared(data / name, expected))
    rows = [
        Row(
            origin.replace("+", "/"), "networks or names, read and found again", len(lists),
            sum(expected for expected, _, _ in lists), sum(matched for _, matched, _ in lists),
            tuple(text for _, _, text in lists if text),
        )
        for origin, lists in found.items()
    ]  # fmt: skip
    noticed = sum(_is_refused(data / name) for name in _CUT_OFF)
    return [*rows, Row("transcribed", "lists that are cut off: noticed", len(_CUT_OFF), len(_CUT_OFF), noticed)]


def _number(told: dict[str, int]) -> int | None:
    """How many entries there are to be; None where the counts are of lines of JSON, which the file itself tells."""
    if "hosts_entry" in told:
        return told["hosts_entry"] - 1  # 127.0.0.1 localhost is in every hosts file
    if "json_line" in told and "other" in told:
        return None
    return sum(told.get(kind, 0) for kind in ("ipv4", "ipv4_cidr", "ipv6"))


def _compared(path: Path, number: int | None) -> tuple[int, int, str]:
    """How many entries are expected, how many came out the same, and what is different."""
    lines = path.read_text().splitlines(keepends=True)
    reading = Reading(format_of(lines[:400]))
    got = list(reading.entries(lines))
    wanted = set(_split(path))
    matched = sum(text in wanted for text in _found_again(got))
    expected = len(wanted) if number is None else number
    text = "" if matched == expected else f"{expected - matched} of {path.name}"
    return expected, matched, text


def _split(path: Path) -> Iterator[str]:
    """The entries by a plain splitting, as text."""
    text = path.read_text()
    if path.suffix == ".csv":
        data = [line for line in text.splitlines() if not line.startswith("#")]
        yield from (str(ip_network(row["dst_ip"])) for row in csv.DictReader(data))
    elif path.name == "list.json":
        yield from (str(ip_network(each)) for each in json.loads(text)["list"])
    elif path.suffix == ".json":
        told = [json.loads(line) for line in text.splitlines()]
        yield from (str(ip_network(each["cidr"])) for each in told if "cidr" in each)
    elif path.name == "hosts.txt":
        words = [line.split() for line in text.splitlines() if line[:1].isdigit()]
        yield from (each[1] for each in words if each[1] != "localhost")
    else:
        words = [line.split() for line in text.splitlines()]
        yield from (str(ip_network(each[0])) for each in words if each and not each[0].startswith("#"))


def _found_again(entries: list[Entry]) -> Iterator[str]:
    """The entries that a table has which was built of them."""
    with tempfile.TemporaryDirectory() as place:
        builder = Builder(_KEY)
        builder.take(entries)
        builder.write(Path(place) / "table")
        table = Table(Path(place) / "table")
        for entry in set(entries):
            if isinstance(entry.value, str):
                found = table.name([(each, hash_of(each, _KEY)) for each in suffixes(entry.value)])
                if found:
                    yield found.value if isinstance(found.value, str) else ""
            elif table.address(entry.value):
                yield str(ip_network(entry_text(entry)))


def _is_refused(path: Path) -> bool:
    with tempfile.TemporaryDirectory() as place:
        try:
            build(path, Path(place) / "table", Record("list"), _KEY, lambda: None)
        except Refused:
            return True
    return False
