"""DHCP servers that are not the known ones: `rogue_dhcp`.

Which server is the known one? This machine's own, those that the configuration names, the first that answers on a link,
and whoever answers beside it within the first day and hands out the same gateway and DNS servers, as a pair of servers
does of which one stands in for the other. That is kept across restarts.

One that is not known is a rogue only where a known one answers, too, in the same hours. Where that is silent from then
on, the router was replaced, or somebody has moved DHCP elsewhere: after LEARNT the new one is known. Nothing is said of
another network's server: each interface of this machine is a link of its own; and where the link is not known (logs,
replays) two servers count only where they have answered the same client, at the same time or in the same network.

What a client asks for tells of a server, too (it names the one whose offer it takes, for all to hear), where the offer
itself, which is sent to the client alone, cannot be seen. All times are Unix ms.
"""

from collections.abc import Iterable

from netwatchd.addresses import Address, address_text
from netwatchd.config import RogueDhcp as Settings
from netwatchd.detectors import Findings, Home
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.servers import MOST_LINKS, UNHEARD, Link, Server, links_of, note_of
from netwatchd.detectors.telling import threat
from netwatchd.events import Threat
from netwatchd.observations import DhcpMessage, Observation

KIND = "rogue_dhcp"
# A known server that was heard so shortly before the new one (ms) answers the same question; the answers of both come
# within a second, and a client that is not content asks again after some.
SAME_TIME = 60_000
# Where the link is not told: the same client has been answered by both within SAME_TIME; or by two in the same network
# within a day, as a laptop that changes from one Wi-Fi to another is answered in another network.
SAME_DAY = 86_400_000
# How long (ms) a new server must have answered alone until it is the known one: leases last a day, mostly, so that in
# this time all clients have asked.
LEARNT = 86_400_000
# A known server that was not heard for so long (ms) is not taken to answer still, where only clients name it.
STILL = 86_400_000
AGAIN = 600_000  # milliseconds until a rogue is told again
LOGS = ("zeek", "eve")
_OFFER, _REQUEST, _ACK, _NAK = 2, 3, 5, 6


class RogueDhcp:
    """The detector `rogue_dhcp`."""

    observes = (DhcpMessage,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._links: dict[str, Link] = {}

    @property
    def note(self) -> str | None:
        """The known servers."""
        return note_of(self._links) if any(link.servers for link in self._links.values()) else None

    def recall(self, note: str) -> None:
        """Takes in the servers that were known before; what is known by now counts more."""
        try:
            self._links = links_of(note) | self._links
        except ValueError:
            return  # whoever has written to it, what is seen is learnt anew

    def observe(self, observation: Observation) -> Findings:
        """A message that tells of a server."""
        if not isinstance(observation, DhcpMessage) or not _tells_of_server(observation):
            return []
        link = self._link(observation)
        server = self._server(link, observation)
        server.note(observation.time, observation.client)
        if observation.kind in (_OFFER, _ACK):
            server.hands_out([ip for ip in (observation.router, *observation.routes) if ip], observation.dns)
        found = self._judge(link, server, observation)
        return [found] if found else []

    def _judge(self, link: Link, server: Server, message: DhcpMessage) -> Threat | None:
        """A ladder, the usual case first."""
        if server.known:
            return self._judge_others(link, server, message)
        if self._is_right(server):
            self._trust(link, server)
            return self._judge_others(link, server, message)
        known = [each for each in link.known() if self._answers(each, server, message)]
        if not known and message.interface in self._home.machine.dhcp_links:
            known = [Server(None, None, server.first, message.time, known=True, ours=True)]
        # The known one is silent: whoever answers instead of it is the known one after a while.
        if not known:
            server.known = not any(link.known()) or message.time - server.first >= LEARNT
            return None
        # Those that agree are a pair.
        if any(server.agrees(each) for each in known):
            server.known = self._learns(link, server.first)
            return None
        # One that a client has only named has not shown what it hands out: it is learnt, but not beside our own.
        ours = any(self._is_ours(each) for each in known)
        if not server.gateways and self._learns(link, server.first) and not ours:
            server.known = not self._learns(link, message.time)
            return None
        return self._tell(server, known[0], message)

    def _learns(self, link: Link, time: int) -> bool:
        """Whether whoever answered then is baseline."""
        return time - (time if link.began is None else link.began) <= self.settings.learning * 1000

    def _trust(self, link: Link, server: Server) -> None:
        """A server that is right beyond doubt: those that were only the first to be seen are to be judged by it."""
        server.known = True
        if self._is_named(server):
            return
        for other in link.servers:
            other.known = other.known and (not self._learns(link, server.last) or self._is_right(other))

    def _judge_others(self, link: Link, server: Server, message: DhcpMessage) -> Threat | None:
        """A known server answers: one that is not known, and has answered meanwhile, is a rogue."""
        for other in link.servers:
            if not other.known and 0 <= message.time - other.last <= SAME_DAY and other.first <= message.time:
                found = self._judge(link, other, message)
                if found:
                    return found
        return None

    def _answers(self, known: Server, server: Server, message: DhcpMessage) -> bool:
        """Whether a known server answers, too, and on the same link."""
        if known is server:
            return False
        since = SAME_TIME
        if message.interface is None and known.last >= server.first - SAME_TIME:
            near = _are_near(known, server)
            return server.met(known, SAME_DAY if near else 0 if message.source in LOGS else SAME_TIME)
        # What this machine itself sends, the source `dhcp` does not hear: clients name it now and then.
        if message.interface is not None and self._is_ours(known):
            since = STILL
        return message.interface is not None and known.last >= server.first - since

    def _tell(self, server: Server, known: Server, message: DhcpMessage) -> Threat | None:
        if server.told and abs(message.time - server.told) < AGAIN:
            return None
        server.told = message.time
        key = server.mac or self._owner(server.address) or (address_text(server.address) if server.address else None)
        who, right = called_by_key(self._home, key or "a host"), self._called(known)
        itself = server.address in server.gateways | server.dns
        both = ("gateway", server.gateways, known.gateways), ("DNS server", server.dns, known.dns)
        names = [what for what, theirs, others in both if theirs - others]
        hands = f", and names {'itself' if itself else 'another one'} as {' and '.join(names)}" if names else ""
        risk = "sends its traffic there" if names else "may be sent anywhere by it"
        return threat(
            KIND, "high", server.first, message.time, device=key, target="dhcp",
            description=f"{who} answers DHCP beside {right}{hands}: who listens to it {risk}",
            recommendation="disconnect it, or switch its DHCP server off (a second router belongs behind its WAN port, "
            "or needs DHCP off); then have the devices that it answered ask again. If it is right, write it into "
            "[detector:rogue_dhcp] servers",
            evidence={
                "server": _text(server.address), "server_mac": server.mac, "known_server": _text(known.address),
                "known_mac": known.mac, "known_since": known.first, "first_answer": server.first,
                "answers": server.answers, "answers_of_known": known.answers,
                "seconds": round((message.time - server.first) / 1000, 1), "clients": list(server.clients)[-8:],
                "gateways": _texts(server.gateways), "dns": _texts(server.dns),
                "gateways_of_known": _texts(known.gateways), "dns_of_known": _texts(known.dns),
                "interface": message.interface, "source": message.source,
            },
        )  # fmt: skip

    # Who is who.

    def _link(self, message: DhcpMessage) -> Link:
        # What sources of packets see on an interface is the same link; logs do not tell.
        name = message.interface or (message.source if message.source in LOGS else "")
        link = self._links.get(name)
        if link is None:
            if len(self._links) >= MOST_LINKS:
                del self._links[next(iter(self._links))]
            link = self._links[name] = Link()
        if link.began is None:
            link.began = message.time
            link.servers[:] = [each for each in link.servers if message.time - each.last <= UNHEARD]
        return link

    def _server(self, link: Link, message: DhcpMessage) -> Server:
        mac = None if message.kind == _REQUEST else message.mac
        server = link.find(mac, message.server)
        if server is None:
            server = Server(mac, message.server, message.time, message.time)
            link.add(server)
        if server.address is None or message.kind != _REQUEST:
            server.address = message.server or server.address
        return server

    def _is_right(self, server: Server) -> bool:
        """Whether it needs no learning."""
        if self._is_ours(server) or server.address in self._home.machine.gateways:
            return True
        return self._is_named(server)

    def _is_named(self, server: Server) -> bool:
        named = self.settings.servers
        return bool(named) and (server.mac in named or _text(server.address) in named)

    def _is_ours(self, server: Server) -> bool:
        machine = self._home.machine
        if server.ours:
            return True
        if server.mac is not None:
            return server.mac in machine.macs
        return server.address is not None and server.address in machine.addresses

    def _owner(self, address: Address | None) -> str | None:
        return self._home.owner(address) if address is not None else None

    def _called(self, server: Server) -> str:
        if self._is_ours(server):
            return "this machine"
        key = server.mac or self._owner(server.address)
        return called_by_key(self._home, key) if key else _text(server.address) or "the known server"


def _tells_of_server(message: DhcpMessage) -> bool:
    """Whether somebody grants an address, or refuses one; or a client takes the offer of one whom it names.

    An offer without an address is one of a server of boot images (PXE), which stands beside the one that has addresses.
    """
    if message.kind == _REQUEST:
        return message.server is not None and not message.relayed
    if message.kind not in (_OFFER, _ACK, _NAK) or (message.mac is None and message.server is None):
        return False
    return message.kind == _NAK or message.address is not None


def _are_near(one: Server, other: Server) -> bool:
    """Whether both have addresses of one network, as networks are cut at home: 24 bits."""
    both = one.address, other.address
    return isinstance(both[0], int) and isinstance(both[1], int) and both[0] >> 8 == both[1] >> 8


def _text(address: Address | None) -> str | None:
    return None if address is None else address_text(address)


def _texts(addresses: Iterable[Address]) -> list[str]:
    return sorted(map(address_text, addresses))
