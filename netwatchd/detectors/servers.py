"""The DHCP servers of a link: who they are, what they hand out, and which of them are the known ones.

A server is known by the MAC that sends its messages, where it can be seen: a relay's for the servers behind it. A log
tells its address only, and so does a client that asks for what a server has offered (RFC 2131 section 4.3.1: it names
it, and all on the link hear that). All times are Unix ms.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from netwatchd.addresses import Address, address_text, parse_address, parse_mac

MOST_SERVERS = 16  # of one link: more than these are made up
MOST_LINKS = 32
MOST_CLIENTS = 32  # of one server that are remembered, the latest
MOST_NAMED = 16  # gateways of one server, and as many servers of DNS: more are made up
MOST_NOTE = 65_536  # characters; what is kept is read again, and somebody may have written to it
UNHEARD = 30 * 86_400_000  # after which a server is forgotten


@dataclass
class Server:
    """One that answers."""

    mac: str | None
    address: Address | None
    first: int
    last: int
    known: bool = False
    ours: bool = False  # it is this machine's, of which nothing was heard
    answers: int = 0
    gateways: set[Address] = field(default_factory=set)  # that it hands out, by whichever option
    dns: set[Address] = field(default_factory=set)
    clients: dict[str, int] = field(default_factory=dict)  # whom it has answered, and when last
    told: int = 0  # when it was told of

    def note(self, time: int, client: str) -> None:
        """It has answered a client."""
        self.last, self.answers = max(self.last, time), self.answers + 1
        self.clients.pop(client, None)
        self.clients[client] = time
        if len(self.clients) > MOST_CLIENTS:
            del self.clients[next(iter(self.clients))]

    def hands_out(self, gateways: Iterable[Address], dns: Iterable[Address]) -> None:
        """It has named these to a client."""
        for known, named in ((self.gateways, gateways), (self.dns, dns)):
            known.update(islice(named, MOST_NAMED - len(known)))

    def met(self, other: "Server", within: int) -> bool:
        """Whether both have answered the same client within so many milliseconds; never, within 0."""
        both = [(time, other.clients[client]) for client, time in self.clients.items() if client in other.clients]
        return within > 0 and any(abs(mine - theirs) <= within for mine, theirs in both)

    def agrees(self, other: "Server") -> bool:
        """Whether both hand out the same way out, so that one may stand in for the other."""
        return bool(self.gateways) and self.gateways == other.gateways and self.dns == other.dns


class Link:
    """The servers that are seen on one link; the one that was heard last at the end."""

    def __init__(self) -> None:
        self.began: int | None = None  # when the first message was seen
        self.servers: list[Server] = []

    def find(self, mac: str | None, address: Address | None) -> Server | None:
        """Who that is."""
        for server in sorted(self.servers, key=lambda each: not each.known):
            if (server.mac == mac and mac is not None) or (
                server.address == address and address is not None and (mac is None or server.mac is None)
            ):
                server.mac = server.mac or mac
                return server
        return None

    def add(self, server: Server) -> None:
        """One more: where they are too many, one that is not known gives way, the one that was seen first."""
        if len(self.servers) >= MOST_SERVERS:
            strangers = [each for each in self.servers if not each.known] or self.servers
            self.servers.remove(strangers[0])
        self.servers.append(server)

    def known(self) -> Iterator[Server]:
        """Those that are known."""
        return (server for server in self.servers if server.known)


def note_of(links: dict[str, Link]) -> str:
    """What is to be kept of the known servers; it changes once a day at most while nothing happens."""
    told: dict[str, Any] = {}
    for name, link in links.items():
        servers = [
            [each.mac, address_text(each.address) if each.address else None, each.first, each.last // 86_400_000]
            for each in link.known()
        ]
        told[name] = [link.began, servers]
    return json.dumps(told)


def links_of(note: str) -> dict[str, Link]:
    """The links of a note; raises ValueError for one that cannot be read."""
    if len(note) > MOST_NOTE:
        raise ValueError("it is too long")
    links: dict[str, Link] = {}
    try:
        for name, (began, servers) in list(json.loads(note).items())[:MOST_LINKS]:
            link = links[name] = Link()
            link.began = int(began) if began is not None else None
            for mac, address, first, day in servers[:MOST_SERVERS]:
                link.servers.append(
                    Server(
                        parse_mac(mac) if mac else None, parse_address(address) if address else None, int(first),
                        int(day) * 86_400_000, known=True,
                    )
                )  # fmt: skip
    except (TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return links
