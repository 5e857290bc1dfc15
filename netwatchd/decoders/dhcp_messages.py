"""Messages of DHCP (RFC 2131) in packets, as detectors are shown them."""

from netwatchd.addresses import is_station, mac_of_bytes
from netwatchd.decoders.dhcp import read_message
from netwatchd.decoders.links import Buffer
from netwatchd.decoders.packets import Packet
from netwatchd.observations import DhcpMessage

_OF_SERVERS = (2, 5, 6)  # OFFER, ACK, NAK
_SERVER_PORT = b"\0\x43"


def message_in(
    time: int, source: str, interface: str | None, packet: Packet, data: Buffer
) -> DhcpMessage | None:  # fmt: skip
    """The message in a packet of UDP that was seen by `source` on `interface`; None where it holds none."""
    said = read_message(data, packet.transport + 8)
    if said is None or not is_station(mac_of_bytes(said.mac)):
        return None
    server = said.server
    # What a server sends says where it comes from, also where it keeps its name to itself.
    if server is None and said.kind in _OF_SERVERS and packet.ports[:2] == _SERVER_PORT and not said.relayed:
        server = packet.src_ip
    return DhcpMessage(
        time, source, said.kind, mac_of_bytes(packet.mac) if packet.mac else None, mac_of_bytes(said.mac),
        said.address, server, said.router, said.relayed, said.dns, said.routes, interface,
    )  # fmt: skip
