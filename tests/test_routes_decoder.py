"""Interfaces and routes in rtnetlink's messages, also damaged ones; what the real kernel says is in test_prober."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders.neighbours import NEW_NEIGHBOUR, decode_neighbour
from netwatchd.decoders.netlink import Malformed, attribute, message, nested
from netwatchd.decoders.routes import Interface, decode_interface, link_of_route, probe_request, route_request

UP, LOWER_UP = 0x1, 0x10000


def link(flags: int, *attributes: bytes) -> bytes:
    return message(16, 0, 0, struct.pack("=BxHiII", 0, 1, 3, flags, 0) + b"".join(attributes))


def route(kind: int, *attributes: bytes) -> bytes:
    return message(24, 0, 0, struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 0, 0, kind, 0) + b"".join(attributes))


NAME = attribute(3, b"lan0\0")
BRIDGE = nested(18, attribute(1, b"bridge\0"))
VETH = nested(18, attribute(1, b"veth\0"), attribute(2, b"x"))
MASTER = attribute(10, struct.pack("=I", 7))


@pytest.mark.parametrize(("flags", "attributes", "deaf"), [
    (UP | LOWER_UP, (), False), (UP, (), True), (0, (), True), (LOWER_UP, (), True),
    (UP, (BRIDGE,), False), (UP, (MASTER, VETH), False), (UP, (VETH,), True), (0, (BRIDGE,), True),
])  # fmt: skip
def test_an_interface_is_deaf_where_its_silence_may_be_our_own(
    flags: int, attributes: tuple[bytes, ...], deaf: bool
) -> None:
    found = decode_interface(link(flags, NAME, *attributes))
    assert (found.name, found.deaf) == ("lan0", deaf)
    port = MASTER in attributes
    assert found == Interface("lan0", bool(flags & UP), bool(flags & LOWER_UP), found.bridge, port)


@pytest.mark.parametrize(("data", "index"), [
    (route(1, attribute(4, struct.pack("=I", 5))), 5),
    (route(1, attribute(4, struct.pack("=I", 5)), attribute(5, bytes(4))), None),  # by a router
    (route(1, attribute(18, bytes(18)), attribute(4, struct.pack("=I", 5))), None),
    (route(2, attribute(4, struct.pack("=I", 1))), None),  # it is ours
    (route(7, attribute(4, struct.pack("=I", 5))), None),  # unreachable
    (route(1), None),
])  # fmt: skip
def test_a_route_tells_the_link_where_there_is_no_router_between(data: bytes, index: int | None) -> None:
    assert link_of_route(data) == index


@pytest.mark.parametrize("ip", ["192.168.77.10", "fe80::10"])
def test_what_is_asked_is_read_as_it_was_meant(ip: str) -> None:
    entry = decode_neighbour(message(NEW_NEIGHBOUR, 0, 0, probe_request(5, parse_address(ip), "a4:83:e7:12:34:56")))
    assert (entry.interface, entry.ip, entry.mac) == (5, parse_address(ip), "a4:83:e7:12:34:56")
    assert len(route_request(parse_address(ip))) == 12 + 4 + (16 if ":" in ip else 4)


@given(st.sampled_from([link(UP, NAME, BRIDGE, MASTER), route(1, attribute(4, bytes(4)))]), st.data())
def test_damaged_messages_are_malformed_or_read(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    for decode in (decode_interface, link_of_route):
        with contextlib.suppress(Malformed):
            decode(cut)
