"""The netlink socket (netlink(7)): opened, subscribed, asked and read; what the bytes mean is for the decoders.

A kernel that cannot put an event into our receive buffer says ENOBUFS once, on the next receive. That is an Overflow
here and never fatal: whoever reads asks for a dump and goes on.
"""

import errno
import os
import socket
import time
from collections.abc import Iterable

from netwatchd.decoders import netlink
from netwatchd.decoders.netlink import Malformed, Message

ROUTE, NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER

_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _BROADCAST_ERROR = 1, 4  # NETLINK_*
_SO_RCVBUFFORCE = 33  # the socket module of Python 3.11 does not name it

# A dump comes in pieces of up to 32 KiB (net/netlink/af_netlink.c), events are far smaller.
_MOST = 65536
_PATIENCE = 5.0  # seconds that the kernel may take for one answer; it answers within the send


class Overflow(OSError):
    """Events were lost, because the receive buffer was full."""


class NetlinkSocket:
    """A non-blocking netlink socket of a family such as ROUTE; raises OSError where the kernel refuses it."""

    def __init__(self, family: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, family)
        self._seq = int(time.time()) & 0x7FFFFFFF

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes it; the kernel forgets its subscriptions and what it owns."""
        self._socket.close()

    def widen(self, receive_buffer: int) -> None:
        """Sets the receive buffer in bytes, beyond net.core.rmem_max where we may (CAP_NET_ADMIN)."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

    def subscribe(self, groups: Iterable[int]) -> None:
        """Has the kernel send the events of these multicast groups from now on."""
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def have_kept(self) -> None:
        """Has the kernel keep events that did not fit, where it can, and deliver them again.

        With NETLINK_BROADCAST_ERROR the failed delivery is told to whoever makes the event; conntrack then delivers
        its DESTROY again later. NETLINK_NO_ENOBUFS is left alone: it would hide what is lost all the same.
        """
        self._socket.setsockopt(_SOL_NETLINK, _BROADCAST_ERROR, 1)

    def receive(self) -> bytes | None:
        """The next datagram, or None where none waits. Raises Overflow where events were lost before it."""
        try:
            return self._socket.recv(_MOST)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Overflow from error
            raise

    def request(self, kind: int, flags: int, payload: bytes) -> int:
        """Sends a request and returns its sequence number; the answer is read with `receive`."""
        self._seq += 1
        self._socket.send(netlink.message(kind, flags | netlink.REQUEST, self._seq, payload))
        return self._seq

    def ask(self, kind: int, flags: int, payload: bytes) -> list[Message]:
        """Sends a request and waits for all of its answer, without the DONE at its end. Raises OSError."""
        seq = self.request(kind, flags, payload)
        return self._answers(seq, dump=flags & netlink.DUMP == netlink.DUMP)

    def send_batch(self, messages: Iterable[tuple[int, int, bytes]]) -> None:
        """Sends (kind, flags, payload) as one datagram, the last but one with ACK, and waits until it is done.

        That is what a transaction of nftables looks like: begin, changes, end. Raises OSError where it is refused.
        """
        first = self._seq + 1
        sent = []
        for kind, flags, payload in messages:
            self._seq += 1
            sent.append(netlink.message(kind, flags | netlink.REQUEST, self._seq, payload))
        self._socket.send(b"".join(sent))
        self._answers(self._seq - 1, dump=False, first=first)

    def _answers(self, seq: int, dump: bool, first: int | None = None) -> list[Message]:
        """What answers `seq`; an error that answers any request since `first` is raised."""
        answers: list[Message] = []
        deadline = time.monotonic() + _PATIENCE
        while True:
            for message in _whole(self._wait(deadline)):
                if not (first or seq) <= message.seq <= seq:
                    continue  # the rest of an answer that was given up
                check(message)
                if message.seq == seq and message.kind in (netlink.ERROR, netlink.DONE):
                    return answers
                answers.append(message)
            if answers and not dump and answers[-1].seq == seq:
                return answers

    def _wait(self, deadline: float) -> bytes:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            return self._socket.recv(_MOST)
        finally:
            self._socket.setblocking(False)


def _whole(data: bytes) -> list[Message]:
    try:
        return list(netlink.messages(data))
    except Malformed as error:
        raise OSError(errno.EBADMSG, str(error)) from error


def check(message: Message) -> None:
    """Raises the OSError that the message tells, if it tells one."""
    if message.kind in (netlink.ERROR, netlink.DONE) and (code := netlink.error_code(message)):
        raise OSError(code, os.strerror(code))
