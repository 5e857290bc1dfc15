"""What a client tells of itself by DHCPv4 becomes its clues, and who leases addresses is known as the server."""

import struct
from typing import Any

import pytest
from announce_kit import Seen
from packet_kit import MAC_A, MAC_B, MAC_ROUTER, A, B, ethernet, ip4, packed, udp

TEXT_A, TEXT_ROUTER = MAC_A.hex(":"), MAC_ROUTER.hex(":")
SERVER = "192.168.1.1"
DUID = bytes.fromhex("00030001") + MAC_B
Option = tuple[int, bytes]


def options(*pairs: Option) -> bytes:
    """Options, and the end."""
    return b"".join(bytes((code, len(value))) + value for code, value in pairs) + b"\xff"


def body(
    kind: int, *more: Option, reply: bool = False, own: str = "0.0.0.0", given: str = "0.0.0.0",
    relay: str = "0.0.0.0", name: bytes = b"", file: bytes = b"",
) -> bytes:  # fmt: skip
    """A message."""
    head = struct.pack("!BBBBIHH", 2 if reply else 1, 1, 6, 0, 7, 0, 0) + packed(own) + packed(given) + bytes(4)
    head += packed(relay) + MAC_A + bytes(10) + name.ljust(64, b"\0") + file.ljust(128, b"\0")
    return head + b"\x63\x82\x53\x63" + options((53, bytes((kind,))), *more)


def client(kind: int, *more: Option, **fields: Any) -> bytes:
    """A client's message in its frame."""
    return ethernet(ip4(udp(68, 67, body(kind, *more, **fields)), "0.0.0.0", "255.255.255.255"), MAC_A)


def server(kind: int, *more: Option, src: str = SERVER, **fields: Any) -> bytes:
    """A server's message in its frame."""
    fields.setdefault("given", A)
    said = body(kind, (54, packed(SERVER)), *more, reply=True, **fields)
    return ethernet(ip4(udp(67, 68, said), src, "255.255.255.255"), MAC_ROUTER)


@pytest.mark.parametrize(
    ("told", "clues"),
    [
        ([(12, b"tv\0")], [("dhcp_hostname", "tv")]),
        ([(12, b"Anna\xe2\x80\x99s iPhone")], [("dhcp_hostname", "Anna\u2019s iPhone")]),
        ([(12, b"\x01\x02")], []),
        ([(81, b"\0\0\0PC.example.com")], [("dhcp_hostname", "PC")]),
        ([(81, b"\x04\0\0\2pc\7example\0")], [("dhcp_hostname", "pc")]),
        ([(81, b"\x04\0\0\xc0pc")], []), ([(81, b"\0\0")], []), ([(81, b"")], []),
        ([(12, b"pc"), (81, b"\0\0\0pc.lan")], [("dhcp_hostname", "pc")]),
        ([(12, b"pc"), (81, b"\0\0\0other.lan")], [("dhcp_hostname", "pc"), ("dhcp_hostname", "other")]),
        ([(60, b"android-dhcp-13")], [("dhcp_vendor_class", "android-dhcp-13")]),
        ([(60, b"\0\0\0\x09binary")], []),
        ([(55, bytes((1, 121, 3)))], [("dhcp_parameters", "1,121,3")]),
        ([(55, b"")], []),
        ([(61, b"\1" + MAC_A)], []), ([(61, MAC_A)], []),  # nothing but what is known anyway
        ([(61, b"\1" + MAC_B)], [("dhcp_client_id", "01" + MAC_B.hex())]),
        ([(61, b"\0serial-7")], [("dhcp_client_id", b"\0serial-7".hex())]),
        ([(61, b"\xff\0\0\0\1" + DUID)],
         [("dhcp_client_id", "ff00000001" + DUID.hex()), ("dhcp_duid", DUID.hex())]),
        ([(61, b"\xff\0\0\0\1")], [("dhcp_client_id", "ff00000001")]), ([(61, b"\0\0\0")], []), ([(61, b"\1")], []),
        ([(77, b"\3abc\1d")], [("dhcp_user_class", "abc"), ("dhcp_user_class", "d")]),
        ([(77, b"RRAS.Microsoft")], [("dhcp_user_class", "RRAS.Microsoft")]),
        ([(77, b"iPXE")], [("dhcp_user_class", "iPXE")]), ([(77, b"\0")], []), ([(77, b"\3ab")], []),
        ([(161, b"https://x.example/m")], [("dhcp_mud", "https://x.example/m")]), ([(161, b"http://x")], []),
        ([(60, b"in "), (60, b"pieces")], [("dhcp_vendor_class", "in pieces")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [1, 3, 7, 8])
def test_what_a_client_tells(kind: int, told: list[Option], clues: list[tuple[str, str]]) -> None:
    seen = Seen()
    seen.see(client(kind, *told))
    assert seen.told() == ({TEXT_A: clues} if clues else {})


def test_options_may_go_on_in_the_fields_for_the_server_s_name_and_the_file() -> None:
    seen = Seen()
    message = client(1, (52, b"\3"), (12, b"t"), name=options((60, b"udhcp")), file=options((12, b"v")))
    seen.see(message)
    assert seen.told() == {TEXT_A: [("dhcp_hostname", "tv"), ("dhcp_vendor_class", "udhcp")]}


def test_one_that_declines_or_asks_about_others_tells_nothing() -> None:
    seen = Seen()
    seen.see(*(client(kind, (12, b"tv"), (50, packed(A))) for kind in (0, 4, 9, 10, 13, 99)))
    assert seen.table.sightings() == []


def test_who_leases_addresses_is_the_server() -> None:
    for kind in (2, 5):
        seen = Seen()
        seen.see(server(kind, (60, b"not the client's"), (55, b"\1"), (61, b"\0x1")))
        assert seen.told() == {TEXT_ROUTER: [("role", "dhcp_server")]}


def test_the_name_is_told_that_the_server_gives() -> None:
    seen = Seen()
    seen.see(server(5, (12, b"tv")))
    assert seen.told()[TEXT_A] == [("dhcp_hostname", "tv")]


@pytest.mark.parametrize(
    "frame",
    [
        server(5, relay="192.168.1.254"),  # it was passed on
        server(5, src="192.168.1.254"),
        server(2, given="0.0.0.0"),  # of an image to boot from, and no address
        server(6),
    ],
)
def test_who_passes_on_or_offers_no_address_is_no_server(frame: bytes) -> None:
    seen = Seen()
    seen.see(frame)
    assert seen.told() == {}


def test_an_offer_is_no_sign_of_the_client() -> None:
    seen = Seen()
    seen.see(server(2))
    (told,) = seen.table.sightings()
    assert told.mac == TEXT_ROUTER


def test_what_is_released_is_told_with_what_it_tells_and_as_gone() -> None:
    seen = Seen()
    seen.see(client(3, (12, b"tv"), (50, packed(B))), client(7, (12, b"tv"), own=B))
    first, last = seen.table.sightings()
    assert (first.online, last.online) == (True, False)
    assert first.ips == last.ips
