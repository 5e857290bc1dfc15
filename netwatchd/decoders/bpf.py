"""Classic BPF programs (linux/filter.h): a small assembler, and the filters that the kernel runs for us.

A program is a list of lines: (operation, operand, where to go if true, where to go if not), or a label as a string.
The kernel's machine has an accumulator A, an index register X and jumps that only go forward. It reads the packet in
network byte order, and ends the program with 0 where a load lies beyond the packet's end: such a packet is not taken.

A filter returns how many bytes of the packet are kept. Control packets are kept whole; of others, where they are wanted
at all, the headers, so that a small ring holds many.
"""

import struct

Instruction = tuple[str, int] | tuple[str, int, str] | tuple[str, int, str, str]
Line = str | Instruction

WHOLE = 0x40000  # more than any packet has, as tcpdump has it
# Ethernet, two tags and PPPoE (30), IPv6 (40), TCP (20), and room for extension headers.
HEADERS = 128

# struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; }
_INSTRUCTION = struct.Struct("=HBBI")
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_CODES = {  # class, size, mode and operation of linux/bpf_common.h put together
    "load byte": 0x30,  # A = packet[k], BPF_LD | BPF_B | BPF_ABS
    "load half": 0x28,
    "load byte at X": 0x50,  # A = packet[X + k], BPF_LD | BPF_B | BPF_IND
    "load half at X": 0x48,
    "load M": 0x60,  # A = M[k], BPF_LD | BPF_MEM
    "store M": 0x02,  # M[k] = A, BPF_ST
    "set X": 0x01,  # BPF_LDX | BPF_IMM
    "A to X": 0x07,  # BPF_MISC | BPF_TAX
    "add": 0x04,  # BPF_ALU | BPF_ADD | BPF_K
    "add X": 0x0C,
    "and": 0x54,
    "shift left": 0x64,
    "shift right": 0x74,
    "X to A": 0x87,  # BPF_MISC | BPF_TXA
    "go to": 0x05,  # BPF_JMP | BPF_JA
    "if =": 0x15,  # BPF_JMP | BPF_JEQ | BPF_K
    "if >": 0x25,
    "if >=": 0x35,
    "if any bit of": 0x45,
    "return": 0x06,  # BPF_RET | BPF_K
}

_ARP, _IPV4, _IPV6, _LLDP = 0x0806, 0x0800, 0x86DD, 0x88CC
_LEAST_ETHERTYPE = 0x0600  # below it is a length (IEEE 802.3), and LLC follows
_CDP = (0xAAAA, 0x0300, 0x000C, 0x2000)  # LLC and SNAP: Cisco's organisation and protocol
_TAGS = (0x8100, 0x88A8, 0x9100)  # IEEE 802.1Q, 802.1ad, and what came before it
_PPPOE, _PPP_IPV4, _PPP_IPV6 = 0x8864, 0x0021, 0x0057  # RFC 2516, RFC 1332, RFC 5072
_TCP, _UDP, _ICMPV6 = 6, 17, 58
_EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options (RFC 8200)
_FRAGMENT = 44
_MOST_EXTENSIONS = 2
_DNS = 53
# DNS, DHCPv4, NetBIOS, DHCPv6, SSDP, mDNS, LLMNR, on either side.
_UDP_PORTS = (_DNS, 67, 68, 137, 138, 546, 547, 1900, 5353, 5355)
# Requests of plain HTTP, which say in their first segment who makes them; those are kept whole with `all`.
_HTTP = (80, 8080)
DHCP_PORTS = (67, 68, 546, 547)  # RFC 2131, RFC 8415
_FIN_SYN_RST = 0x07
# Router and neighbour solicitation and advertisement, redirect: RFC 4861.
_ND_FIRST, _ND_LAST = 133, 137


def control(ethernet: bool, others: int = 0) -> bytes:
    """The filter `control`: what tells of devices, and TCP packets with SYN, FIN or RST.

    That is ARP, DHCP, DNS, mDNS, LLMNR, SSDP, NetBIOS and IPv6 ND, and with Ethernet LLDP and CDP.

    With `ethernet` a packet begins with its Ethernet header, and may have up to two tags of IEEE 802.1Q and PPPoE;
    else with its IP header. `others` is how many bytes are kept of all other packets.
    """
    link = _ethernet() if ethernet else _no_link()
    ending: list[Line] = ["other", ("return", others), "take", ("return", WHOLE)]
    return assemble([*link, *_ipv4(), *_ipv6(), *_transport(others > 0), *ending])


def everything(ethernet: bool) -> bytes:
    """The filter `all`: control packets and what is sent to web servers whole, and the headers of every other."""
    return control(ethernet, others=HEADERS)


def dhcp() -> bytes:
    """What clients and servers of DHCP and DHCPv6 are sent, of packets that begin with their IP header."""
    transport: list[Line] = ["transport", ("load M", 0), ("if =", _UDP, "", "other"), ("load half at X", 2)]
    transport += [("if =", port, "take") for port in DHCP_PORTS]
    return assemble([*_no_link(), *_ipv4(), *_ipv6(), *transport, "other", ("return", 0), "take", ("return", WHOLE)])


def assemble(lines: list[Line]) -> bytes:
    """The program as an array of struct sock_filter; raises ValueError for what no kernel would take."""
    labels: dict[str, int] = {}
    instructions: list[Instruction] = []
    for line in lines:
        if isinstance(line, str):
            if line in labels:
                raise ValueError(f"the label {line!r} stands twice")
            labels[line] = len(instructions)
        else:
            instructions.append(line)
    if len(instructions) > _MOST_INSTRUCTIONS:
        raise ValueError(f"{len(instructions)} instructions are more than the kernel takes")
    return b"".join(_encode(number, labels, *line) for number, line in enumerate(instructions))


def _encode(number: int, labels: dict[str, int], operation: str, operand: int, yes: str = "", no: str = "") -> bytes:
    def distance(label: str) -> int:
        """How many instructions are jumped over; none without a label."""
        return labels[label] - number - 1 if label else 0

    code = _CODES[operation]
    if operation == "go to":
        return _INSTRUCTION.pack(code, 0, 0, distance(yes))
    for label in (yes, no):
        if not 0 <= distance(label) <= 255:
            raise ValueError(f"{label!r} is {distance(label)} instructions away, where a jump can be 0 to 255")
    return _INSTRUCTION.pack(code, distance(yes), distance(no), operand)


# Each part expects X where its header begins, and jumps on with X where the next one begins.


def _ethernet() -> list[Line]:
    """Finds what a frame carries. The outermost tag has usually been taken off by the kernel already."""
    lines: list[Line] = [("load half", 12), ("set X", 14)]
    lines += [("if =", tag, "tag") for tag in _TAGS]
    lines += [("go to", 0, "type"), "tag", ("load half", 16), ("set X", 18)]
    lines += [("if =", tag, "second tag") for tag in _TAGS]
    lines += [("go to", 0, "type"), "second tag", ("load half", 20), ("set X", 22)]
    lines += ["type", ("if =", _IPV4, "ipv4"), ("if =", _IPV6, "ipv6"), ("if =", _ARP, "take")]
    lines += [("if =", _LLDP, "take"), ("if =", _PPPOE, "pppoe"), ("if >=", _LEAST_ETHERTYPE, "other")]
    for at, half in enumerate(_CDP):
        lines += [("load half at X", 2 * at), ("if =", half, "", "other")]
    lines += [("go to", 0, "take")]
    # A PPPoE session's header is six bytes; PPP's protocol number, of two, follows.
    lines += ["pppoe", ("load half at X", 6)]
    lines += [("if =", _PPP_IPV4, "ppp"), ("if =", _PPP_IPV6, "ppp", "other")]
    return [*lines, "ppp", ("X to A", 0), ("add", 8), ("A to X", 0), *_version()]


def _no_link() -> list[Line]:
    return [("set X", 0), *_version()]


def _version() -> list[Line]:
    return [("load byte at X", 0), ("shift right", 4), ("if =", 4, "ipv4"), ("if =", 6, "ipv6", "other")]


def _ipv4() -> list[Line]:
    """RFC 791. Of a datagram in fragments only the first has ports."""
    lines: list[Line] = ["ipv4", ("load half at X", 6), ("if any bit of", 0x1FFF, "other")]
    lines += [("load byte at X", 9), ("store M", 0)]
    lines += [("load byte at X", 0), ("and", 0x0F), ("shift left", 2), ("add X", 0), ("A to X", 0)]
    return [*lines, ("go to", 0, "transport")]


def _ipv6() -> list[Line]:
    """RFC 8200, with up to two extension headers; of a datagram in fragments the first."""
    lines: list[Line] = ["ipv6", ("load byte at X", 6), ("store M", 0), ("X to A", 0), ("add", 40), ("A to X", 0)]
    for number in range(_MOST_EXTENSIONS):
        skip, fragment, after = f"extension {number}", f"fragment {number}", f"after {number}"
        lines += [("load M", 0), *(("if =", kind, skip) for kind in _EXTENSIONS)]
        lines += [("if =", _FRAGMENT, fragment, "transport")]
        # Its length is in units of eight bytes, of which the first is not counted.
        lines += [skip, ("load byte at X", 0), ("store M", 0)]
        lines += [
            ("load byte at X", 1),
            ("add", 1),
            ("shift left", 3),
            ("add X", 0),
            ("A to X", 0),
            ("go to", 0, after),
        ]
        lines += [fragment, ("load half at X", 2), ("if any bit of", 0xFFF8, "other")]
        lines += [("load byte at X", 0), ("store M", 0), ("X to A", 0), ("add", 8), ("A to X", 0), after]
    return lines


def _transport(requests: bool) -> list[Line]:
    """UDP (RFC 768), TCP (RFC 9293) and ICMPv6 (RFC 4443); M[0] is the protocol. Takes `requests` of HTTP, too."""
    lines: list[Line] = ["transport", ("load M", 0), ("if =", _UDP, "udp"), ("if =", _TCP, "tcp")]
    lines += [("if =", _ICMPV6, "", "other"), ("load byte at X", 0)]
    lines += [("if >", _ND_LAST, "other"), ("if >=", _ND_FIRST, "take", "other")]
    lines += ["udp"]
    for side in (0, 2):
        lines += [("load half at X", side), *(("if =", port, "take") for port in _UDP_PORTS)]
    lines += [("go to", 0, "other"), "tcp", ("load byte at X", 13), ("if any bit of", _FIN_SYN_RST, "take")]
    for side in (0, 2):
        lines += [("load half at X", side), ("if =", _DNS, "take")]
    # A still holds the destination port.
    lines += [("if =", port, "take") for port in _HTTP if requests]
    return lines
