"""What packets and logs show that is neither a device nor a flow, and that detectors need: questions, and answers.

Times are Unix milliseconds (UTC). All come from the network, so that any of their values may be a lie.
"""

from typing import NamedTuple

from netwatchd.addresses import Address


class AddressAsked(NamedTuple):
    """Somebody asked all on the link who has an address: an ARP request (RFC 826), a neighbour solicitation (RFC 4861).

    What a device asks of its own address, to announce it or to find out whether it is free, is none.
    """

    time: int
    source: str  # of netwatchd, which saw it
    mac: str  # who asked
    ip: Address | None  # by what address, where it is known
    target: Address


class AddressShown(NamedTuple):
    """Somebody said by ARP (RFC 826) or ND (RFC 4861) that an address is its own, where that is worth a thought.

    It is while two MACs say so of the address, or where one of those two says it of another address, and when it is
    said of an address for the first time. At most once a second of the same MAC and address.
    """

    time: int
    source: str
    mac: str  # whose the address is, as was said
    ip: Address
    before: str | None = None  # another MAC that said so last
    heard: int = 0  # when that one did
    interface: str | None = None  # of this machine, where it was seen


class AddressAnswered(NamedTuple):
    """A MAC was asked, it alone, whether it has an address."""

    time: int
    source: str
    mac: str
    ip: Address
    answered: bool  # False: not within the time that an answer may take


class DhcpMessage(NamedTuple):
    """A message of DHCP (RFC 2131), by whomever it was sent."""

    time: int
    source: str
    kind: int  # RFC 2132 option 53: 1 DISCOVER, 2 OFFER, 3 REQUEST, 4 DECLINE, 5 ACK, 6 NAK, 7 RELEASE, 8 INFORM
    mac: str | None  # who sent the frame; None where a log does not say
    client: str  # the client's MAC (chaddr)
    address: Address | None  # what is offered, granted, asked for, or given back
    server: Address | None  # RFC 2132 option 54; else who sent an OFFER, ACK or NAK
    router: Address | None = None  # RFC 2132 option 3, the first
    relayed: bool = False
    dns: tuple[Address, ...] = ()  # RFC 2132 option 6
    routes: tuple[Address, ...] = ()  # RFC 3442 option 121: by which routers
    interface: str | None = None  # of this machine, where it was seen


class DnsMessage(NamedTuple):
    """A query of DNS (RFC 1035), or an answer to one."""

    time: int
    source: str
    client: Address  # who asks
    server: Address  # who is asked
    name: str  # of the question, in lower case, without the trailing dot; bytes beyond ASCII as \\ddd
    kind: int  # QTYPE: 1 A, 16 TXT, 28 AAAA, ...
    answer: bool  # False: it is the question
    code: int  # RCODE of an answer: 0 NOERROR, 3 NXDOMAIN, ...; 0 of a question
    size: int  # bytes of the message
    transaction: int = 0  # the id that question and answer share
    addresses: tuple[Address, ...] = ()  # of an answer, from its A and AAAA records


class EchoAltered(NamedTuple):
    """A ping was answered with other data than it had (RFC 792, RFC 4443)."""

    time: int
    source: str
    client: Address  # who sent the request
    server: Address  # who sent the reply
    sent: int  # bytes of data in the request
    returned: int  # and in the reply


Observation = AddressAsked | AddressShown | AddressAnswered | DhcpMessage | DnsMessage | EchoAltered
