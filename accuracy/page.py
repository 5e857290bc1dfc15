"""docs/ACCURACY.md: rendered from the rows, and read again to find what has got worse."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from accuracy import Row

LAB = Path(__file__).parent / "lab.md"  # what `make lab` has measured, put down by hand
Tables = Mapping[str, Sequence[Row]]  # the rows of each module, by its name

TITLES = {
    "exports": "Flow exports", "packets": "Captures", "logs": "Logs of other programs", "leases": "Leases",
    "devices": "Devices", "blocklists": "Blocklists", "verdicts": "Threats",
}  # fmt: skip
_TEXT = r"((?:[^|\\]|\\.)+?)"  # a cell; a bar within it is escaped
INTRODUCTION = """\
# Accuracy

What netwatchd makes of recordings that others have published, compared with what other programs, or their authors,
made of the same recordings. This page is written by `make accuracy ARGS=--write`; `make accuracy` compares anew and
fails where a number is worse than the one that stands here.

    make accuracy                               the folder ../shared/data
    make accuracy ARGS="--data ~/recordings"    another one; $NETWATCHD_DATA names it, too

**What is compared.** An input goes through the same decoders and the same flow table that serve live traffic and
`netwatchd replay`. *Expected* counts the records for which an origin states an expectation, *matched* those that came
out the same in everything that is named in the column *compared*. Nothing is left out of *expected* because it is
hard: what does not match is explained below its table.

**Whose bytes.** A flow of netwatchd counts IP bytes: headers and payload of IP, without the frame around it. Of the
others

* Zeek's `orig_ip_bytes` and `resp_ip_bytes`, ipfixprobe, softflowd and the fields of NetFlow and IPFIX that exporters
  use count IP bytes as well, and are compared with ours directly; Zeek's `orig_bytes` and `resp_bytes` are payload;
* nDPI, Arkime and Suricata count whole frames: where their numbers for a capture are compared, what each frame has
  around its IP packet is added to ours; where Suricata's log is read, it is taken away, as far as the log tells it;
* sFlow samples whole frames; what is compared is the IP packet in them.
"""


def render(
    tables: Tables,
    introductions: Mapping[str, str],
    details: Mapping[str, str] | None = None,
    headlines: Mapping[str, str] | None = None,
) -> str:
    """The page. `introductions` has the paragraph above each module's table, by its name, `details` what is below.

    A module in `headlines` has a sum of its own, because its rows are no records that could be added up with others.
    """
    headlines = headlines or {}
    parts = [INTRODUCTION, _total({name: rows for name, rows in tables.items() if name not in headlines})]
    parts += [f"\n**{TITLES.get(name, name)}: {text}**\n" for name, text in headlines.items()]
    for name, rows in tables.items():
        parts.append(f"\n## {TITLES.get(name, name)}\n\n")
        parts += [f"**{headlines[name][:1].upper()}{headlines[name][1:]}**\n\n"] if name in headlines else []
        parts += [f"{introductions[name]}\n\n" if introductions[name] else ""]
        parts.append("| origin | compared | files | expected | matched |\n|---|---|--:|--:|--:|\n")
        parts += [f"| {_cell(row.origin)} | {_cell(row.what)} | {_numbers(row)} |\n" for row in rows]
        if name not in headlines:
            parts.append(f"| **together** | | {_numbers(together(rows))} |\n")
        if any(row.differences for row in rows):
            parts.append("\nWhat differs:\n\n")
        for row in rows:
            parts += [f"* {row.origin}, {row.what}:\n"] if row.differences else []
            parts += [f"  * {text}\n" for text in row.differences]
        if details and name in details:
            parts.append(f"\n{details[name]}")
    parts.append(LAB.read_text(encoding="utf-8"))
    return "".join(parts)


def together(rows: Sequence[Row]) -> Row:
    """The sums of the rows. A file that several rows compare counts in each of them."""
    return Row(
        "together",
        "",
        sum(row.files for row in rows),
        sum(row.expected for row in rows),
        sum(row.matched for row in rows),
    )


def worse(tables: Tables, page: str) -> list[str]:
    """A sentence for each number that is worse than what the page says of the modules in `tables`.

    A row without files, but with a difference, could not be compared here and says why: it is no worse.
    """
    found = []
    for name, origin, what, files, expected, matched in _stated(page):
        if name not in tables:
            continue
        where = f"{name}: {origin}, {what}"
        row = next((row for row in tables[name] if (_cell(row.origin), _cell(row.what)) == (origin, what)), None)
        if row is None:
            found.append(f"{where}: is not compared any more")
        elif not row.files and row.differences:
            continue
        elif row.files < files or row.expected < expected:
            now = f"{row.files} files with {row.expected} records"
            found.append(f"{where}: {now} are compared, there were {files} with {expected}")
        elif row.expected - row.matched > expected - matched:
            found.append(f"{where}: {row.expected - row.matched} records differ, there were {expected - matched}")
    return found


def _stated(page: str) -> Iterator[tuple[str, str, str, int, int, int]]:
    """(module, origin, what, files, expected, matched) of each row of the page's tables."""
    names = {title: name for name, title in TITLES.items()}
    name = ""
    for line in page.splitlines():
        if line.startswith("## "):
            name = names.get(line[3:], line[3:])
        # The row of sums has an empty second cell, and rows of other tables more cells: neither matches.
        elif match := re.fullmatch(rf"\| {_TEXT} \| {_TEXT} \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", line):
            files, expected, matched = (int(number.replace(",", "")) for number in match.groups()[2:])
            yield name, match[1], match[2], files, expected, matched


def _total(tables: Tables) -> str:
    total = together([row for rows in tables.values() for row in rows])
    return f"\n**Together: {total.matched:,} of {total.expected:,} records match.**\n"


def _numbers(row: Row) -> str:
    return f"{row.files:,} | {row.expected:,} | {row.matched:,}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
