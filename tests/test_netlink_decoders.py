"""Promises of the netlink decoders: right with the kernel's layouts, and never more than Malformed with any other."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import conntrack, neighbours, netlink
from netwatchd.decoders.conntrack import ConntrackDecoder
from netwatchd.decoders.netlink import Malformed, attribute, nested


def be(form: str, value: int) -> bytes:
    return struct.pack(">" + form, value)


def tuple_of(kind: int, addresses: bytes, proto: bytes) -> bytes:
    return nested(kind, nested(1, addresses), nested(2, proto))


def ipv4(source: str, destination: str) -> bytes:
    return attribute(1, be("I", parse_address(source))) + attribute(2, be("I", parse_address(destination)))


def ipv6(source: str, destination: str) -> bytes:
    return attribute(3, parse_address(source)) + attribute(4, parse_address(destination))


def ports(protocol: int, source: int, destination: int) -> bytes:
    return attribute(1, be("B", protocol)) + attribute(2, be("H", source)) + attribute(3, be("H", destination))


def icmp(kind: int) -> bytes:
    return attribute(1, be("B", 1)) + attribute(5, be("B", kind)) + attribute(6, be("B", 0))


def counters(kind: int, packets: int, octets: int) -> bytes:
    return nested(kind, attribute(1, be("Q", packets)), attribute(2, be("Q", octets)))


def conntrack_message(*attributes: bytes, kind: int = conntrack.NEW) -> bytes:
    return netlink.message(kind, 0, 1, struct.pack(">BBH", 2, 0, 0) + b"".join(attributes))


ORIGINAL = tuple_of(1, ipv4("192.168.77.10", "203.0.113.1"), ports(6, 40000, 443))
REPLY = tuple_of(2, ipv4("203.0.113.1", "203.0.113.2"), ports(6, 443, 40000))
ID = attribute(12, be("I", 0xDEADBEEF))
STATUS = attribute(3, be("I", conntrack.SEEN_REPLY))
DESTROYED = conntrack_message(
    ORIGINAL,
    REPLY,
    ID,
    STATUS,
    counters(9, 84, 4383),
    counters(10, 88, 5_004_584),
    nested(20, attribute(1, be("Q", 1_700_000_000_123_456_789)), attribute(2, be("Q", 1_700_000_120_000_000_000))),
    nested(4, nested(1, attribute(1, be("B", 7)))),
    kind=conntrack.DESTROY,
)


def test_a_destroyed_connection_is_told_in_its_original_direction_with_counters_and_times() -> None:
    entry = ConntrackDecoder().decode(DESTROYED)
    assert entry == conntrack.Entry(
        id=0xDEADBEEF,
        src_ip=parse_address("192.168.77.10"),
        src_port=40000,
        dst_ip=parse_address("203.0.113.1"),
        dst_port=443,
        protocol=6,
        status=conntrack.SEEN_REPLY,
        timeout=0,
        packets_out=84,
        bytes_out=4383,
        packets_in=88,
        bytes_in=5_004_584,
        start=1_700_000_000_123_456_789,
        stop=1_700_000_120_000_000_000,
        event=0,
        tcp_state=7,
        reply_src_ip=parse_address("203.0.113.1"),
        reply_src_port=443,
        reply_dst_ip=parse_address("203.0.113.2"),
        reply_dst_port=40000,
    )


def test_what_nat_makes_of_a_connection_is_told_in_its_original_direction() -> None:
    entry = ConntrackDecoder().decode(DESTROYED)
    assert entry.translated == (parse_address("203.0.113.2"), 40000, parse_address("203.0.113.1"), 443, 6)
    ping = tuple_of(1, ipv4("192.168.77.10", "203.0.113.1"), icmp(8))
    answer = tuple_of(2, ipv4("203.0.113.1", "203.0.113.2"), icmp(0))
    entry = ConntrackDecoder().decode(conntrack_message(ping, answer, ID, STATUS))
    assert entry.translated == (parse_address("203.0.113.2"), 8, parse_address("203.0.113.1"), 0, 1)
    untouched = tuple_of(2, ipv4("203.0.113.1", "192.168.77.10"), ports(6, 443, 40000))
    assert ConntrackDecoder().decode(conntrack_message(ORIGINAL, untouched, ID, STATUS)).translated is None
    assert ConntrackDecoder().decode(conntrack_message(ORIGINAL, ID, STATUS)).translated is None


def test_a_new_connection_over_ipv6_has_no_counters_yet() -> None:
    message = conntrack_message(tuple_of(1, ipv6("fd00::1", "2001:db8::5"), ports(17, 5353, 53)), ID, STATUS)
    entry = ConntrackDecoder().decode(message)
    assert (entry.src_ip, entry.dst_ip) == (parse_address("fd00::1"), parse_address("2001:db8::5"))
    assert (entry.src_port, entry.dst_port, entry.protocol) == (5353, 53, 17)
    assert entry[8:12] == (0, 0, 0, 0)


@pytest.mark.parametrize(("protocol", "first"), [(1, 4), (58, 7)])
def test_icmp_has_its_type_and_code_for_ports(protocol: int, first: int) -> None:
    proto = attribute(1, be("B", protocol)) + attribute(first, be("H", 999))
    proto += attribute(first + 1, be("B", 8)) + attribute(first + 2, be("B", 3))
    entry = ConntrackDecoder().decode(conntrack_message(tuple_of(1, ipv4("10.0.0.1", "10.0.0.2"), proto), ID))
    assert (entry.src_port, entry.dst_port) == (8, 3)


def test_a_protocol_without_ports_has_ports_0() -> None:
    message = conntrack_message(tuple_of(1, ipv4("10.0.0.1", "224.0.0.22"), attribute(1, be("B", 2))), ID)
    assert ConntrackDecoder().decode(message)[1:6] == (0x0A000001, 0, 0xE0000016, 0, 2)


def test_messages_of_one_shape_are_walked_once() -> None:
    decoder = ConntrackDecoder()
    for port in range(100):
        message = conntrack_message(tuple_of(1, ipv4("10.0.0.1", "10.0.0.2"), ports(6, port, 80)), ID)
        assert decoder.decode(message).src_port == port
    assert decoder.shapes == 1


def test_messages_of_one_length_and_another_layout_are_not_mixed_up() -> None:
    decoder = ConntrackDecoder()
    plain = conntrack_message(ORIGINAL, ID, STATUS)
    swapped = conntrack_message(ORIGINAL, STATUS, ID)
    assert len(plain) == len(swapped)
    assert decoder.decode(plain) == decoder.decode(swapped) == decoder.decode(plain)


def test_the_memory_for_shapes_is_bounded() -> None:
    decoder = ConntrackDecoder()
    for length in range(3 * conntrack.MOST_SHAPES):
        decoder.decode(conntrack_message(ORIGINAL, ID, attribute(22, bytes(length % 900)), attribute(200, b"")))
        assert decoder.shapes <= conntrack.MOST_SHAPES


@pytest.mark.parametrize(
    "message",
    [
        conntrack_message(ORIGINAL),
        conntrack_message(ID),
        conntrack_message(ORIGINAL, attribute(12, b"123")),
        conntrack_message(tuple_of(1, ipv4("10.0.0.1", "10.0.0.2")[:8] + ipv6("::2", "::3")[20:], ports(6, 1, 2)), ID),
        conntrack_message(b"\x02\x00\x01\x00"),
        conntrack_message(b"\xff\xff\x01\x00"),
        conntrack_message(b"\x01"),
        DESTROYED[:16],
        b"",
    ],
)
def test_a_conntrack_message_that_lacks_something_or_lies_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        ConntrackDecoder().decode(message)


@given(st.data())
def test_a_damaged_message_is_malformed_or_read_as_by_a_decoder_that_has_met_no_other(data: st.DataObject) -> None:
    seasoned = ConntrackDecoder()
    seasoned.decode(DESTROYED)
    damaged = bytearray(DESTROYED)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(16, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(16, len(damaged))) :]
    assert _outcome(seasoned, bytes(damaged)) == _outcome(ConntrackDecoder(), bytes(damaged))


def _outcome(decoder: ConntrackDecoder, message: bytes) -> object:
    try:
        return decoder.decode(message)
    except Malformed:
        return "malformed"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_at_worst_malformed(data: bytes) -> None:
    for decode in (
        lambda: list(netlink.messages(data)),
        lambda: list(netlink.attributes(data, 0, len(data))),
        lambda: ConntrackDecoder().decode(data),
        lambda: neighbours.decode_neighbour(data),
        lambda: neighbours.decode_link(data),
    ):
        try:
            decode()
        except Malformed:
            continue


def test_the_messages_before_a_broken_one_are_still_read() -> None:
    good = netlink.message(28, 0, 1, b"abcd")
    read = netlink.messages(good + good + b"\xff\xff\xff\x7f" + bytes(12))
    assert [next(read).data, next(read).data] == [good, good]
    with pytest.raises(Malformed):
        next(read)


def test_what_is_written_is_read_back() -> None:
    payload = attribute(1, b"abc") + nested(2, attribute(3, b"x"))
    (message,) = netlink.messages(netlink.message(7, netlink.REQUEST, 42, payload))
    assert (message.kind, message.flags, message.seq) == (7, netlink.REQUEST, 42)
    first, second = netlink.attributes(message.data, 16, len(message.data))
    assert message.data[slice(*first[1:])] == b"abc"
    assert (first[0], second[0]) == (1, 2)


@pytest.mark.parametrize(("told", "code"), [(0, 0), (-1, 1), (-105, 105), (5, 71), (-4096, 71), (-(2**31), 71)])
def test_an_error_is_one_of_the_kernel_s_numbers_or_a_breach_of_protocol(told: int, code: int) -> None:
    (message,) = netlink.messages(netlink.message(netlink.ERROR, 0, 1, struct.pack("=i", told)))
    assert netlink.error_code(message) == code


def neighbour_message(
    family: int, state: int, *attributes: bytes, ages: tuple[int, int, int] = (0, 0, 0), interface: int = 3
) -> bytes:
    fixed = struct.pack("=BxxxiHBB", family, interface, state, 0, 0)
    info = attribute(3, struct.pack("=IIII", *ages, 1))
    return netlink.message(neighbours.NEW_NEIGHBOUR, 0, 1, fixed + b"".join(attributes) + info)


MAC = attribute(2, bytes.fromhex("a483e7123456"))
IP = attribute(1, be("I", parse_address("192.168.77.10")))
NOW = 1_700_000_000_000


def sighted(message: bytes) -> int | None:
    """How many milliseconds ago the neighbour was heard of; None for no sighting."""
    sighting = neighbours.sighting_of(neighbours.decode_neighbour(message), NOW, "lan0")
    return NOW - sighting.time if sighting else None


def test_a_sighting_has_the_mac_the_address_and_the_interface() -> None:
    message = neighbour_message(neighbours.INET, neighbours.REACHABLE, MAC, IP, ages=(200, 0, 0))
    sighting = neighbours.sighting_of(neighbours.decode_neighbour(message), NOW, "lan0")
    assert sighting is not None
    assert sighting.mac == "a4:83:e7:12:34:56"
    assert sighting.ips == (parse_address("192.168.77.10"),)
    assert (sighting.interface, sighting.source, sighting.time) == ("lan0", "neighbours", NOW - 2000)


@pytest.mark.parametrize(
    ("state", "confirmed", "updated", "silent"),
    [
        (neighbours.REACHABLE, 300, 900, 3000),  # it answered; when it became reachable does not matter
        (neighbours.STALE, 6100, 100, 1000),  # made by a request of its own 1 s ago; confirmed is made up
        (neighbours.STALE, 90_000, 200, 2000),  # known long ago, spoke again
        (neighbours.STALE, 3700, 200, 37_000),  # the timer made it stale 35 s after it was confirmed
        (neighbours.STALE, 864_500, 860_000, 8_645_000),  # a ghost: the timer again, more than two hours ago
        (neighbours.DELAY, 6100, 10, 61_000),  # we began to ask
        (neighbours.PERMANENT, 500, 500, 5000),
    ],
)
def test_a_neighbour_was_heard_of_when_it_proved_or_asked_something(
    state: int, confirmed: int, updated: int, silent: int
) -> None:
    message = neighbour_message(neighbours.INET, state, MAC, IP, ages=(confirmed, 0, updated))
    assert sighted(message) == silent


def test_a_station_behind_a_bridge_was_heard_of_when_its_entry_was_updated() -> None:
    message = neighbour_message(neighbours.BRIDGE, neighbours.REACHABLE, MAC, ages=(0, 5, 1234))
    assert sighted(message) == 12_340


@pytest.mark.parametrize(
    "message",
    [
        neighbour_message(neighbours.INET, 0x01, IP),  # INCOMPLETE
        neighbour_message(neighbours.INET, 0x20, MAC, IP),  # FAILED
        neighbour_message(neighbours.INET, neighbours.PROBE, MAC, IP, ages=(6000, 0, 0)),  # made to be asked
        neighbour_message(neighbours.INET, 0x40, MAC, IP),  # NOARP
        neighbour_message(neighbours.INET, 0x00, MAC, IP),
        neighbour_message(neighbours.INET, neighbours.REACHABLE, attribute(2, bytes(6)), IP),
        neighbour_message(neighbours.INET, neighbours.REACHABLE, attribute(2, b"\x33\x33" + bytes(4)), IP),
        neighbour_message(neighbours.INET, neighbours.REACHABLE, MAC, attribute(1, b"\xe0\0\0\1")),
        neighbour_message(neighbours.INET, neighbours.REACHABLE, MAC),
        neighbour_message(neighbours.INET, neighbours.REACHABLE, attribute(2, b"\1\2\3\4"), IP),  # a tunnel
        neighbour_message(neighbours.BRIDGE, neighbours.PERMANENT, MAC),  # the bridge's own port
        neighbour_message(neighbours.BRIDGE, 0x40, MAC),  # a static entry
    ],
)
def test_an_entry_that_proves_no_device_is_no_sighting(message: bytes) -> None:
    assert sighted(message) is None


@pytest.mark.parametrize(
    "message",
    [
        neighbour_message(neighbours.INET, 2, attribute(1, b"12345")),
        netlink.message(28, 0, 1, struct.pack("=BxxxiHBB", 2, 3, 2, 0, 0) + attribute(3, bytes(8))),
        netlink.message(28, 0, 1, b"short"),
    ],
)
def test_a_neighbour_message_that_lacks_something_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        neighbours.decode_neighbour(message)


def test_a_link_message_tells_the_name_of_the_interface() -> None:
    fixed = struct.pack("=BxHiII", 0, 1, 7, 0, 0)
    assert neighbours.decode_link(netlink.message(16, 0, 1, fixed + attribute(3, b"wlan0\0"))) == (7, "wlan0")
    assert neighbours.decode_link(netlink.message(16, 0, 1, fixed)) == (7, None)
