"""What packets and logs show of who claims an address, and of DHCP, reaches detectors as it was said."""

import json
import struct

from announce_kit import Seen
from hypothesis import given
from hypothesis import strategies as st
from packet_kit import MAC_A, MAC_B, MAC_ROUTER, A, B, ethernet, ip4, packed, udp
from test_dhcp_clues import body, client, server

from netwatchd.addresses import parse_address
from netwatchd.decoders.asking import arp_answer, nd_answer, question
from netwatchd.decoders.dhcp import read_message
from netwatchd.decoders.eve import EveDecoder
from netwatchd.decoders.shown import MOST_SHOWN, Crowd, Shown
from netwatchd.decoders.zeek import ZeekDecoder
from netwatchd.observations import AddressShown, DhcpMessage

X, Y = parse_address(A), parse_address(B)
TEXT_A, TEXT_B, TEXT_ROUTER = MAC_A.hex(":"), MAC_B.hex(":"), MAC_ROUTER.hex(":")


# Who claims an address.


def test_an_address_is_told_once_while_one_claims_it_and_each_time_while_two_do() -> None:
    shown = Shown()
    told = [shown.see(time, MAC_A, X) for time in range(0, 600_000, 1000)]
    assert told == [(None, 0)] + [None] * 599
    assert shown.see(600_000, MAC_B, X) == (MAC_A, 599_000)
    assert shown.see(600_100, MAC_B, X) is None  # once a second
    assert shown.see(601_500, MAC_B, X) == (None, 0)
    assert shown.see(601_600, MAC_A, X) == (MAC_B, 601_500)
    assert shown.see(602_000, MAC_B, Y) == (None, 0)
    assert shown.see(604_000, MAC_B, Y) == (None, 0)  # what one of the two says of another address, too
    assert [shown.see(time, MAC_A, X) for time in range(1_000_000, 1_010_000, 1000)] == [None] * 10


@given(st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from([MAC_A, MAC_B, MAC_ROUTER]), st.integers(0, 3))))
def test_whatever_order_it_is_told_when_the_mac_is_another_one(events: list[tuple[int, bytes, int]]) -> None:
    shown, owners = Shown(), dict[int, bytes]()
    for time, mac, ip in events:
        told = shown.see(time, mac, ip)
        assert (told is not None and told[0] is not None) == (owners.get(ip, mac) != mac)
        owners[ip] = mac


def test_made_up_addresses_do_not_fill_the_memory() -> None:
    shown = Shown()
    for number in range(4 * MOST_SHOWN):
        shown.see(number, MAC_A, number)
        shown.see(number, number.to_bytes(6, "big"), number)
    assert max(len(table) for table in vars(shown).values()) <= MOST_SHOWN


def arp(mac: bytes, ip: str, operation: int = 2) -> bytes:
    """An ARP packet in its frame."""
    said = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + packed(ip) + MAC_ROUTER + packed("192.168.1.1")
    return ethernet(said, mac, kind=0x0806)


def test_arp_of_two_macs_is_observed() -> None:
    seen = Seen()
    seen.see(arp(MAC_A, A), arp(MAC_A, A), arp(MAC_B, A))
    told = [each for each in seen.table.observations() if isinstance(each, AddressShown)]
    assert [(each.mac, each.ip, each.before) for each in told] == [(TEXT_A, X, None), (TEXT_B, X, TEXT_A)]


# DHCP.


def messages(*frames: bytes) -> list[DhcpMessage]:
    """What is observed of frames."""
    seen = Seen()
    seen.see(*frames)
    return [each for each in seen.table.observations() if isinstance(each, DhcpMessage)]


def test_a_client_s_messages_are_observed_with_whom_they_name() -> None:
    ask, want = messages(client(1), client(3, (50, packed(A)), (54, packed("192.168.1.1"))))
    assert (ask.kind, ask.mac, ask.client, ask.address, ask.server) == (1, TEXT_A, TEXT_A, None, None)
    assert (want.kind, want.address, want.server) == (3, X, parse_address("192.168.1.1"))


def test_a_server_s_messages_are_observed_with_what_they_hand_out() -> None:
    routes = bytes((24, 10, 0, 0)) + packed("192.168.1.9") + bytes((0,)) + packed("192.168.1.8")
    offer = server(2, (3, packed("192.168.1.1") + packed(B)), (6, packed(B)), (121, routes))
    (told,) = messages(offer)
    assert (told.kind, told.mac, told.client, told.address) == (2, TEXT_ROUTER, TEXT_A, X)
    assert (told.server, told.router, told.dns) == (parse_address("192.168.1.1"), parse_address("192.168.1.1"), (Y,))
    assert told.routes == (parse_address("192.168.1.9"), parse_address("192.168.1.8"))
    nak, relayed = messages(server(6, given="0.0.0.0"), server(5, relay=B))
    assert (nak.kind, nak.address, nak.relayed, relayed.relayed) == (6, None, False, True)


def test_who_plays_the_other_part_is_not_observed() -> None:
    lies = [
        ethernet(ip4(udp(67, 68, body(3, reply=True)), "192.168.1.1", "255.255.255.255"), MAC_A), client(2), client(5),
        client(0), client(9), ethernet(ip4(udp(68, 67, body(1)[:200]), "0.0.0.0", "255.255.255.255"), MAC_A),
    ]  # fmt: skip
    assert messages(*lies) == []


@given(st.binary(max_size=400))
def test_no_bytes_are_too_damaged_for_a_message(data: bytes) -> None:
    read_message(data, 0)
    read_message(body(1)[:-1] + data, 0)
    read_message(body(5, reply=True)[:-1] + b"\x79" + data, 0)


def test_a_thousand_made_up_clients_make_some_devices_only() -> None:
    seen = Seen()
    for number in range(1000):
        mac = b"\x02" + number.to_bytes(5, "big")
        seen.see(client(1).replace(MAC_A, mac))
    told = {each.mac for each in seen.table.sightings()}
    assert len(told) == Crowd.MOST_NEW
    assert seen.table.stations.crowded_out == 1000 - Crowd.MOST_NEW
    assert len([each for each in seen.table.observations() if isinstance(each, DhcpMessage)]) == 1000


def test_zeek_tells_each_message_of_a_conversation() -> None:
    line = {
        "_path": "dhcp", "ts": 9.5, "mac": TEXT_A, "requested_addr": A, "assigned_addr": B,
        "server_addr": "192.168.1.1", "msg_types": ["DISCOVER", "OFFER", "REQUEST", "ACK", "who knows"],
    }  # fmt: skip
    _, *told = ZeekDecoder(lambda _: 1).decode(json.dumps(line).encode(), 0)
    gateway = parse_address("192.168.1.1")
    assert told == [
        DhcpMessage(9500, "zeek", 1, None, TEXT_A, X, None), DhcpMessage(9500, "zeek", 2, None, TEXT_A, Y, gateway),
        DhcpMessage(9500, "zeek", 3, None, TEXT_A, X, None), DhcpMessage(9500, "zeek", 5, None, TEXT_A, Y, gateway),
    ]  # fmt: skip


def test_suricata_tells_the_server_by_its_port() -> None:
    event = {
        "timestamp": "2026-11-23T10:00:00Z", "event_type": "dhcp", "src_ip": "192.168.1.1", "src_port": 67,
        "dhcp": {"type": "reply", "dhcp_type": "ack", "client_mac": TEXT_A, "assigned_ip": A, "relay_ip": "0.0.0.0",
                 "routers": [B], "dns_servers": [B, 7, "x"]},
    }  # fmt: skip
    _, told = EveDecoder(lambda _: 1).decode(json.dumps(event).encode(), 0)
    assert told == DhcpMessage(1795428000000, "eve", 5, None, TEXT_A, X, parse_address("192.168.1.1"), Y, False, (Y,))
    event["dhcp"] = {"type": "request", "dhcp_type": "ack", "client_mac": TEXT_A}
    assert len(EveDecoder(lambda _: 1).decode(json.dumps(event).encode(), 0)) == 1


# Questions to one MAC.


def test_a_question_goes_to_one_mac_and_names_ourselves() -> None:
    frame = question(MAC_ROUTER, Y, MAC_A, X)
    assert (frame[:6], frame[6:12], frame[12:14]) == (MAC_A, MAC_ROUTER, b"\x08\x06")
    assert frame[14:] == (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + MAC_ROUTER + packed(B) + bytes(6) + packed(A)
    )  # fmt: skip
    own, other = parse_address("fe80::1"), parse_address("fe80::2")
    assert isinstance(own, bytes)
    assert isinstance(other, bytes)
    frame = question(MAC_ROUTER, own, MAC_A, other)
    assert (frame[12:14], frame[21], len(frame)) == (b"\x86\xdd", 255, 14 + 40 + 32)
    total = own + other + struct.pack("!II", 32, 58) + frame[54:]
    whole = sum(struct.unpack(f"!{len(total) // 2}H", total))
    assert (whole & 0xFFFF) + (whole >> 16) == 0xFFFF  # RFC 1071


@given(st.binary(max_size=100))
def test_an_answer_is_one_or_none(data: bytes) -> None:
    arp_answer(data)
    nd_answer(data)
    nd_answer(b"\x88" + data)


def test_answers_are_read_and_lies_about_the_sender_are_not() -> None:
    assert arp_answer(arp(MAC_A, A)) == (TEXT_A, X)
    assert arp_answer(arp(MAC_A, A, 1)) is None
    assert arp_answer(arp(MAC_A, A).replace(MAC_A, MAC_B, 1)) is None
    target = bytes(15) + b"\x07"
    assert nd_answer(b"\x88" + bytes(7) + target) == (None, target)
    assert nd_answer(b"\x88" + bytes(7) + target + b"\2\1" + MAC_A) == (TEXT_A, target)
