"""What other programs' logs tell of DHCP messages: Zeek's dhcp.log, a line a conversation; Suricata's dhcp events.

What cannot be read of a field is left out: the log's line is understood without it, too.
"""

from collections.abc import Iterable
from typing import Any

from netwatchd.addresses import Address, parse_address
from netwatchd.observations import DhcpMessage

# RFC 2132 option 53, as both name them but for the case.
_KINDS = {"discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6, "release": 7, "inform": 8}
_OF_SERVERS = (2, 5, 6)
_SERVER_PORT = 67
_MOST_MESSAGES = 64  # of one conversation; a DORA has four, and whoever repeats himself a few more
_MOST_ADDRESSES = 8


def of_zeek(
    time: int, source: str, client: str, kinds: Iterable[Any], *, given: Any, wanted: Any, server: Any
) -> list[DhcpMessage]:
    """The messages of one line; `kinds` as in its msg_types."""
    lent, asked, lender = _address(given), _address(wanted), _address(server)
    found = []
    for name in list(kinds)[:_MOST_MESSAGES]:
        kind = _KINDS.get(name.lower() if isinstance(name, str) else "", 0)
        if kind:
            address, of = (lent, lender) if kind in _OF_SERVERS else (asked, None)
            # What the client says of the server, the log does not: it may have asked all of them.
            found.append(DhcpMessage(time, source, kind, None, client, address, of))
    return found


def of_eve(time: int, source: str, client: str, event: dict[str, Any], told: dict[str, Any]) -> list[DhcpMessage]:
    """The message of an event; `told` is its object "dhcp"."""
    reply = told.get("type") == "reply"
    name = told.get("dhcp_type")
    # Without `extended` there is no type, and only what was acknowledged is written.
    kind = _KINDS.get(name if isinstance(name, str) else "ack" if reply else "", 0)
    if not kind or reply != (kind in _OF_SERVERS):
        return []
    address = _address(told.get("assigned_ip") if reply else told.get("requested_ip") or told.get("client_ip"))
    server = _address(event.get("src_ip")) if reply and event.get("src_port") == _SERVER_PORT else None
    relayed = _address(told.get("relay_ip")) is not None
    routers = _addresses(told.get("routers"))
    return [
        DhcpMessage(
            time, source, kind, None, client, address, server, routers[0] if routers else None, relayed,
            _addresses(told.get("dns_servers")),
        )
    ]  # fmt: skip


def _address(value: Any) -> Address | None:
    try:
        found = parse_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if isinstance(found, int) and found else None


def _addresses(value: Any) -> tuple[Address, ...]:
    found = map(_address, value[:_MOST_ADDRESSES] if isinstance(value, list) else [])
    return tuple(each for each in found if each is not None)
