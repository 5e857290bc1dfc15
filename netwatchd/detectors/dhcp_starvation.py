"""DHCP that is asked for more than anybody needs: `dhcp_starvation`.

Three that look alike from afar:

* **One client tries addresses** one after the other (a scan by DHCP, or one that takes them all): ADDRESSES of them. An
  ordinary one asks for the address that it had here, perhaps before for one that it had elsewhere, and for another one
  where the server says no or somebody else uses it.
* **Made-up clients** take all that there are, each under a MAC of its own (RFC 2131 section 7): CLIENTS new ones within
  a minute, or a whole network's within an hour. After a power cut everybody comes back at once, but they are known.
  Tools that make up only the client's MAC, and send all from one card, are found by that: CARD.
* **One client floods**: MESSAGES of it within seconds. Clients repeat themselves after 4, 8, 16 ... s (RFC 2131 section
  4.1), hasty ones each second. However many messages that are, it is one client.

Each source is counted for itself, because two may see the same message. All times are Unix ms.
"""

from collections import deque

from netwatchd.addresses import Address, address_text
from netwatchd.config import DhcpStarvation as Settings
from netwatchd.detectors import Findings, Home
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.telling import threat
from netwatchd.events import Threat
from netwatchd.observations import DhcpMessage, Observation

KIND = "dhcp_starvation"
TRIED_WITHIN = 600_000
NEW_WITHIN, NEW_FOR_LONG = 60_000, 3_600_000
FLOOD_WITHIN = 10_000
# New clients within an hour: as many as a network of 254 addresses has room for.
WHOLE_NETWORK = 250
# Clients whose messages come from one card within an hour: a Wi-Fi repeater puts its own MAC on those of some dozens.
CARD = 60
MOST_CLIENTS = 4096
MOST_CARDS = 1024
MOST_TRIED = 64  # addresses of one client that are remembered
_DISCOVER, _REQUEST = 1, 3


class _Client:
    """What one client has asked for."""

    def __init__(self) -> None:
        self.tried: dict[Address, int] = {}
        self.since = 0  # of the messages that are counted
        self.messages = 0
        self.told: dict[str, tuple[int, int]] = {}  # what: when, and which number


class _Card:
    """The clients whose messages one card has sent."""

    def __init__(self) -> None:
        self.clients: dict[str, int] = {}
        self.told: dict[str, tuple[int, int]] = {}


class DhcpStarvation:
    """The detector `dhcp_starvation`."""

    observes = (DhcpMessage,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._clients: Bounded[tuple[str, str], _Client] = Bounded(MOST_CLIENTS, _Client)
        self._cards: Bounded[tuple[str, str], _Card] = Bounded(MOST_CARDS, _Card)
        self._new: Bounded[str, deque[tuple[int, str]]] = Bounded(16, lambda: deque(maxlen=MOST_CLIENTS))
        self._told: dict[str, tuple[int, int]] = {}

    def observe(self, observation: Observation) -> Findings:
        """A message; what servers say counts for nothing here."""
        if not isinstance(observation, DhcpMessage) or observation.kind not in (_DISCOVER, _REQUEST):
            return []
        new = (observation.source, observation.client) not in self._clients
        client = self._clients.touch((observation.source, observation.client))
        found = [self._see_flood(observation, client), self._see_tried(observation, client)]
        if new and self._is_stranger(observation):
            found.append(self._see_new(observation))
        if observation.mac is not None and observation.mac != observation.client and not observation.relayed:
            found.append(self._see_card(observation, observation.mac))
        return [each for each in found if each is not None]

    def _see_flood(self, message: DhcpMessage, client: _Client) -> Threat | None:
        if not 0 <= message.time - client.since <= FLOOD_WITHIN:
            client.since, client.messages = message.time, 0
        client.messages += 1
        if client.messages < self.settings.messages or not _grown(client.told, "flood", client.messages, message.time):
            return None
        who = called_by_key(self._home, message.client)
        seconds = _seconds(client.since, message.time)
        return _told(
            message, "medium", message.client, "flood", client.since,
            f"{who} sent {client.messages} DHCP messages within {seconds:g} s, which keeps the server busy",
            "it is one client: look whether it has lost its way (a loop in the network, a bug), or disconnect it",
            {"messages": client.messages, "seconds": seconds, "client_mac": message.client, "sender_mac": message.mac},
        )  # fmt: skip

    def _see_tried(self, message: DhcpMessage, client: _Client) -> Threat | None:
        if message.kind != _REQUEST or not isinstance(message.address, int):
            return None
        tried = client.tried
        tried.pop(message.address, None)
        tried[message.address] = message.time
        oldest = next(iter(tried))
        while len(tried) > MOST_TRIED or abs(message.time - tried[oldest]) > TRIED_WITHIN:
            del tried[oldest]
            oldest = next(iter(tried))
        if len(tried) < self.settings.addresses or not _grown(client.told, "addresses", len(tried), message.time):
            return None
        who, first = called_by_key(self._home, message.client), min(tried.values())
        listed = ", ".join(map(address_text, list(tried)[:4]))
        seconds = _seconds(first, message.time)
        return _told(
            message, "high", message.client, "addresses", first,
            f"{who} asked DHCP for {len(tried)} different addresses within {seconds:g} s: {listed}, ...",
            "no device needs more than one: disconnect it, see what it is, and remove its leases from the server",
            {
                "addresses": len(tried), "examples": [address_text(ip) for ip in list(tried)[:16]], "seconds": seconds,
                "client_mac": message.client, "sender_mac": message.mac,
                "server": address_text(message.server) if message.server else None,
            },
        )  # fmt: skip

    def _see_new(self, message: DhcpMessage) -> Threat | None:
        new = self._new.touch(message.source)
        new.append((message.time, message.client))
        while abs(message.time - new[0][0]) > NEW_FOR_LONG:
            new.popleft()
        minute = len(new) >= self.settings.clients and sum(
            0 <= message.time - time <= NEW_WITHIN for time, _ in list(new)[-2 * self.settings.clients :]
        )
        if minute < self.settings.clients and len(new) < WHOLE_NETWORK:
            return None
        if not _grown(self._told, message.source, len(new), message.time):
            return None
        first = new[0][0]
        seconds = _seconds(first, message.time)
        return _told(
            message, "high", None, "clients", first,
            f"{len(new)} clients that were never seen before asked DHCP for an address within {seconds:g} s",
            "somebody makes them up to take all addresses: see at which port of the switch or which Wi-Fi they appear, "
            "and let that have a few addresses only (port security); for a crowd that has really come, a larger range",
            {"clients": len(new), "seconds": seconds, "examples": [mac for _, mac in list(new)[-8:]]},
        )  # fmt: skip

    def _see_card(self, message: DhcpMessage, mac: str) -> Threat | None:
        card = self._cards.touch((message.source, mac))
        clients = card.clients
        clients.pop(message.client, None)
        clients[message.client] = message.time
        while len(clients) > 4 * CARD or abs(message.time - clients[next(iter(clients))]) > NEW_FOR_LONG:
            del clients[next(iter(clients))]
        if len(clients) < CARD or not _grown(card.told, "clients", len(clients), message.time):
            return None
        who, first = called_by_key(self._home, mac), min(clients.values())
        seconds = _seconds(first, message.time)
        return _told(
            message, "high", mac, "clients", first,
            f"{who} asked DHCP for addresses under {len(clients)} made-up MACs within {seconds:g} s",
            f"disconnect {mac}, and remove the leases of these clients from the server: it takes all addresses",
            {"clients": len(clients), "seconds": seconds, "sender_mac": mac, "examples": list(clients)[-8:]},
        )  # fmt: skip

    def _is_stranger(self, message: DhcpMessage) -> bool:
        """Whether a client was never seen before this hour."""
        device = self._home.device(message.client)
        return device is None or abs(message.time - device.first_seen) <= NEW_FOR_LONG


def _grown(told: dict[str, tuple[int, int]], what: str, number: int, time: int) -> bool:
    """Whether a number is to be told: for the first time for long, or as it has doubled."""
    when, before = told.get(what, (0, 0))
    if before and abs(time - when) <= NEW_FOR_LONG and number < 2 * before:
        return False
    told[what] = time, number
    return True


def _seconds(first: int, last: int) -> float:
    return max(round(abs(last - first) / 1000, 1), 0.1)


def _told(
    message: DhcpMessage, severity: str, device: str | None, target: str, first: int, description: str,
    recommendation: str, evidence: dict[str, object],
) -> Threat:  # fmt: skip
    return threat(
        KIND, severity, first, message.time, device=device, target=f"dhcp {target}", description=description,
        recommendation=recommendation, evidence={**evidence, "source": message.source},
    )  # fmt: skip
