"""Lists with columns, as abuse.ch publishes them: quoted or not, the header plain or in a comment."""

import csv
import re
from collections.abc import Sequence

from netwatchd.decoders.lists.entry import Entries, Entry, NotOurs, host, network, note_of, thing

# What is listed, in the order in which a column is preferred: Feodo Tracker, SSLBL, URLhaus, ThreatFox and others.
VALUES = (
    "ioc_value", "ioc", "indicator", "dst_ip", "dstip", "ip_address", "ipaddress", "ip", "address", "cidr", "network",
    "netblock", "src_ip", "srcip", "domain", "domainname", "hostname", "host", "fqdn", "url",
)  # fmt: skip
NOTES = (
    "malware_printable", "malware", "threat", "listingreason", "reason", "family", "sblid", "tags", "category",
    "description",
)  # fmt: skip
TYPES = ("ioc_type", "indicator_type", "type")
_HASHES = ("md5", "sha1", "sha256", "sha3", "imphash", "tlsh", "email", "envelope", "body")
# ThreatFox publishes what it is not sure of, too (0 to 100): below a half a listing is a suspicion.
SURE = 50


class Columns:
    """Reads the lines of one list; what its columns mean is told by its header."""

    def __init__(self) -> None:
        self._header: dict[str, int] = {}
        self._value = ""

    def __call__(self, line: str) -> Entries:
        """What a line lists; raises ValueError or NotOurs."""
        line = line.strip()
        if not line:
            return ()
        if line[0] == "#":
            self._take_header(split(line.lstrip("# ")))
            return ()
        fields = split(line)
        if self._take_header(fields):
            return ()
        if not self._value:
            return (_found(fields),)
        told = {column: fields[at] for column, at in self._header.items() if at < len(fields)}
        return (of_columns(told, self._value),)

    def _take_header(self, fields: Sequence[str]) -> bool:
        if not is_header(fields):
            return False
        self._header = {field.strip().lower(): at for at, field in enumerate(fields)}
        self._value = next(column for column in VALUES if column in self._header)
        return True


def is_header(fields: Sequence[str]) -> bool:
    """Whether these are names of columns, of which one is what a list lists."""
    names = [field.strip().lower() for field in fields]
    return (
        len(names) > 1
        and bool(set(VALUES).intersection(names))
        and all(re.fullmatch(r"[a-z][a-z0-9_ ().-]*", each) for each in names)
    )


def split(line: str) -> list[str]:
    """The fields of a line (RFC 4180, with blanks after the commas as ThreatFox writes them); raises ValueError."""
    try:
        return [field.strip() for field in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise ValueError(f"{line!r:.60} has no columns: {error}") from error


def of_columns(told: dict[str, str], column: str) -> Entry:
    """What a row lists, by its fields' names; `column` has the value. Raises ValueError or NotOurs."""
    value = told.get(column, "")
    if not value:
        raise ValueError("a row lacks what it lists")
    kind = next((told[each].lower() for each in TYPES if told.get(each)), "")
    if any(part in kind for part in _HASHES):
        raise NotOurs("hash")
    confidence = told.get("confidence_level", "")
    if confidence.isascii() and confidence.isdecimal() and int(confidence[:3]) < SURE:
        raise NotOurs("unsure")
    note = note_of(next((told[each] for each in NOTES if told.get(each) not in (None, "", "None")), ""))
    if column == "url" or kind == "url":
        return host(value, note)
    return thing(value, note)


def _found(fields: Sequence[str]) -> Entry:
    """The first field that is an address, or else a URL; without a header nothing else is sure."""
    for field in fields:
        try:
            return network(field.rpartition(":")[0] if field.count(":") == 1 else field)
        except ValueError:
            if "://" in field:
                return host(field)
    raise ValueError("a row has no address, and there is no header")
