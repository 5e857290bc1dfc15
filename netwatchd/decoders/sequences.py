"""What passed of a TCP connection between the packets that were seen, by its sequence numbers (RFC 9293, 3.4).

For captures that show little but SYN, FIN and RST. A SYN tells where a side begins to count the bytes it sends; each
later packet tells by its sequence number how many its sender has sent, and by its acknowledgment how many of the other
side have arrived. What is missing between two such numbers was payload that passed unseen, each byte once: neither its
packets nor their headers are known, nor what was sent again.

The numbers have 32 bits. A gap of up to 3 GiB is taken for one, what seems larger for a packet that came late.
"""

from netwatchd.decoders.conversations import Side
from netwatchd.decoders.links import Buffer
from netwatchd.decoders.packets import ACK, FIN, SYN, Packet

_LAST = 0xFFFFFFFF
_GREATEST_GAP = 3 << 30
_DNS = b"\0\x35"  # such connections are seen whole


def count_unseen(side: Side, packet: Packet, data: Buffer, at: int) -> None:
    """Adds to the bytes of both sides what passed before `packet`, which is one of `side` with SYN, FIN or RST.

    Its IP header begins at `at` in `data`.
    """
    if _DNS in (packet.ports[:2], packet.ports[2:]):
        return
    record = side.record
    other = record.back if side is record.out else record.out
    start = packet.transport
    sequence = int.from_bytes(data[start + 4 : start + 8], "big")
    # What it carries itself is counted with it. SYN and FIN take a number each.
    payload = packet.length - (start - at) - (data[start + 12] >> 4) * 4
    if packet.flags & SYN:
        side.expected = sequence + 1 + max(payload, 0) & _LAST
    elif side.expected is not None:
        _advance(side, sequence)
        # A RST may repeat the number of a FIN, and takes none.
        if side.expected == sequence:
            side.expected = sequence + max(payload, 0) + (packet.flags & FIN) & _LAST
    if packet.flags & ACK and other.expected is not None:
        _advance(other, int.from_bytes(data[start + 8 : start + 12], "big"))


def _advance(side: Side, number: int) -> None:
    """The side has sent everything up to this number."""
    gap = number - (side.expected or 0) & _LAST
    if gap <= _GREATEST_GAP:
        side.bytes += gap
        side.expected = number
