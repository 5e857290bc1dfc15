"""A packet socket (packet(7)) of one interface, with a ring that the kernel fills and we read in place: TPACKET_V3.

The ring is a row of blocks in memory that both sides see. The kernel fills one block with packets, as they fit, and
gives it to us when it is full, or a little while after its first packet. We read it and give it back. While all blocks
are ours the kernel drops what comes, and counts it.

linux/if_packet.h, the parts that are read:

    struct tpacket_block_desc {             struct tpacket3_hdr {
        __u32 version, offset_to_priv;          __u32 tp_next_offset;
        __u32 block_status;                     __u32 tp_sec, tp_nsec;
        __u32 num_pkts;                         __u32 tp_snaplen, tp_len;
        __u32 offset_to_first_pkt;              __u32 tp_status;
        __u32 blk_len;                          __u16 tp_mac, tp_net;
        ...                                     ...

`tp_mac` is where the packet begins, counted from its header; for a socket without link headers that is `tp_net`. A tag
of IEEE 802.1Q that the kernel has taken off a frame would stand behind these fields; no flow depends on it.
"""

import array
import errno
import mmap
import os
import socket
import struct

ETHERNET, RAW_IP = 1, 101  # LINKTYPE_* of the formats of captures, see tcpdump.org/linktypes.html

_PACKET_ADD_MEMBERSHIP, _PACKET_RX_RING, _PACKET_STATISTICS = 1, 5, 6  # linux/if_packet.h
_PACKET_VERSION, _PACKET_IGNORE_OUTGOING = 10, 23
_TPACKET_V3 = 2
_MR_MULTICAST, _MR_PROMISC = 0, 1  # PACKET_MR_*
# Groups that devices announce themselves to, which the interface would not take where nobody here has joined them:
# LLDP (its three), CDP; mDNS, SSDP and LLMNR over IPv4 and IPv6; DHCPv6's servers.
_ANNOUNCEMENTS = tuple(
    bytes.fromhex(group)
    for group in (
        "0180c200000e", "0180c2000003", "0180c2000000", "01000ccccccc", "01005e0000fb", "01005e7ffffa", "01005e0000fc",
        "3333000000fb", "33330000000c", "333300010003", "333300010002",
    )
)  # fmt: skip
_SOL_PACKET = 263
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 3

# struct tpacket_req3: block_size, block_nr, frame_size, frame_nr, retire_blk_tov, sizeof_priv, feature_req_word
_REQUEST = struct.Struct("=7I")
# struct packet_mreq { int mr_ifindex; unsigned short mr_type, mr_alen; unsigned char mr_address[8]; }
_MEMBERSHIP = struct.Struct("=iHH8s")
# struct tpacket_stats_v3 { unsigned int tp_packets, tp_drops, tp_freeze_q_cnt; }
_STATISTICS = struct.Struct("=III")
_WORD = struct.Struct("=I")
_COUNT_AND_FIRST = struct.Struct("=II")  # num_pkts, offset_to_first_pkt
_PACKET = struct.Struct("=IIIII4xH")  # tpacket3_hdr without tp_status, up to tp_mac
_STATUS_AT, _COUNT_AT = 8, 12  # in struct tpacket_block_desc
_TO_KERNEL, _TO_USER = 0, 1  # TP_STATUS_KERNEL, TP_STATUS_USER

# Small blocks, so that many remain while a slow reader is given one each time that _RETIRE passes. What does not fit
# into one, a merged packet of 64 KiB on the loopback interface, is cut off by the kernel.
BLOCK = 64 << 10
_FRAME = 2048  # of no meaning in this version, but has to divide the block
_RETIRE = 100  # milliseconds until a block is given to us that is not full: how late news may be

# ARPHRD_*: linux/if_arp.h.
_WITH_ETHERNET_HEADER = {1, 772}  # ETHER, LOOPBACK
_ETHERNET_INTERFACE, _LOOPBACK = 1, 772
# SLIP and its like, RAWIP, PPP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, NONE (a TUN device): IP, whatever precedes it.
_WITHOUT = {256, 257, 258, 259, 519, 512, 768, 769, 776, 778, 823, 65534}


# Unix ms, bytes on the wire, and what was kept of them. Plain, because there may be hundreds of thousands a second.
Packet = tuple[int, int, bytes]


class NotUnderstood(Exception):
    """The interface carries something that holds no IP; the text says what."""


class Ring:
    """Captures the packets of an interface. Raises OSError where the kernel refuses, NotUnderstood."""

    def __init__(self, interface: str, size: int, programs: tuple[bytes, bytes], promiscuous: bool = False) -> None:
        """`size` is that of the ring in bytes. `programs` are the filters for frames with Ethernet header and without.

        `promiscuous`: also frames that are not for this machine; the kernel undoes it when the socket is closed.
        """
        self.interface = interface
        self._socket = _bound_to_nothing(socket.SOCK_RAW)
        self._memory: mmap.mmap | None = None
        self._blocks: list[int] = []  # where each begins
        self._next = 0
        try:
            self._open(interface, size, programs, promiscuous)
        except BaseException:
            self.close()
            raise

    def _open(self, interface: str, size: int, programs: tuple[bytes, bytes], promiscuous: bool) -> None:
        # Protocol 0 is no packet at all: none comes in before the filter and the ring are there.
        self._socket.bind((interface, 0))
        kind = self._socket.getsockname()[3]
        if kind in _WITH_ETHERNET_HEADER:
            self.link_type = ETHERNET
        elif kind in _WITHOUT:
            self.link_type = RAW_IP
            self._socket.close()
            self._socket = _bound_to_nothing(socket.SOCK_DGRAM)
        else:
            raise NotUnderstood(f"{interface} has the link type {kind} (ARPHRD_*), which holds no IP that can be read")
        self._set_up(size, programs[self.link_type == RAW_IP], kind, promiscuous)
        self._socket.bind((interface, _ETH_P_ALL))
        self.check()

    def _set_up(self, size: int, program: bytes, kind: int, promiscuous: bool) -> None:
        code = array.array("B", program)
        # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
        fprog = struct.pack("@HP", len(program) // 8, code.buffer_info()[0])
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
        if kind == _LOOPBACK:  # it gives every packet twice: as it leaves and as it arrives
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        count = max(size // BLOCK, 2)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
        request = _REQUEST.pack(BLOCK, count, _FRAME, count * BLOCK // _FRAME, _RETIRE, 0, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
        self._memory = mmap.mmap(self._socket.fileno(), count * BLOCK)
        self._blocks = list(range(0, count * BLOCK, BLOCK))
        index = socket.if_nametoindex(self.interface)
        for group in _ANNOUNCEMENTS if kind == _ETHERNET_INTERFACE else ():
            membership = _MEMBERSHIP.pack(index, _MR_MULTICAST, len(group), group)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        if promiscuous:
            membership = _MEMBERSHIP.pack(index, _MR_PROMISC, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)

    def fileno(self) -> int:
        """The descriptor, for poll: readable when a block is ours, in error when the interface went down."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes the socket, with which the kernel forgets the ring, the filter and the membership."""
        if self._memory is not None:  # it holds a descriptor of its own
            self._memory.close()
            self._memory = None
        self._blocks = []
        self._socket.close()

    def check(self) -> None:
        """Raises the OSError that has happened to the socket, such as ENETDOWN."""
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))

    def is_there(self) -> bool:
        """Whether the interface that was opened still exists: it may be down, and come up again."""
        return bool(self._socket.getsockname()[0])  # its name, by the index that the kernel takes away with it

    def read(self) -> list[Packet]:
        """The packets of the next block that is ours, which is given back; empty where none is.

        The block's status and its packets are read in the right order on any processor: what lies between the two
        reads of an interpreter is far more than one of them reorders.
        """
        memory = self._memory
        if memory is None:
            return []
        block = self._blocks[self._next]
        (status,) = _WORD.unpack_from(memory, block + _STATUS_AT)
        if not status & _TO_USER:
            return []
        count, first = _COUNT_AND_FIRST.unpack_from(memory, block + _COUNT_AT)
        packets: list[Packet] = []
        at, unpack = block + first, _PACKET.unpack_from
        for _ in range(count):
            after, seconds, nanoseconds, kept, length, begin = unpack(memory, at)
            begin += at
            packets.append((seconds * 1000 + nanoseconds // 1_000_000, length, memory[begin : begin + kept]))
            at += after
        _WORD.pack_into(memory, block + _STATUS_AT, _TO_KERNEL)
        self._next = (self._next + 1) % len(self._blocks)
        return packets

    def statistics(self) -> tuple[int, int, int]:
        """Packets that passed the filter, those of them that were dropped, and how often the ring was full.

        All since it was asked before. Raises OSError.
        """
        passed, dropped, frozen = _STATISTICS.unpack(
            self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        )
        return passed, dropped, frozen


def _bound_to_nothing(kind: int) -> socket.socket:
    return socket.socket(socket.AF_PACKET, kind | socket.SOCK_NONBLOCK, 0)


def is_forbidden(error: OSError) -> bool:
    """Whether packet sockets are not for us: without CAP_NET_RAW, or in a sandbox."""
    return error.errno in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT)
