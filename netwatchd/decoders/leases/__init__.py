"""Files in which DHCP servers keep their leases: dnsmasq, ISC dhcpd, Kea. Which one it is, the content tells."""

import re
from collections.abc import Callable

from netwatchd.decoders.leases import dnsmasq, isc, kea
from netwatchd.decoders.leases.lease import LONGEST_RECORD, MOST_LEASES, NEVER, Book, Lease, Malformed

__all__ = ["MOST_LEASES", "NEVER", "Lease", "LeaseFile", "Malformed"]

_Reader = dnsmasq.Dnsmasq | isc.Isc | kea.Kea
_FORMATS: dict[str, tuple[re.Pattern[bytes], Callable[[Book], _Reader]]] = {
    "dnsmasq": (dnsmasq.MARK, dnsmasq.Dnsmasq),
    "isc": (isc.MARK, isc.Isc),
    "kea": (kea.MARK, kea.Kea),
}
_LOOKED_AT = 50  # lines that may be anything before one tells the format: comments, or damage


class LeaseFile(Book):
    """A file of leases that is read piece by piece, from its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.format: str | None = None  # dnsmasq, isc or kea
        self._reader: _Reader | None = None
        self._rest = b""
        self._is_skipping = False  # up to the end of a line

    @property
    def is_whole(self) -> bool:
        """Whether it ends where a record ends, so that nothing of it is yet to be written."""
        if self._reader is None:
            return not self._rest or self._rest.endswith(b"\n")
        return not self._rest.strip() and not self._is_skipping

    def read(self, data: bytes) -> None:
        """Takes in the next bytes; raises Malformed where they are of no file of leases."""
        if self._is_skipping:
            _, newline, data = data.partition(b"\n")
            self._is_skipping = not newline
        data = self._rest + data
        if self._reader is None:
            self._reader = self._find_reader(data)
            if self._reader is None:
                self._rest = data
                return
        end = self._reader.read(data.decode("latin-1"))
        self._rest = data[end:]
        if len(self._rest) > LONGEST_RECORD:
            self.blame(f"a record is longer than {LONGEST_RECORD} bytes")
            # What is behind the next end of a line may be a record again.
            self._rest, self._is_skipping = b"", True

    def _find_reader(self, data: bytes) -> _Reader | None:
        lines = data.split(b"\n")
        # The last one may be half a line.
        for line in lines[: _LOOKED_AT if len(lines) > _LOOKED_AT else -1]:
            for name, (mark, reader) in _FORMATS.items():
                if mark.match(line.lstrip()):
                    self.format = name
                    return reader(self)
        written = [line for line in lines[:-1] if line.strip() and not line.lstrip().startswith(b"#")]
        if written or len(data) > LONGEST_RECORD:
            raise Malformed("it is no file of leases of dnsmasq, ISC dhcpd or Kea")
        return None
