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

# Some agents give the length of what they sampled for that of the frame (Juniper). Where a frame is said to have been
# sampled whole, and what was sampled is so long that it may have been cut, the packet's own length is the better one.
_MAY_BE_CUT = 64  # bytes: agents sample as many, or more
_ANY_LENGTH = 1 << 20
_LONGEST = 40 + 0xFFFF  # of an IP packet that says its length

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


def sampled_packet(protocol: int, header: bytes, frame_length: int, stripped: int = 0) -> Packet:
    """The IP packet whose first bytes, from the header of kind `protocol` on, are `header`; raises links.Skipped.

    `frame_length` is the length that the packet had on the link, `stripped` how many of these bytes (a checksum) the
    agent took off before it sampled.
    """
    link_type = _LINK_TYPES.get(protocol)
    if link_type is None:
        raise links.Skipped("link_type")
    may_be_cut = len(header) >= max(_MAY_BE_CUT, frame_length - stripped)
    if protocol == _MPLS:
        header, frame_length = _BEFORE_LABELS + header, frame_length + len(_BEFORE_LABELS)
    # A frame that is shorter than what was sampled of it is a mistake of the agent's.
    frame_length = max(frame_length, len(header))
    packet = dissect(link_type, header, _ANY_LENGTH if may_be_cut else frame_length)
    length = packet.length
    if length > _LONGEST:  # the packet does not say its length
        length = dissect(link_type, header, frame_length).length
    return Packet(packet.src_ip, packet.src_port, packet.dst_ip, packet.dst_port, packet.protocol, packet.flags, length)
