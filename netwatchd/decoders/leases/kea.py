"""The leases of Kea's memfile: CSV, whose header says which columns there are (they differ by version).

A row is appended whenever a lease changes; the last one of an address counts. What would be taken for a comma is
written as `&#x2c` (CSVFile::escape in Kea's util/csv_file.cc), other characters alike.
"""

import re

from netwatchd.addresses import parse_address
from netwatchd.decoders.leases.lease import (
    NEVER,
    Book,
    Lease,
    Malformed,
    duid_of_client_id,
    hex_bytes,
    identifier,
    mac_of,
    mac_of_duid,
    shown,
)

MARK = re.compile(rb"address,\S*\bexpire\b")

_NEEDED = ("address", "valid_lifetime", "expire")
_ESCAPED = re.compile("&#x([0-9a-fA-F]{2})")
_INFINITE = 0xFFFFFFFF  # seconds of a lease that does not end
# Lease::STATE_* in Kea's dhcpsrv/lease.h. The last one is an address that the client chose itself (RFC 9686).
_STATES = {"0": "active", "1": "declined", "2": "expired", "3": "released", "4": "active"}
_PREFIX = "2"  # Lease::TYPE_PD
_TEMPORARY = "1"  # Lease::TYPE_TA
_FROM_DUID = "2"  # HWAddr::HWADDR_SOURCE_DUID in Kea's dhcp/hwaddr.h


class Kea:
    """Reads rows into a book. Rows before a header are malformed."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._columns: list[str] = []

    def read(self, text: str) -> int:
        """Reads the whole lines of `text`; returns where the rest begins."""
        end = text.rfind("\n") + 1
        for line in text[:end].split("\n"):
            if line.startswith("address,"):
                self._columns = line.strip().split(",")
            elif line.strip():
                self._book.records += 1
                try:
                    self._row(line.rstrip("\r").split(","))
                except ValueError as error:
                    self._book.blame(str(error) if isinstance(error, Malformed) else "the address is none")
        return end

    def _row(self, cells: list[str]) -> None:
        if missing := [name for name in _NEEDED if name not in self._columns[: len(cells)]]:
            raise Malformed(f"a row has no {missing[0]}")
        row = {
            name: _ESCAPED.sub(lambda match: chr(int(match[1], 16)), cell)
            for name, cell in zip(self._columns, cells, strict=False)
        }
        lifetime, expire = _whole(row["valid_lifetime"]), _whole(row["expire"])
        given = max(expire - lifetime, 0) * 1000
        if given >= NEVER:
            raise Malformed("the lease begins after the year 9999")
        # A row with no lifetime takes a lease away (Memfile_LeaseMgr::deleteLease).
        state = _STATES.get(row.get("state", "0"), "other") if lifetime else "removed"
        lease = Lease(
            parse_address(row["address"]),
            None,
            shown(row.get("hostname")),
            start=given,
            end=NEVER if lifetime == _INFINITE else min(expire * 1000, NEVER),
            state=state,
        )
        self._book.put(_of_ipv6(lease, row) if "duid" in row else _of_ipv4(lease, row))


def _of_ipv4(lease: Lease, row: dict[str, str]) -> Lease:
    client = hex_bytes(row.get("client_id", ""))
    return lease._replace(
        mac=mac_of(hex_bytes(row.get("hwaddr", ""))),
        client_id=identifier(client),
        duid=identifier(duid_of_client_id(client)),
    )


def _of_ipv6(lease: Lease, row: dict[str, str]) -> Lease:
    duid = hex_bytes(row["duid"])
    kind = row.get("hwtype") or "1"
    told = mac_of(hex_bytes(row.get("hwaddr", "")), int(kind) if kind.isascii() and kind.isdecimal() else 0)
    # Where nothing says where the server had the hardware address from, it may be from the DUID.
    derived = told is None or row.get("hwaddr_source", _FROM_DUID) in (_FROM_DUID, "", "0")
    mac = told or mac_of_duid(duid)
    if lease.state == "declined":  # the address is used by somebody else
        mac = None
    return lease._replace(
        mac=mac,
        derived=derived and mac is not None,
        duid=identifier(duid) if duid != b"\0" else None,  # of an address that was declined
        prefix=_whole(row.get("prefix_len", "128")) if row.get("lease_type") == _PREFIX else None,
        temporary=row.get("lease_type") == _TEMPORARY,
        iaid=_whole(row.get("iaid") or "0"),
    )


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise Malformed("a number is none")
    return int(text)
