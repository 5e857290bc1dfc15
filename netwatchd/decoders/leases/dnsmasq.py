"""The leases file of dnsmasq, a line a lease, as lease_update_file() in its lease.c writes it.

IPv4: EXPIRY [TYPE-]HARDWARE ADDRESS NAME CLIENT-ID. Then, behind a line `duid`, which is the server's own, IPv6:
EXPIRY [T]IAID ADDRESS NAME DUID. `*` stands for nothing, an expiry of 0 for a lease that does not end.
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

MARK = re.compile(rb"[0-9]{1,20} \S+ [0-9a-fA-F.:]+ \S+ \S+\s*$|duid [0-9a-fA-F:]+\s*$")

_HARDWARE = re.compile(r"(?:([0-9a-fA-F]{2})-)?((?:[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})*)?)")
_BLANKS = re.compile("[ \t]+")  # and not what else Unicode calls blank: names are UTF-8, read byte by byte
_IAID = re.compile(r"(T?)([0-9]{1,10})")
# A router without a clock of its own (HAVE_BROKEN_RTC) writes how many seconds a lease lasts. None lasts 30 years, and
# no clock that is right is in the seventies.
_LONGEST = 30 * 365 * 86_400
_INFINITE = 0xFFFFFFFF
# Lines about a lease that later versions add: what a relay said, and the vendor class in a form of their own.
_OTHERS = ("agent-info", "vendorclass")


class Dnsmasq:
    """Reads lines into a book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def read(self, text: str) -> int:
        """Reads the whole lines of `text`; returns where the rest begins."""
        end = text.rfind("\n") + 1
        for line in text[:end].split("\n"):
            if words := _BLANKS.split(line.strip(" \t\r")) if line else []:
                try:
                    self._line(words)
                except ValueError as error:
                    self._book.blame(str(error) if isinstance(error, Malformed) else "the address is none")
        return end

    def _line(self, words: list[str]) -> None:
        if not words[0] or words[0] == "duid" or words[0] in _OTHERS:
            return
        if len(words) < 5 or not (words[0].isascii() and words[0].isdecimal() and len(words[0]) <= 20):
            raise Malformed("a line should be: expiry, hardware address, address, name, client id")
        self._book.records += 1
        # A name may not hold blanks, but a client that is believed in everything might have sent some.
        expiry, hardware, address, name, client = (*words[:3], " ".join(words[3:-1]), words[-1])
        lease = Lease(
            parse_address(address),
            None,
            shown(name) if name != "*" else None,
            end=_end(int(expiry)),
        )
        packed = hex_bytes(client) if client != "*" else None
        if client != "*" and packed is None:
            raise Malformed("the client id is not hexadecimal")
        self._book.put(_of_ipv6(lease, hardware, packed) if ":" in address else _of_ipv4(lease, hardware, packed))


def _of_ipv4(lease: Lease, hardware: str, client: bytes | None) -> Lease:
    match = _HARDWARE.fullmatch(hardware)
    if match is None:
        raise Malformed("the hardware address is none")
    return lease._replace(
        mac=mac_of(hex_bytes(match[2]) if match[2] else None, int(match[1] or "1", 16)),
        client_id=identifier(client),
        duid=identifier(duid_of_client_id(client)),
    )


def _of_ipv6(lease: Lease, iaid: str, duid: bytes | None) -> Lease:
    match = _IAID.fullmatch(iaid)
    if match is None:
        raise Malformed("the IAID is no number")
    mac = mac_of_duid(duid)
    return lease._replace(
        mac=mac, derived=mac is not None, duid=identifier(duid), temporary=bool(match[1]), iaid=int(match[2])
    )


def _end(expiry: int) -> int | None:
    if expiry in (0, _INFINITE):
        return NEVER
    return min(expiry * 1000, NEVER) if expiry > _LONGEST else None
