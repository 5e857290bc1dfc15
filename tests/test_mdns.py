"""What a host announces by mDNS is put down to it, and what it says of others is not; damage harms nothing."""

import struct

import pytest
from announce_kit import (
    A_TYPE,
    ANY,
    PTR,
    TXT,
    host,
    message,
    name,
    pairs,
    ptr,
    question,
    record,
    srv,
    txt,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_kit import A6, A, B, packed

from netwatchd.addresses import parse_address
from netwatchd.decoders import dns
from netwatchd.decoders.dns import MOST_RECORDS, Malformed, read_message
from netwatchd.decoders.mdns import Mdns, read_llmnr
from netwatchd.decoders.txt import clues_of_txt

ME, OTHER, ME6 = parse_address(A), parse_address(B), parse_address(A6)
PRINTER = ("HP LaserJet 4.0 [12AB34]", "_ipp", "_tcp", "local")
ALL = [
    ("mdns_name", "printer"),
    ("mdns_service", "_ipp._tcp"),
    ("mdns_instance", PRINTER[0]),
    ("mdns_model", "HP LaserJet 4"),
    ("mdns_id", "1c852a4d-b800-1f08-abcd-c8cbb8d2a1a4"),
]


def said(*messages: bytes, sender: object = ME) -> list[tuple[str, str]]:
    """What the last of the messages says of the sender of all."""
    reader = Mdns()
    return [pairs(reader.read(each, sender)) for each in messages][-1]  # type: ignore[arg-type]


def printer(address: str, target: str = "printer.local", ttl: int = 120) -> tuple[bytes, ...]:
    """Everything that a printer announces."""
    texts = ("ty=HP LaserJet 4", "product=(HP LaserJet 4)", "UUID=1c852a4d-b800-1f08-abcd-c8cbb8d2a1a4", "note=hall")
    return (
        ptr("_ipp._tcp.local", PRINTER, ttl),
        srv(PRINTER, target, ttl=ttl),
        txt(PRINTER, *texts),
        host(target, address, ttl),
    )


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (message(*printer(A)), ALL),
        (message(printer(A)[0], additionals=printer(A)[1:]), ALL),
        (message(*printer(B)), []),  # a reflector, or a proxy for one that sleeps
        (message(*printer(A, ttl=0)[:2], host("printer.local", A, 0)), []),  # a goodbye
        (message(host("Tv.local", A), host("tv.local", A6)), [("mdns_name", "Tv")]),
        (message(host("tv.local", A), host("other.local", B)), [("mdns_name", "tv")]),
        (message(host("tv-2.local", A)), [("mdns_name", "tv-2")]),
        (message(host("tv.example.com", A)), []),
        (message(host("6f1a2b3c-0001-4aaa-9bbb-0123456789ab.local", A)), []),  # a browser's, made up for one call
        # Only known answers, which the asker has heard from others.
        (message(host("tv.local", A), ptr("_ipp._tcp.local", PRINTER), questions=(question("x.local"),), flags=0), []),
        # A probe: what it wants to have.
        (
            message(questions=(question("tv.local", ANY),), authorities=(host("tv.local", A),), flags=0),
            [("mdns_name", "tv")],
        ),
        (message(host("tv.local", A), flags=0x8403), []),  # an error
        (message(host("tv.local", A), flags=0xA800), []),  # another operation
        (
            message(ptr("_services._dns-sd._udp.local", "_http._tcp.local")),
            [("mdns_service", "_http._tcp")],
        ),
        (
            message(ptr("_printer._sub._http._tcp.local", ("Web", "_http", "_tcp", "local"))),
            [("mdns_service", "_http._tcp"), ("mdns_instance", "Web")],
        ),
        (message(ptr("b._dns-sd._udp.local", "local")), []),
        (message(ptr("5.1.168.192.in-addr.arpa", "tv.local")), []),
        (message(ptr("_IPP._tcp.local", ("X", "_ipp", "_TCP", "LOCAL"))),
         [("mdns_service", "_ipp._tcp"), ("mdns_instance", "X")]),
        # Several services of which one is on another host.
        (
            message(
                srv(("Mine", "_http", "_tcp", "local"), "tv.local"), srv(("Hers", "_ipp", "_tcp", "local"), "pc.local"),
                host("tv.local", A), host("pc.local", B),
            ),
            [("mdns_name", "tv"), ("mdns_service", "_http._tcp"), ("mdns_instance", "Mine")],
        ),
        (message(srv(("Hers", "_ipp", "_tcp", "local"), "pc.local")), []),  # whose that is, is not told
        (message(record("tv.local", A_TYPE, packed(A), group=3)), []),  # of another class
    ],
)  # fmt: skip
def test_only_what_a_host_says_of_itself_is_told(payload: bytes, told: list[tuple[str, str]]) -> None:
    assert said(payload) == told


def test_a_service_alone_is_believed_of_who_was_heard_to_be_its_host() -> None:
    alone = message(ptr("_ipp._tcp.local", PRINTER), srv(PRINTER, "printer.local"))
    assert said(alone) == []
    assert said(message(*printer(A)), alone) == ALL[:3]
    assert said(message(*printer(B)), alone) == []


def test_who_speaks_for_others_is_not_believed_where_no_host_is_named() -> None:
    alone = message(ptr("_ipp._tcp.local", PRINTER))
    assert said(alone) == ALL[1:3]
    assert said(message(*printer(B)), alone) == []


def test_addresses_of_the_other_family_say_neither_that_it_is_nor_that_it_is_not() -> None:
    assert said(message(host("tv.local", A6))) == []
    assert said(message(host("tv.local", A)), message(host("tv.local", A6))) == [("mdns_name", "tv")]
    link_local = parse_address("fe80::5")
    assert said(message(host("tv.local", "fe80::5"), host("tv.local", A6)), sender=link_local) == [("mdns_name", "tv")]
    alone = message(ptr("_ipp._tcp.local", PRINTER))
    assert said(message(host("tv.local", A6)), alone, sender=link_local) == ALL[1:3]
    assert said(message(host("tv.local", "fd00::99")), alone, sender=ME6) == []


def test_a_name_that_another_host_has_now_is_not_its_own_any_more() -> None:
    mine, hers = message(host("tv.local", A)), message(host("tv.local", B))
    service = message(srv(PRINTER, "tv.local"))
    assert said(mine, hers, service) == []
    assert said(mine, service) == [("mdns_name", "tv"), *ALL[1:3]]


@pytest.mark.parametrize(
    ("service", "texts", "told"),
    [
        ("_device-info._tcp", ["model=MacBookPro18,3", "osxvers=21"],
         [("mdns_model", "MacBookPro18,3"), ("mdns_model", "osxvers=21")]),
        ("_device-info._tcp", ["osxvers="], []),
        ("_googlecast._tcp", ["id=0123456789abcdef0123456789abcdef", "md=Chromecast", "fn=Living room"],
         [("mdns_id", "0123456789abcdef0123456789abcdef"), ("mdns_model", "Chromecast"),
          ("mdns_instance", "Living room")]),
        ("_googlecast._tcp", ["id=0123456789abcdef0123456789abcdef", "md=Google Cast Group", "fn=All"], []),
        ("_raop._tcp", ["am=AirPort10,115", "cn=0,1,2,3"], [("mdns_model", "AirPort10,115")]),
        ("_airplay._tcp", ["deviceid=AA:BB:CC:12:34:56", "model=AppleTV6,2", "gid=11111111-2222-4333-8444-5555"],
         [("mdns_id", "AA:BB:CC:12:34:56"), ("mdns_model", "AppleTV6,2")]),
        ("_hap._tcp", ["md=BSB002", "id=00:17:88:24:76:FF"],
         [("mdns_model", "BSB002"), ("mdns_id", "00:17:88:24:76:FF")]),
        ("_ipp._tcp", ["usb_MDL=LaserJet", "USB_mdl=second"], [("mdns_model", "LaserJet")]),
        ("_http._tcp", ["md=x", "id=12345678", "am=x", "ty=x", "path=/"], []),  # means something else there
        ("_x._tcp", ["model=", "deviceid=00:00:00:00:00:00", "uuid=1", "mac=not an id", "novalue", ""], []),
        ("_x._tcp", [b"model=\xff\xfe\x01", b"MODEL=caf\xc3\xa9"], []),  # binary; and the first one counts
        ("_x._tcp", [b"model=caf\xc3\xa9 \xff"], [("mdns_model", "café \ufffd")]),
    ],
)  # fmt: skip
def test_the_keys_of_a_text_that_tell_of_the_device(
    service: str, texts: list[str | bytes], told: list[tuple[str, str]]
) -> None:
    assert pairs(clues_of_txt(service, [t if isinstance(t, bytes) else t.encode() for t in texts])) == told


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (message(host("DESKTOP-1", A), questions=(question("DESKTOP-1", A_TYPE),), flags=0x8000), "DESKTOP-1"),
        (message(host("DESKTOP-1", B), flags=0x8000), None),
        (message(host("DESKTOP-1", A), flags=0), None),  # a question
        (message(host("DESKTOP-1", A), flags=0x8003), None),
        (b"\0" * 11, None),
    ],
)
def test_llmnr_answers_about_the_sender_tell_its_name(payload: bytes, told: str | None) -> None:
    assert pairs(read_llmnr(payload, ME)) == ([("llmnr_name", told)] if told else [])  # type: ignore[arg-type]


# DNS.

HEAD = struct.pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0)


def test_compressed_names_are_read() -> None:
    owner = name("tv.local")  # at 12
    data = HEAD[:6] + b"\0\2" + HEAD[8:] + record(owner, A_TYPE, packed(A))
    data += record(b"\2my\xc0\x0c", PTR, b"\1x\xc0\x0f")
    first, second = read_message(data).answers
    assert (first.name, second.name, second.target) == (("tv", "local"), ("my", "tv", "local"), ("x", "local"))


@pytest.mark.parametrize(
    "data",
    [
        b"", HEAD, HEAD + b"\xc0\x0c", HEAD + b"\xc0\x0d", HEAD + b"\xc0\xff", HEAD + b"\x40x", HEAD + b"\3ab",
        HEAD + record("a.local", A_TYPE, b"abc"), HEAD + record("a.local", PTR, b"\x05abcde\0")[:-3],
        HEAD + record("a.local", PTR, b"\1") + b"a\0",  # a name that goes beyond its record
        HEAD + name("a" * 63 + ("." + "a" * 63) * 3),  # 257 bytes
        HEAD[:6] + struct.pack("!H", MOST_RECORDS + 1) + HEAD[8:],
        # Pointers to pointers, two bytes each, back to the root at 23.
        HEAD[:6] + b"\0\2" + HEAD[8:] + record(b"\0", 99, b"\0\xc0\x17" + b"".join(
            struct.pack("!H", 0xC000 | at) for at in range(24, 124, 2))) + record(b"\xc0\x7c", 99, b""),
    ],
)  # fmt: skip
def test_damaged_messages_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_message(data)
    assert Mdns().read(data, ME) == ()  # type: ignore[arg-type]


def test_a_message_that_keeps_busy_is_given_up() -> None:
    """Names of 127 labels, each read from another byte on: more than MOST_LABELS."""
    body = record(b"\0", 99, b"\1a" * 126 + b"\0")
    at, pointers = 12 + 11, b""
    for number in range(126):
        pointers += record(struct.pack("!H", 0xC000 | at + 2 * number), 99, b"")
    data = struct.pack("!HHHHHH", 0, 0x8400, 0, 127, 0, 0) + body + pointers
    read_message(data)
    assert dns.MOST_LABELS >= 127 * 126 // 2
    many = struct.pack("!HHHHHH", 0, 0x8400, 0, 3 * 127, 0, 0) + body + pointers
    for part in (1, 2):
        shift = len(many) - 12
        many += record(b"\0", 99, b"\1a" * 126 + b"\0")
        at = 12 + shift + 11
        many += b"".join(record(struct.pack("!H", 0xC000 | at + 2 * number), 99, b"") for number in range(126))
        assert part
    with pytest.raises(Malformed, match="too many"):
        read_message(many)


PIECES = [*printer(A), *printer(B), host("tv.local", A), question("x.local"), b"\xc0\x0c", b"\xff", b"\0"]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=8), st.integers(0, 65535), st.binary(max_size=8)
)
def test_any_bytes_are_read_or_refused(pieces: list[bytes], flags: int, counts: bytes) -> None:
    data = struct.pack("!HH", 0, flags) + counts.rjust(8, b"\0") + b"".join(pieces)
    reader = Mdns()
    for sender in (ME, ME6):
        for _ in range(2):
            for clue in reader.read(data, sender):  # type: ignore[arg-type]
                assert clue.value
                assert clue.value.isprintable()
                assert len(clue.value) <= 255
    read_llmnr(data, ME)  # type: ignore[arg-type]
    assert TXT == dns.TXT
