"""What kind of device shows these clues."""

from collections.abc import Iterable
from typing import NamedTuple

from netwatchd.events import Clue


class Description(NamedTuple):
    """What a device is, and why."""

    hostname: str | None
    vendor: str | None
    kind: str
    model: str | None
    evidence: tuple[str, ...]


def describe(mac: str | None, clues: Iterable[Clue]) -> Description:
    """What the clues say, the latest first."""
    names = [clue.value for clue in clues if clue.kind in ("hostname", "dhcp_hostname", "mdns_name")]
    return Description(names[0] if names else None, None, "unknown", None, ())
