"""Which messages of the stream are looked for: those of some topics, about a device, as bad as is asked for."""

from collections.abc import Collection, Iterable
from contextlib import suppress

from netwatchd.addresses import address_text, parse_address, parse_mac
from netwatchd.answers import NotFound
from netwatchd.answers.find import find
from netwatchd.cli.stream import Message
from netwatchd.cli.told import Row, device_of, key_of
from netwatchd.events import SEVERITIES
from netwatchd.mutes import split_port
from netwatchd.storage import schema

TOPIC_OF = {
    "device_update": "devices", "device_removed": "devices", "flow_update": "flows", "threat_update": "threats",
    "stats": "stats",
}  # fmt: skip


class Wanted:
    """Knows the devices, by the messages that it is shown, and so which message is wanted."""

    def __init__(self, topics: Collection[str], device: str | None = None, severity: str | None = None) -> None:
        """`device` as a person says it: MAC, address or name; `severity`: only threats as bad as this, and worse."""
        self.topics = topics
        self.known: dict[str, Row] = {}
        self._device = device
        self._severity = SEVERITIES.index(severity) if severity else None
        self._keys: set[str] | None = None  # of the device; None where any will do
        self._ips: set[str] = set()  # its addresses now

    def see(self, message: Message) -> bool:
        """Whether it is wanted; raises NotFound where the device is none, or several."""
        kind = message["type"]
        removed: Row | None = None
        if kind == "snapshot":
            self.known = {key_of(row): row for row in message["devices"]}
            self._find()
        elif kind == "device_removed":
            removed = self.known.pop(message["key"], None)
        elif kind == "device_update":
            self._learn(message["device"])
        if kind in TOPIC_OF and TOPIC_OF[kind] not in self.topics:
            return False
        return self._keys is None or self._is_about(message, removed)

    def is_bad_enough(self, threat: Row) -> bool:
        """Whether a threat is as bad as is asked for."""
        return self._severity is None or SEVERITIES.index(threat["severity"]) >= self._severity

    def _is_about(self, message: Message, removed: Row | None) -> bool:
        assert self._keys is not None
        if message["type"] == "device_removed":
            return message["key"] in self._keys or (removed is not None and key_of(removed) in self._keys)
        if row := message.get("device"):
            return key_of(row) in self._keys
        if flow := message.get("flow"):
            ends = flow["src_ip"], flow["dst_ip"]
            return flow["device"] in self._keys or not self._ips.isdisjoint(ends)
        if threat := message.get("threat"):
            return self.is_about(threat)
        return True

    def is_about(self, threat: Row) -> bool:
        """Whether a threat is about the device."""
        target = threat["target"] or ""
        named = threat["device"], target, split_port(target)[0]
        return self._keys is None or not (self._keys | self._ips).isdisjoint(named)

    def _find(self) -> None:
        if self._device is None:
            return
        try:
            row = self.known[schema.key_of(find(self._device, list(map(device_of, self.known.values()))))]
            self._keys, self._ips = {key_of(row), *row["macs"]}, set(row["ips"])
        except NotFound:
            # One that is said by its MAC or address may be yet to come; one that was known may be so no more.
            given = set(_addresses(self._device))
            if self._keys is None and not given:
                raise
            self._keys, self._ips = self._keys or given, self._ips or given

    def _learn(self, row: Row) -> None:
        self.known[key_of(row)] = row
        keys = {key_of(row), *row["macs"]}
        # Also where another device turns out to be this one, or one has the address that was asked for.
        if self._keys is not None and not self._keys.isdisjoint(keys | {ip for ip in row["ips"] if ip in self._keys}):
            self._keys |= keys
            self._ips = set(row["ips"])


def _addresses(given: str) -> Iterable[str]:
    with suppress(ValueError):
        yield parse_mac(given)
    with suppress(ValueError):
        yield address_text(parse_address(given))
