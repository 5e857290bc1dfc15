"""One file of leases, watched: what is new in it, and which leases are gone from it.

dnsmasq writes its file anew in place, from the beginning, whenever a lease changes: a reader can see none or half
of it, and where the disk is full it stays so. What is there is told at once. What is missing counts only once
the file has stood still, is whole, reads the same a second time, is the same file as before, and does not lack all.

ISC dhcpd and Kea append: what was read is not read again. What they rename away and begin anew (Kea's has only what is
new then) says nothing of what is not in it any more.
"""

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

from netwatchd.clock import Now
from netwatchd.decoders.leases import MOST_LEASES, Lease, LeaseFile
from netwatchd.sources.watched import Reading, Stamp, look

SETTLED = 0.75  # seconds that a file must have stood still
WRITTEN = 200  # milliseconds in which any file is written that can be written at all
MOST_BYTES = 32 << 20  # of one file; 20,000 leases need 8 MB at most
APPENDED = ("isc", "kea")  # formats of files that grow
# Bytes before the end of what was read that must still be the same where a file has grown.
_OVERLAP = 256


class News(NamedTuple):
    """What one look at a file has shown of one lease."""

    old: Lease | None
    new: Lease | None  # None where it is gone
    is_first: bool  # nothing says when it came to be: it may have been there for long
    since: int  # Unix ms until which nothing had changed, as far as was looked


class TooLarge(OSError):
    """The file is larger than any that is read."""


class WatchedLeases:
    """The leases of one file, as far as they are believed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[Hashable, Lease] = {}
        self.format: str | None = None
        self.bad: dict[str, int] = {}  # records that were not understood, since it was last emptied
        self.left_out = 0  # leases beyond those that are kept, likewise
        self._stamp: Stamp | None = None  # of what was read last
        self._content = LeaseFile()
        self._offset = 0
        self._overlap = b""
        self._changed = 0.0  # steady: when it was last seen to have changed
        self._is_settled = True
        self._looked = 0  # Unix ms
        self._is_first = True  # nothing was read of it yet
        self._is_other = False  # it has taken the place of another one, and was not believed since

    @property
    def is_there(self) -> bool:
        """Whether there was one at the last look."""
        return self._stamp is not None

    def look(self, now: Now, beat: Callable[[], bool]) -> list[News] | None:
        """What has changed; None where the file has not. `beat` is called meanwhile, and says whether to go on.

        Raises OSError where the file cannot be read, Malformed where it is something else. It is tried again when it
        has changed.
        """
        stamp = look(self.path)
        if stamp is None:
            # Who deletes the file of a server takes no lease from anybody.
            self._stamp, self._is_settled = None, True
            return []
        since, self._looked = self._looked or now.wall, now.wall
        if stamp == self._stamp and (self._is_settled or now.steady - self._changed < SETTLED):
            return None
        again = stamp == self._stamp
        before, self._stamp = self._stamp, stamp
        # What is wrong with it is said once: it is read again when it has changed.
        self._is_settled = True
        return self._read(before, since, now, beat, again=again)

    def _read(self, before: Stamp | None, since: int, now: Now, beat: Callable[[], bool], *, again: bool) -> list[News]:
        with Reading(self.path) as reading:
            if reading.stamp.size > MOST_BYTES:
                raise TooLarge(None, f"it is larger than {MOST_BYTES >> 20} MiB")
            self._stamp = reading.stamp
            earlier = self._content
            goes_on = reading.stamp.is_same_file(before) and self._goes_on(reading)
            if not goes_on:
                self._content, self._offset, self._overlap = LeaseFile(), 0, b""
            content = self._content
            content.touched.clear()
            for data in reading.pieces(self._offset, MOST_BYTES - self._offset):
                content.read(data)
                self._offset += len(data)
                self._overlap = (self._overlap + data)[-_OVERLAP:]
                if not beat():
                    break
        self._note(content)
        if self.format not in APPENDED:
            if not (self._is_first or reading.stamp.is_same_file(before)):
                self._is_first = self._is_other = True
            return self._of_rewritten(earlier, since, now, again=again)
        gone = [key for key in content.touched if key in self.known and key not in content.leases]
        news = self._of_new((key for key in content.touched if key in content.leases), since, is_first=self._is_first)
        news += [News(self.known.pop(key), None, False, since) for key in gone]
        self._is_first = False
        self._forget_ended(now)
        return news

    def _goes_on(self, reading: Reading) -> bool:
        """Whether the file has only grown since it was read, and is one that grows."""
        if self._content.format not in APPENDED or reading.stamp.size < self._offset:
            return False
        begin = self._offset - len(self._overlap)
        return b"".join(reading.pieces(begin, len(self._overlap))) == self._overlap

    def _note(self, content: LeaseFile) -> None:
        self.format = content.format or self.format
        for reason, count in content.bad.items():
            self.bad[reason] = self.bad.get(reason, 0) + count
        self.left_out += content.left_out
        content.bad.clear()
        content.left_out = 0

    def _of_new(self, keys: Iterable[Hashable], since: int, *, is_first: bool) -> list[News]:
        found = []
        for key in keys:
            old, new = self.known.get(key), self._content.leases[key]
            if old != new:
                self.known[key] = new
                found.append(News(old, new, is_first, since))
        return found

    def _of_rewritten(self, earlier: LeaseFile, since: int, now: Now, *, again: bool) -> list[News]:
        """What is new in a file that is written anew each time; what is missing when it is read `again` the same."""
        content = self._content
        # Several clients that come out of nothing are more likely to be written again than to have come at once.
        clients = {lease.mac or lease.duid or lease.address for lease in content.leases.values()}
        is_first = self._is_first or (not self.known and len(clients) > 1)
        news = self._of_new(content.leases, since, is_first=is_first)
        if again and content.is_whole and content.leases == earlier.leases:
            missing = [key for key in self.known if key not in content.leases]
            # That all of several devices leave within a second is less likely than a disk that is full.
            if not self._is_other and (content.leases or len(missing) == 1):
                news += [News(self.known[key], None, False, since) for key in missing]
            for key in missing:
                del self.known[key]
            self._is_first = self._is_other = False
        else:
            self._changed, self._is_settled = now.steady, False
            # Nothing is missing in a file that was not being written when it was read.
            self._is_first = self._is_first and not (content.is_whole and self._age(now) > WRITTEN)
        return news

    def _age(self, now: Now) -> int:
        """Milliseconds since the file was changed."""
        return now.wall - self._stamp.changed // 1_000_000 if self._stamp else 0

    def _forget_ended(self, now: Now) -> None:
        """Leases that stand in an earlier file only are kept while they last: who gives one back is known then."""
        if len(self.known) > MOST_LEASES:
            self.known = {key: lease for key, lease in self.known.items()
                          if key in self._content.leases or lease.is_active(now.wall)}  # fmt: skip
        if len(self.known) > 2 * MOST_LEASES:
            self.known = dict(self._content.leases)
