"""What is asked of DNS, and what is answered, is read from packets by UDP and TCP; damaged ones give nothing."""

import struct

import pytest
from announce_kit import A_TYPE, Seen, message, question, record
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_kit import ACK, MAC_A, SYN, A, C, ethernet, ip4, ip6, packed, tcp, udp

from netwatchd.addresses import parse_address
from netwatchd.decoders.questions import MOST_IN_A_SEGMENT, MOST_RECORDS, name_of
from netwatchd.observations import DnsMessage

ME, SERVER = parse_address(A), parse_address(C)
ONE = struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0)  # the header of a query
ASKS = message(questions=(question("WWW.Example.com", A_TYPE),), flags=0x100)


def host(name: str, address: str) -> bytes:
    """An A record."""
    return record(name, A_TYPE, packed(address), 120, 1)


def answer(name: str, *records: bytes, flags: int = 0x8180) -> bytes:
    """An answer to a question for the address of the name."""
    return message(*records, questions=(question(name, A_TYPE),), flags=flags)


def seen(*payloads: bytes, answered: bool = False) -> list[DnsMessage]:
    """What datagrams between a client and port 53 show."""
    seen = Seen()
    for payload in payloads:
        datagram = udp(53, 40000, payload) if answered else udp(40000, 53, payload)
        ends = (C, A) if answered else (A, C)
        seen.see(ethernet(ip4(datagram, *ends), MAC_A))
    return messages(seen)


def by_tcp(*segments: bytes) -> list[DnsMessage]:
    """What the segments of one connection to port 53 show."""
    seen = Seen()
    seen.see(*[ethernet(ip4(tcp(40000, 53, ACK, segment), A, C, 6), MAC_A) for segment in segments])
    return messages(seen)


def messages(seen: Seen) -> list[DnsMessage]:
    """Those of the observations that are of DNS."""
    return [each for each in seen.table.observations() if isinstance(each, DnsMessage)]


def counted(data: bytes) -> bytes:
    """A message with its length before it, as TCP has it."""
    return struct.pack("!H", len(data)) + data


def test_a_query_says_who_asks_whom_for_what() -> None:
    (asked,) = seen(ASKS)
    assert (asked.client, asked.server, asked.name, asked.kind) == (ME, SERVER, "www.example.com", 1)
    assert (asked.answer, asked.code, asked.size, asked.source) == (False, 0, len(ASKS), "capture")


def test_each_query_of_one_socket_is_read() -> None:
    names = [f"x{number}.example.com" for number in range(5)]
    asked = seen(*[message(questions=(question(name, A_TYPE),), flags=0x100) for name in names])
    assert [each.name for each in asked] == names


def test_an_answer_says_what_was_found_for_whom() -> None:
    found = answer("www.example.com", host("www.example.com", "198.51.100.7"), host("x.example.com", "198.51.100.8"))
    (told,) = seen(found, answered=True)
    assert (told.client, told.server, told.name, told.answer) == (ME, SERVER, "www.example.com", True)
    assert told.addresses == tuple(map(parse_address, ("198.51.100.7", "198.51.100.8")))
    (none,) = seen(answer("no.example.com", flags=0x8183), answered=True)
    assert (none.code, none.addresses) == (3, ())


def test_many_addresses_are_read_up_to_a_limit_and_a_cut_answer_as_far_as_it_goes() -> None:
    many = answer("a.example", *[host("a.example", f"198.51.100.{number}") for number in range(MOST_RECORDS + 9)])
    assert len(seen(many, answered=True)[0].addresses) == MOST_RECORDS
    assert len(seen(many[:80], answered=True)[0].addresses) < 5


def test_by_tcp_each_whole_message_of_a_segment_is_read() -> None:
    assert [each.name for each in by_tcp(counted(ASKS) * 3)] == ["www.example.com"] * 3
    assert len(by_tcp(counted(ASKS) * 40)) == MOST_IN_A_SEGMENT
    assert len(by_tcp(b"", counted(ASKS), b"\0" * 30, counted(ASKS))) == 2
    assert not by_tcp(counted(ASKS)[:-3])
    assert not by_tcp(counted(ASKS)[1:])


def test_who_answers_by_tcp_is_still_known_to_have_a_server() -> None:
    seen = Seen()
    seen.see(ethernet(ip4(tcp(53, 40000, SYN | ACK), A, C, 6), MAC_A))
    seen.see(ethernet(ip4(tcp(53, 40000, ACK, counted(answer("x.example.com"))), A, C, 6), MAC_A))
    assert seen.told(after=5000) == {MAC_A.hex(":"): [("port", "tcp/53")]}
    assert [each.name for each in messages(seen)] == ["x.example.com"]


def test_ipv6_too() -> None:
    seen = Seen()
    seen.see(ethernet(ip6(udp(40000, 53, ASKS)), MAC_A))
    assert [each.name for each in messages(seen)] == ["www.example.com"]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 12, ASKS[:-2], message(questions=(question("x.com", 1),), flags=0x2800),
        message(questions=(question("x.com", 1),) * 2, flags=0x100), message(flags=0x8180),
        ONE + b"\5abc", ONE + b"\xc0\x0c\0\1\0\1",
        ONE + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
    ],
)  # fmt: skip
def test_what_is_no_plain_query_gives_nothing(data: bytes) -> None:
    assert seen(data) == []


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([b"WWW", b"Example"], "www.example"), ([], ""), ([b"a.b", b"c"], r"a\046b.c"), ([b"a\\b"], r"a\092b"),
        ([b"\xe4\0 x"], r"\228\000\032x"), ([b"_dns-sd", b"_udp"], "_dns-sd._udp"),
    ],
)  # fmt: skip
def test_a_name_is_text_that_means_one_thing(labels: list[bytes], text: str) -> None:
    assert name_of(labels) == text


@settings(max_examples=200)
@given(st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=4))
def test_any_labels_have_a_name_of_their_own_length(labels: list[bytes]) -> None:
    name = name_of(labels)
    assert name.isascii()
    assert name.isprintable()
    assert len(name) - 3 * name.count("\\") == len(b".".join(labels))


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 65535), st.booleans())
def test_any_bytes_are_read_or_give_nothing(data: bytes, flags: int, answered: bool) -> None:
    head = struct.pack("!HHHHHH", 7, flags, 1, 3, 0, 0)
    for each in (data, head + data, head + b"\3abc\0\0\1\0\1" + data, ASKS[: len(data)] + data):
        for told in seen(each, answered=answered) + by_tcp(each) + by_tcp(counted(each)):
            assert len(told.name) <= 4 * 255
