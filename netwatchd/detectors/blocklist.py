"""Devices that talk with an address or ask for a name that stands in a list of [blocklists].

Outbound: whoever here opens a conversation with a listed address is told of, also where nothing answers, because
something here wanted it. Inbound: listed hosts knock at every address of the internet all day long; that is told only
where data went back. A name is told of when it is asked for; if the device then talks with the address that was the
answer, that raises it.

What is kept cannot be filled from outside: an unanswered knock leaves nothing here. A device that contacts many listed
hosts, as a file-sharing program or a scanner does, is told of by host up to MOST_TARGETS, and by list from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from netwatchd.addresses import Address, address_text
from netwatchd.config import Blocklist as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.telling import threat
from netwatchd.events import LIVE, SEVERITIES, Flow
from netwatchd.listings import Listing
from netwatchd.observations import DnsMessage

MOST_PAIRS = 4096  # of device and target that are remembered, some 500 bytes each
MOST_DEVICES = 1024
MOST_TARGETS = 20  # of one device that are told by themselves: nobody reads more rows of one device
DAY = 86_400_000  # after which they are counted anew
AGAIN = 10_000  # ms between two tellings of the same that has only grown
STILL = 3_600_000  # ms after which what merely goes on is told again, so that its row shows that it does
# How long a conversation with an address counts as one with the name that it was the answer to. A program connects at
# once; what comes later may be meant for another name at the same address.
RESOLVED = 20_000
FORWARDED = 10_000  # ms in which a resolver passes on a question; it has five seconds, and may try twice
MOST_PORTS = 8
MOST_LIVE = 64
TCP, ICMP, ICMPV6 = 6, 1, 58
# The types of ICMP that ask for something (RFC 792, RFC 4443): errors are about conversations of others.
ASKS = {ICMP: 8, ICMPV6: 128}
# An accepted connection of TCP in which something was said has these packets each way at least: SYN, ACK, data.
SAID = 3
HANDSHAKE = 60  # bytes of a packet of TCP without data, at most


@dataclass
class _Contact:
    """What is known of a device and a target."""

    connections: int = 0
    answered: int = 0  # connections
    asked: int = 0  # questions of DNS
    bytes_out: int = 0  # of what has ended
    bytes_in: int = 0
    ports: dict[int, None] = field(default_factory=dict)
    live: dict[int, tuple[int, int]] = field(default_factory=dict)  # bytes of what goes on, by the flow's id
    first: int = 0
    told_at: int | None = None
    told_level: int = -1
    told_count: int = 0
    answered_with: str = ""

    def count(self, flow: Flow, new: bool, out: int, back: int) -> None:
        """Takes in a flow, which may have been told before, with fewer bytes."""
        if new:
            self.connections += 1
            if flow.protocol not in ASKS and len(self.ports) < MOST_PORTS:
                self.ports[flow.dst_port] = None
        if flow.state in LIVE:
            if flow.id in self.live or len(self.live) < MOST_LIVE:
                self.live[flow.id] = out, back
        else:
            self.live.pop(flow.id, None)
            self.bytes_out += out
            self.bytes_in += back

    @property
    def out(self) -> int:
        """Bytes from the device."""
        return self.bytes_out + sum(out for out, _ in self.live.values())

    @property
    def back(self) -> int:
        """Bytes to the device."""
        return self.bytes_in + sum(back for _, back in self.live.values())


class Blocklist:
    """The detector `blocklist`."""

    wants = Wants.EVERY
    ports = None
    observes = (DnsMessage,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        # As attributes, because they are called for each end of each flow.
        self._listed = home.listed
        self._listed_name = home.listed_name
        self._contacts: Bounded[tuple[str, str], _Contact] = Bounded(MOST_PAIRS, _Contact)
        self._targets: Bounded[str, dict[str, int]] = Bounded(MOST_DEVICES, dict)
        # The addresses of listed names: by who asked and the address, when, and the listings of the name.
        self._resolved: dict[tuple[Address, Address], tuple[int, Sequence[Listing]]] = {}
        self._questions: Bounded[str, list[tuple[int, Address]]] = Bounded(MOST_DEVICES, list)

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow, each time it is told: first that it begins, later what it carried."""
        if found := self._listed(flow[5]):
            return self._outbound(flow, new, found, flow.dst_ip)
        if found := self._listed(flow[3]):
            return self._inbound(flow, new, found)
        if self._resolved and (known := self._resolved.get((flow[3], flow[5]))):
            time, found = known
            if 0 <= flow.start - time <= RESOLVED:
                return self._outbound(flow, new, found, found[0].entry)
        return ()

    def observe(self, observation: DnsMessage) -> Findings:
        """A question of DNS, or its answer."""
        found = self._told_of(self._listed_name(observation.name))
        if not found or self._is_forwarded(observation):
            return ()
        name, device = found[0].entry, key_at(self._home, observation.client)
        contact, target = self._contact(device, name, found, observation.time)
        if observation.answer:
            self._resolve(observation, found)
            contact.answered_with = _answer(observation)
        contact.asked += not observation.answer or not contact.asked
        if not contact.first:
            contact.first = observation.time
        level = self._level(found, 1)
        if not self._may_tell(contact, level, observation.time):
            return ()
        who = called_by_key(self._home, device)
        times = f"{contact.asked} times " if contact.asked > 1 else ""
        said = f"{who} asked {times}for {observation.name}, and {_where(found, name, observation.time)}"
        return self._tell(device, target, found, contact, level, observation.time, said, {
            "direction": "question", "name": observation.name, "server": address_text(observation.server),
            "answer": contact.answered_with or "not seen",
        })  # fmt: skip

    # Flows.

    def _outbound(self, flow: Flow, new: bool, found: Sequence[Listing], what: Address | str) -> Findings:
        found = self._told_of(found)
        if not found or ASKS.get(flow.protocol, flow.src_port) != flow.src_port:
            return ()
        if self._home.owner(flow.dst_ip):
            return ()  # a device here, whose provider's network is listed
        device, text = key_at(self._home, flow.src_ip), what if isinstance(what, str) else address_text(what)
        return self._met(flow, new, device, text, found, flow.bytes_out, flow.bytes_in, _is_answered(flow))

    def _inbound(self, flow: Flow, new: bool, found: Sequence[Listing]) -> Findings:
        found = self._told_of(found)
        if not found or flow.protocol in ASKS or self._home.owner(flow.src_ip):
            return ()
        device, text = key_at(self._home, flow.dst_ip), address_text(flow.src_ip)
        if flow.src_port < 1024 <= flow.dst_port:
            # Nobody opens connections from such a port: what is seen is the answer to a conversation of ours that was
            # joined in its middle.
            if not flow.packets_in:
                return ()
            return self._met(flow, new, device, text, found, flow.bytes_in, flow.bytes_out, answered=True)
        if not _is_served(flow):
            return ()
        contact, target = self._contact(device, text, found, flow.end)
        # Told when it is known that data went back, which is seldom the first time that it is told.
        contact.count(flow, new or flow.id not in contact.live, flow.bytes_in, flow.bytes_out)
        contact.first = contact.first or flow.start
        contact.answered = contact.connections
        level = self._level(found, 1)
        if not self._may_tell(contact, level, flow.end):
            return ()
        who = called_by_key(self._home, device)
        said = f"{text} connected to {who}{_at(contact)} and got {_size(contact.out)}; {_where(found, text, flow.end)}"
        return self._tell(device, target, found, contact, level, flow.end, said, {"direction": "inbound"})

    def _met(  # all of it is about one conversation
        self, flow: Flow, new: bool, device: str, text: str, found: Sequence[Listing], out: int, back: int,
        answered: bool,
    ) -> Findings:  # fmt: skip
        """A device here has talked with what is listed, or tried to."""
        contact, target = self._contact(device, text, found, flow.end)
        contact.count(flow, new, out, back)
        contact.first = contact.first or flow.start
        contact.answered += answered and (new or not contact.answered)
        level = self._level(found, 0 if contact.answered else 1)
        if not self._may_tell(contact, level, flow.end):
            return ()
        who = called_by_key(self._home, device)
        address = text if _is_address(text) else address_text(flow.dst_ip)
        whom = text if _is_address(text) else f"{text} ({address})"
        whom += "" if target == text else " and others"
        times = f" in {contact.connections} connections" if contact.connections > 1 else ""
        if contact.answered:
            what = f"talked with {whom}{_at(contact)}{times}, sent {_size(contact.out)} and got {_size(contact.back)}"
        else:
            what = f"tried to reach {whom}{_at(contact)}{times}, without an answer so far"
        said = f"{who} {what}; {_where(found, text, flow.end)}"
        return self._tell(device, target, found, contact, level, flow.end, said, {
            "direction": "outbound", "address": address, "answered": contact.answered > 0,
        })  # fmt: skip

    # Names.

    def _is_forwarded(self, message: DnsMessage) -> bool:
        """Whether a resolver here only passes on what a device has asked it."""
        asked = self._questions.touch(message.name)
        asked[:] = [each for each in asked[-15:] if abs(message.time - each[0]) <= FORWARDED]
        if any(server == message.client for _, server in asked):
            return True
        if not message.answer:
            asked.append((message.time, message.server))
        return False

    def _resolve(self, message: DnsMessage, found: Sequence[Listing]) -> None:
        """Remembers the addresses of a listed name, for conversations that follow."""
        for address in message.addresses[:16]:
            if address in self._home.networks or address in (0, b"\0" * 16):
                continue  # a resolver that blocks answers with nothing, or with itself
            self._resolved.pop((message.client, address), None)
            self._resolved[message.client, address] = message.time, found
            if len(self._resolved) > MOST_PAIRS:
                del self._resolved[next(iter(self._resolved))]

    # What is shared.

    def _told_of(self, found: Sequence[Listing]) -> Sequence[Listing]:
        """The listings that are told, the worst first."""
        if not found:
            return ()
        threats = [each for each in found if each.purpose == "threat" or self.settings.trackers]
        return sorted(threats, key=lambda each: -_rank(each))

    def _contact(self, device: str, text: str, found: Sequence[Listing], time: int) -> tuple[_Contact, str]:
        """What is known of a device and a target; the target is a list where there are too many of them."""
        targets = self._targets.touch(device)
        if targets and abs(time - targets[""]) > DAY:
            targets.clear()
        if not targets:
            targets[""] = time
        if text not in targets:
            if len(targets) > MOST_TARGETS:
                text = f"list {found[0].list}"
            else:
                targets[text] = time
        return self._contacts.touch((device, text)), text

    def _level(self, found: Sequence[Listing], less: int) -> int:
        return max(_rank(found[0]) - less, 0)

    def _may_tell(self, contact: _Contact, level: int, time: int) -> bool:
        """Whether it is told: the first time, when it has become worse, twice as much, or goes on for an hour."""
        count = contact.connections + contact.asked
        if contact.told_at is not None and level <= contact.told_level:
            since = abs(time - contact.told_at)
            if since < AGAIN or (count < 2 * contact.told_count and since < STILL):
                return False
        contact.told_at, contact.told_count = time, count
        contact.told_level = max(level, contact.told_level)
        return True

    def _tell(  # a threat has so many parts
        self, device: str, target: str, found: Sequence[Listing], contact: _Contact, level: int, time: int, said: str,
        evidence: dict[str, object],
    ) -> Findings:  # fmt: skip
        shown = evidence | {
            "lists": [
                {"list": each.list, "entry": each.entry, "note": each.note, "fetched": each.fetched} for each in found
            ],
            "connections": contact.connections,
            "questions": contact.asked,
            "ports": sorted(contact.ports),
            "bytes_out": contact.out,
            "bytes_in": contact.back,
        }
        level = max(level, contact.told_level)
        is_tracker = found[0].purpose != "threat"
        severity = "info" if is_tracker else SEVERITIES[level]
        advice = (
            f"find out which program does this; where it is meant, write {found[0].entry} into allow of [blocklists]"
            if is_tracker or level < SEVERITIES.index("medium")
            else "find out which program does this and look the device over for malware; where it is meant, write "
            f"{found[0].entry} into allow of [blocklists]"
        )
        return [
            threat(
                "blocklist", severity, min(contact.first, time), time, device=device, target=target,
                description=said, recommendation=advice, evidence=shown,
            )
        ]  # fmt: skip


def _rank(listing: Listing) -> int:
    return SEVERITIES.index(listing.severity) if listing.purpose == "threat" else 0


def _is_answered(flow: Flow) -> bool:
    return flow.packets_in > 0 and flow.state != "rejected"


def _is_served(flow: Flow) -> bool:
    """Whether data went back to whoever knocked: not a refusal, nor the second step of a handshake."""
    if flow.protocol != TCP:
        return flow.bytes_in > 0
    said = flow.packets_out >= SAID and flow.packets_in >= SAID
    return said and flow.bytes_in > HANDSHAKE * flow.packets_in and flow.state not in ("rejected", "attempt")


def _where(found: Sequence[Listing], text: str, time: int) -> str:
    """`that stands in the list feodo (Dridex, fetched 2 h before)`; the entry is named where it is another one."""
    first = found[0]
    fetched = _fetched(time - first.fetched)
    about = [part for part in (first.entry if first.entry != text else "", first.note, fetched) if part]
    told = f" ({', '.join(about)})" if about else ""
    more = f" and {len(found) - 1} other{'s' if len(found) > 2 else ''}" if len(found) > 1 else ""
    return f"that stands in the list {first.list}{told}{more}"


def _fetched(before: int) -> str:
    """How long before the event; nothing where the list is younger, as in a replay."""
    for unit, length in (("d", DAY), ("h", 3_600_000), ("min", 60_000)):
        if before >= length:
            return f"fetched {before // length} {unit} before"
    return "just fetched" if before >= 0 else ""


def _at(contact: _Contact) -> str:
    ports = sorted(contact.ports)
    if not ports:
        return ""
    return f" at port {ports[0]}" if len(ports) == 1 else f" at ports {', '.join(map(str, ports))}"


def _answer(message: DnsMessage) -> str:
    if message.addresses:
        return ", ".join(map(address_text, message.addresses[:4]))
    return {0: "nothing", 3: "there is no such name"}.get(message.code, f"error {message.code}")


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdecimal()


def _size(number: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number //= 1000
    return f"{number} GB"
