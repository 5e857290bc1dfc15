"""Lists of addresses and names that others publish, read line by line: which format it is, and what it lists.

A list is text of hundreds of thousands of lines. So what is read is not kept here: `entries` yields it, and counts
beside it what could not be read.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from netwatchd.decoders.lists.columns import Columns, is_header, split
from netwatchd.decoders.lists.entry import Entries, Entry, NotOurs
from netwatchd.decoders.lists.lines import adblock, dnsmasq, hosts, is_comment, plain, urls
from netwatchd.decoders.lists.objects import items, json_line, json_of, of_object

# In this order they are tried where nobody says which one it is: the first that reads most lines.
FORMATS: dict[str, Callable[[], Callable[[str], Entries]]] = {
    "plain": lambda: plain,
    "hosts": lambda: hosts,
    "urls": lambda: urls,
    "adblock": lambda: adblock,
    "dnsmasq": lambda: dnsmasq,
    "csv": Columns,
    "json-lines": lambda: json_line,
    "json": lambda: json_line,  # one document: read as a whole
}
SAMPLE = 200  # lines that decide which format it is
LONGEST_LINE = 16_384
# A document of JSON is read as a whole, which takes some ten times its size.
LARGEST_DOCUMENT = 8 << 20
# How lists say how long they are: FireHOL at the top, abuse.ch at the end, Spamhaus in a last object.
_DECLARED = re.compile(
    r"[#;!\s]*(?:END\s+(\d+)\s+entries|Number of entries:\s*(\d+)|Entries\s*:\s*(\d+)\s+(?:subnets|unique))", re.I
)
_RECORDS = re.compile(r'\{.*"type"\s*:\s*"metadata".*"records"\s*:\s*(\d+).*\}')


class NoList(Exception):
    """What was given is no list; the text says what it is instead."""


class Reading:
    """Reads one list, and counts what it comes across."""

    def __init__(self, form: str) -> None:
        """`form` is one of FORMATS."""
        self.form = form
        self.read = 0  # lines or objects that listed something
        self.bad = 0  # that could not be read
        self.passed: Counter[str] = Counter()  # that list what cannot be looked for, by a word
        self.declared: int | None = None  # how many there are, as the list itself says
        self.line = FORMATS[form]()

    def entries(self, lines: Iterable[str]) -> Iterator[Entry]:
        """What the lines list; raises NoList for a document that is none."""
        if self.form == "json":
            yield from self._document(lines)
            return
        read = self.line
        for line in lines:
            if len(line) > LONGEST_LINE:
                self.bad += 1
                continue
            try:
                found = read(line)
            except NotOurs as other:
                self.passed[str(other)] += 1
            except ValueError:
                self.bad += 1
            else:
                if found:
                    self.read += 1
                    yield from found
                else:
                    self._look_for_count(line)

    @property
    def lines(self) -> int:
        """How many lines or objects there were that are no comments."""
        return self.read + self.bad + self.passed.total()

    def _document(self, lines: Iterable[str]) -> Iterator[Entry]:
        parts: list[str] = []
        size = 0
        for line in lines:
            parts.append(line)
            size += len(line)
            if size > LARGEST_DOCUMENT:
                break
        text = "".join(parts)
        if size > LARGEST_DOCUMENT:
            raise NoList(f"it is one document of JSON of more than {LARGEST_DOCUMENT >> 20} MiB")
        try:
            document = json_of(text)
        except ValueError as error:
            raise NoList(f"it is broken JSON: {error}") from error
        for item in items(document):
            try:
                found = of_object(item)
            except NotOurs as other:
                self.passed[str(other)] += 1
            except ValueError:
                self.bad += 1
            else:
                self.read += 1
                yield from found

    def _look_for_count(self, line: str) -> None:
        match = _DECLARED.match(line) or _RECORDS.match(line)
        if match:
            self.declared = int(next(filter(None, match.groups()))[:12])


def format_of(lines: Sequence[str]) -> str:
    """Which format the first lines of a list are in, one of FORMATS; raises NoList where they are in none.

    An empty list is `plain`.
    """
    told = [line.strip().removeprefix("\ufeff") for line in lines]
    data = [line for line in told if line and line[0] not in "#;!"]
    start = data[0] if data else ""
    if re.match(r"<!doctype|<html|<\?xml|<head|<body|<script", start, re.I):
        raise NoList("it is a web page")
    if start.startswith("PK\x03\x04"):
        raise NoList("it is a zip archive")
    if start[:1] in ("{", "[") and not start.startswith("[Adblock"):
        return _json_format(start)
    if _has_columns(told):
        return "csv"
    sample = [line for line in data if not is_comment(line)][:SAMPLE]
    scores = {form: _score(form, sample) for form in ("plain", "hosts", "urls", "adblock", "dnsmasq")}
    best = max(scores, key=lambda form: scores[form])
    if sample and not scores[best]:
        raise NoList("none of its lines is an address, a network or a name in a format that netwatchd knows")
    return best


def _json_format(start: str) -> str:
    if start[0] == "{" and start[-1] == "}":
        try:
            told = json_of(start)
        except ValueError:
            return "json"
        # An object that is a line may still be the whole document.
        return "json" if isinstance(told.get("list"), list) or not _is_flat(told) else "json-lines"
    return "json"


def _is_flat(told: dict[str, object]) -> bool:
    return not any(isinstance(value, dict | list) for value in told.values())


def _has_columns(lines: Sequence[str]) -> bool:
    for line in lines[:SAMPLE]:
        if "," in line:
            try:
                if is_header(split(line.lstrip("# "))):
                    return True
            except ValueError:
                continue
    quoted = [line for line in lines[:SAMPLE] if line.startswith('"') and '","' in line.replace('", "', '","')]
    return len(quoted) > 1


def _score(form: str, sample: Sequence[str]) -> int:
    """How many entries the lines have in that format: a line that lists several speaks for it, too."""
    found = 0
    read = FORMATS[form]()
    for line in sample:
        try:
            found += min(len(read(line)), 1)
        except (ValueError, NotOurs):
            continue
    # A hosts file is plain addresses with notes, too, and a list of URLs one of names: the narrower one is meant.
    return found * 2 + (form != "plain") if found else 0
