"""The first bytes of a sampled packet to what tells its flow.

An agent sends some 64 to 256 bytes of each packet, beginning with the header of the link or of IP.
"""

from typing import NamedTuple

from netwatchd.addresses import Address
from netwatchd.decoders import links
from netwatchd.decoders.packets import dissect

# enum header_protocol: what the sampled bytes begin with, as a link type. The rest (token ring, FDDI, frame relay,
# X.25, SMDS, AAL5) carries nothing in a network of today, or is sampled where it is Ethernet again. 50 is PPP or
# Cisco's HDLC, as packets over SONET have it, 105 is IEEE 802.11.
_LINK_TYPES = {1: links.ETHERNET, 7: links.PPP, 11: links.RAW, 12: links.RAW, 13: links.ETHERNET, 14: 50, 15: 105}
_MPLS = 13

# MPLS labels without anything before them, as Ethernet has them.
_BEFORE_LABELS = bytes(12) + b"\x88\x47"


class Packet(NamedTuple):
    """One IP packet."""

    src_ip: Address
    src_port: int  # ICMP: the type; 0 where the packet has no ports
    dst_ip: Address
    dst_port: int  # ICMP: the code
    protocol: int
    flags: int  # of TCP
    length: int  # bytes, with the IP header


def sampled_packet(protocol: int, header: bytes, frame_length: int) -> Packet:
    """The IP packet whose first bytes, from the header of kind `protocol` on, are `header`; raises links.Skipped.

    `frame_length` is the length that the packet had on the link.
    """
    link_type = _LINK_TYPES.get(protocol)
    if link_type is None:
        raise links.Skipped("link_type")
    if protocol == _MPLS:
        header, frame_length = _BEFORE_LABELS + header, frame_length + len(_BEFORE_LABELS)
    # A frame that is shorter than what was sampled of it is a mistake of the agent's.
    packet = dissect(link_type, header, max(frame_length, len(header)))
    return Packet(
        packet.src_ip, packet.src_port, packet.dst_ip, packet.dst_port, packet.protocol, packet.flags, packet.length
    )
