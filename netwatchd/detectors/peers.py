"""By which names addresses elsewhere were asked for: so that a person reads `c2.example.org`, and not a number.

Known where the answers of DNS are seen: by the source capture, and in logs. Detectors share it.
"""

from netwatchd.addresses import Address, address_text
from netwatchd.detectors import Findings
from netwatchd.detectors.bounded import make_room
from netwatchd.detectors.naming import LONGEST
from netwatchd.observations import DnsMessage

MOST_NAMES = 4096  # addresses; with these, some 600 kB


class PeerNames:
    """The latest name that led to each address."""

    observes = (DnsMessage,)

    def __init__(self) -> None:
        self._names: dict[Address, str] = {}  # the latest at the end

    def observe(self, observation: DnsMessage) -> Findings:
        """An answer of DNS; questions and errors tell nothing."""
        names = self._names
        for address in observation.addresses:
            names.pop(address, None)
            make_room(names, MOST_NAMES)
            names[address] = observation.name
        return ()

    def name(self, address: Address) -> str | None:
        """The name, where one is known."""
        name = self._names.get(address)
        return name[:LONGEST] if name and name.isprintable() else None

    def called(self, address: Address, port: int | None = None) -> str:
        """`c2.example.org (203.0.113.66:443)`, or the address alone."""
        text = address_text(address)
        if port is not None:
            text = f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
        name = self.name(address)
        return f"{name} ({text})" if name else text
