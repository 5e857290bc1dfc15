"""mDNS and DNS-SD (RFC 6762, 6763): what hosts announce of themselves; and LLMNR (RFC 4795), which looks alike.

Not all that a host says is about itself: reflectors pass on what others said on another network, Apple's sleep proxies
answer for whoever sleeps, bridges announce what is behind them. So only this is put down to the sender:

* a **name** with an A or AAAA record of the very address that the message came from;
* a **service** whose SRV record names such a host, or where the message names no host at all and the sender was not
  heard to speak for others.

What a question brings along as known answers was heard from others, too. What a record of time to live 0 takes back
(a goodbye) is no clue; that a host withdraws a service does not say that it leaves. A name with a number at its end
(`printer-2`) is what the host is called after it found its name taken, so it is told as it is.
"""

import re

from netwatchd.addresses import Address
from netwatchd.decoders.clues import MOST_AT_ONCE, clue
from netwatchd.decoders.dns import PTR, SRV, TXT, Malformed, Message, Name, Record, folded, read_message
from netwatchd.decoders.txt import clues_of_txt
from netwatchd.events import Clue

MOST_SENDERS = 1024  # whose names are remembered, in case that a later message has services only
_MOST_NAMES = 8  # of one sender

_LOCAL = "local"
_LINK_LOCAL = b"\xfe\x80"
_META = ("_services", "_dns-sd", "_udp")  # RFC 6763 section 9
# Browsers make up a name for each conversation, so that their addresses are not told: no name to know them by.
_MADE_UP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Mdns:
    """Remembers who was heard to be which host, and who speaks for others."""

    def __init__(self) -> None:
        self._names: dict[Address, set[Name]] = {}
        self._speakers: set[Address] = set()

    def read(self, data: bytes, sender: Address) -> tuple[Clue, ...]:
        """What the message says of its sender; nothing where it is damaged."""
        try:
            message = read_message(data)
        except Malformed:
            return ()
        if message.operation or message.code:
            return ()
        # The authority section of a probe holds what the sender wants to have (RFC 6762 section 8.2).
        said = message.answers + message.additionals if message.response else message.authorities
        records = [record for record in said if record.ttl and record.name and record.name[-1].casefold() == _LOCAL]
        return self._clues(records, sender)[:MOST_AT_ONCE]

    def _clues(self, records: list[Record], sender: Address) -> tuple[Clue, ...]:
        addresses: dict[Name, set[Address]] = {}
        for record in records:
            if record.address is not None and len(record.name) == 2:
                addresses.setdefault(folded(record.name), set()).add(record.address)
        own = self._own_names(addresses, sender)
        hosts = {folded(record.target): record.target for record in records if record.kind == SRV}
        # Without any other host in it a message is about its sender, unless that one was heard to speak for others.
        trusted = own.issuperset([*hosts, *addresses]) and sender not in self._speakers
        theirs = {folded(each.name): folded(each.target) in own for each in records if each.kind == SRV}
        named = {folded(each.name): each.name for each in reversed(records) if each.address is not None}
        names = [name[0] for host, name in reversed((hosts | named).items()) if host in own]
        found = [each for name in names if not _MADE_UP.fullmatch(name) for each in clue("mdns_name", name)]
        for record in records:
            if record.kind in (PTR, SRV, TXT) and theirs.get(_instance(record), trusted):
                found += _service_clues(record)
        return tuple(dict.fromkeys(found))

    def _own_names(self, addresses: dict[Name, set[Address]], sender: Address) -> set[Name]:
        """The names of hosts that are the sender, as the addresses of this message say, or earlier ones did."""
        own = {name for name, found in addresses.items() if sender in found}
        others = {name for name, found in addresses.items() if name not in own and _contradict(found, sender)}
        if others:
            if len(self._speakers) >= MOST_SENDERS:
                self._speakers.clear()
            self._speakers.add(sender)
        known = self._names.get(sender, set())
        if others & known:
            known = self._names[sender] = known - others
        if own - known:
            if len(self._names) >= MOST_SENDERS:
                self._names.clear()
            self._names[sender] = own if len(own | known) > _MOST_NAMES else own | known
        return own | known


def _contradict(addresses: set[Address], sender: Address) -> bool:
    """Whether a host with these addresses is another one than the sender.

    That cannot be said where only addresses of the other family are told, or where a link-local address is not among
    global ones, as some leave theirs out.
    """
    if isinstance(sender, int):
        return any(isinstance(each, int) for each in addresses)
    alike = [each for each in addresses if isinstance(each, bytes)]
    return any(each[:2] == sender[:2] for each in alike) or (bool(alike) and sender[:2] != _LINK_LOCAL)


def _instance(record: Record) -> Name:
    """The service instance that a record is about."""
    return folded(record.target if record.kind == PTR else record.name)


def _service_clues(record: Record) -> tuple[Clue, ...]:
    """What a record of DNS-SD tells: the service, the instance, and what its TXT record says."""
    name = record.name[:-1]
    if record.kind != PTR:
        service = _service(name[1:])
        if not service or record.kind == SRV:
            return (*clue("mdns_service", service), *clue("mdns_instance", name[0])) if service else ()
        return clues_of_txt(service, record.texts)
    if tuple(label.casefold() for label in name) == _META:
        return clue("mdns_service", _service(record.target[:-1]))
    service = _service(name[-2:])
    # The instance is what stands in front of the service: what a reverse lookup points to is a host.
    if not service or folded(record.target[1:-1])[-2:] != folded(name)[-2:]:
        return ()
    return (*clue("mdns_service", service), *clue("mdns_instance", record.target[0]))


def _service(labels: Name) -> str:
    """A service and its protocol, `_ipp._tcp`; empty where it is none."""
    if len(labels) != 2 or not labels[0].startswith("_") or labels[1].casefold() not in ("_tcp", "_udp"):
        return ""
    return ".".join(labels).casefold()


def read_llmnr(data: bytes, sender: Address) -> tuple[Clue, ...]:
    """The name that a responder of LLMNR has, of its answers with the address that they come from."""
    try:
        message: Message = read_message(data)
    except Malformed:
        return ()
    if not message.response or message.operation or message.code:
        return ()
    return tuple(
        each
        for record in message.answers
        if record.address == sender and record.name
        for each in clue("llmnr_name", record.name[0])
    )[:1]
