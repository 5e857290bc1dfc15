"""The exporter's times to ours, in Unix milliseconds.

NetFlow v5 and v9 write times as milliseconds since the exporter booted, in 32 bits, and the header says how long ago
that was and what its clock shows. IPFIX has ten ways to write a time. Where the exporter's clock is off, its times are
moved as a whole, so that its headers match their arrival; durations stay its own.
"""

from typing import NamedTuple

WRAP = 1 << 32  # sysUptime in milliseconds begins anew after 49.7 days

# An exporter whose clock differs by more from our arrival is not believed: more than a datagram can wait in buffers
# here and on its way together with a clock that counts whole seconds, and little enough that what it says can be put
# beside what other sources saw.
TOLERANCE = 30_000  # ms

# A flow that is said to last longer is not believed. It is what the uptime can express.
LONGEST = WRAP

# A time since boot that is this much later than the header's is of a clock that was read a little later. Beyond that
# the flow began before the uptime wrapped around.
_AHEAD = 3_600_000  # ms

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905)


class Clock(NamedTuple):
    """How the times of one datagram become ours."""

    now: int  # when it arrived
    export: int  # when it was sent: by the exporter's clock, or `now` where that is not trusted
    uptime: int  # of the exporter then, ms; 0 where it is not known
    base: int  # when the exporter booted, by our clock
    shift: int  # what is added to absolute times
    trusted: bool

    def booted(self, at: int) -> "Clock":
        """The same, of an exporter that booted at `at` by its own clock (Unix ms)."""
        uptime = (self.export - self.shift - at) % WRAP
        return self._replace(uptime=uptime, base=self.export - uptime)


def ntp(value: int) -> int:
    """dateTimeMicroseconds and dateTimeNanoseconds (RFC 7011, 6.1.9: an NTP timestamp) in ms.

    Some exporters write plain microseconds or nanoseconds since 1970 there. An NTP timestamp of our days is larger.
    """
    if value < 1 << 61:
        return value // (1000 if value < 1 << 57 else 1_000_000)
    return ((value >> 32) - _NTP_EPOCH) * 1000 + ((value & 0xFFFFFFFF) * 1000 >> 32)


def wrapped(time: int, base: int, uptime: int) -> int:
    """A time since boot that is later than the header's uptime."""
    return base + time if time - uptime <= _AHEAD else base + time - WRAP


def since_boot(boot: int, time: int, export: int) -> int:
    """A 32-bit time since `boot`, the latest that is not after `export` (both Unix ms)."""
    return export - ((export - boot - time) & (WRAP - 1))


class Boot:
    """When the exporter booted: headers say it with the resolution of a second only, but each says it anew."""

    def __init__(self) -> None:
        self._base = 0

    def base(self, export: int, uptime: int) -> int:
        """When it booted, by a header that was sent at `export` (whole seconds, in ms) and says `uptime` (ms).

        What was cut off from the seconds is missing: the largest of what headers say is nearest to the truth. So two
        halves of a flow can be compared even where they come in different datagrams.
        """
        said = export - uptime
        if not 0 <= self._base - said <= 1000:
            self._base = said
        return self._base


def mended(start: int, end: int, clock: Clock) -> tuple[int, int, bool]:
    """Times that cannot be, made possible; and whether they are still the exporter's."""
    low, high = clock.now - LONGEST, clock.now + TOLERANCE
    if low <= end <= high:
        if low <= start <= end:
            return start, end, clock.trusted
        return end, end, clock.trusted  # it is known when, and not how long
    lasted = end - start
    return clock.now - (lasted if 0 <= lasted <= LONGEST else 0), clock.now, False
