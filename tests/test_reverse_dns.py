"""Names by reverse DNS: asked for slowly, believed only from who was asked, and never made of the address."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leases_kit import Told
from ports import free_port
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import Address, Networks, parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.dns import Malformed
from netwatchd.decoders.reverse_dns import (
    Answer,
    name_servers,
    query,
    question_name,
    read_answer,
    tells_something,
)
from netwatchd.sources import Unavailable
from netwatchd.sources.rdns import MOST_WRONG, Rdns
from netwatchd.worker import Worker

NAS, PHONE = parse_address("192.168.1.5"), parse_address("192.168.1.6")
LOCAL = Networks(["192.168.0.0/16", "fd00::/8", "169.254.0.0/16", "fe80::/10"])
PTR, CNAME = 12, 5
HERE = b"\xc0\x0c"  # a pointer to the question's name


def encoded(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in name.encode().split(b".")) + b"\0"


def record(target: bytes, kind: int = PTR, ttl: int = 300, owner: bytes = HERE) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(target)) + target


def reply(question: bytes, *records: bytes, code: int = 0, flags: int = 0x8180) -> bytes:
    """The answer of a name server, with these records."""
    return question[:2] + struct.pack("!5H", flags | code, 1, len(records), 0, 0) + question[12:] + b"".join(records)


# Questions and answers.


def test_a_question_is_for_the_name_of_the_address() -> None:
    assert query(NAS, 0x1234) == (
        b"\x12\x34\x01\x00\x00\x01" + bytes(6) + encoded("5.1.168.192.in-addr.arpa") + b"\0\x0c\0\x01"
    )
    assert ".".join(question_name(parse_address("fd00::12"))).startswith("2.1.0.0.")
    assert ".".join(question_name(parse_address("fd00::12"))).endswith("0.0.d.f.ip6.arpa")


ASKED = query(NAS, 7)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (reply(ASKED, record(encoded("nas.lan"))), Answer(0, ("nas.lan",), 300)),
        (reply(ASKED, record(encoded("nas.lan")), record(encoded("disk.lan"), ttl=60)),
         Answer(0, ("nas.lan", "disk.lan"), 60)),
        (reply(ASKED.replace(b"in-addr", b"IN-Addr"), record(encoded("NAS"))), Answer(0, ("NAS",), 300)),
        # RFC 2317: the zone is delegated by aliases.
        (reply(ASKED, record(encoded("5.sub.arpa"), CNAME), record(encoded("nas"), owner=encoded("5.SUB.arpa"))),
         Answer(0, ("nas",), 300)),
        (reply(ASKED, record(encoded("nas") [:-1] + b"\xc0\x18")), Answer(0, ("nas.in-addr.arpa",), 300)),
        # What nobody asked for is no answer.
        (reply(ASKED, record(encoded("evil"), owner=encoded("6.1.168.192.in-addr.arpa"))), Answer(0, (), 0)),
        (reply(ASKED, code=3), Answer(3, (), 0)),
        (reply(ASKED, record(encoded("a b"))), Answer(0, (), 300)),
        (reply(ASKED, record(encoded("a\x1bb"))), Answer(0, (), 300)),
        (reply(ASKED, record(b"\0")), Answer(0, (), 300)),
    ],
)  # fmt: skip
def test_what_an_answer_says(data: bytes, expected: Answer) -> None:
    assert read_answer(data, NAS, 7) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (reply(query(NAS, 8), record(encoded("evil"))), "no answer to the question"),
        (reply(query(PHONE, 7), record(encoded("evil"))), "answers another question"),
        (ASKED, "no answer to the question"),
        (reply(ASKED, record(encoded("nas.lan")))[:-3], "goes beyond the end"),
        (reply(ASKED, record(b"\xc0\x37")), "a name goes on where it or a later one begins"),
        (reply(ASKED, record(b"\x80")), "a label of an unknown type"),
        (reply(ASKED, record(b"\x3fab")), "a label goes beyond the end"),
        (reply(ASKED)[:-4] + b"\0\x01\0\x01", "answers another question"),
    ],
)
def test_what_is_no_answer_is_malformed(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_answer(data, NAS, 7)


@given(st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    for each in (data, reply(ASKED) + data, ASKED[:2] + data):
        with contextlib.suppress(Malformed):
            read_answer(each, NAS, 7)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.168.1.5", "192-168-1-5.lan"), ("192.168.1.5", "host-192-168-1-5.lan"), ("192.168.1.5", "5.1.168.192.x"),
        ("192.168.1.5", "dhcp-1-5.lan"), ("192.168.1.5", "c0a80105.lan"), ("192.168.1.5", "ip192168001005.lan"),
        ("192.168.1.5", "unknown"), ("192.168.1.5", "host5.lan"), ("192.168.1.5", "dhcp-105.lan"),
        ("192.168.1.5", "LOCALHOST"),
        ("192.168.1.5", "5.1.168.192.in-addr.arpa"), ("192.168.1.5", "pool"), ("192.168.1.5", ""),
        ("fd00::12ab", "fd00--12ab.lan"), ("fd00::1:2:3:4", "0001000200030004.dyn.lan"),
    ],
)  # fmt: skip
def test_a_name_that_is_made_of_the_address_or_means_nobody_is_none(address: str, name: str) -> None:
    assert not tells_something(name, parse_address(address))


@pytest.mark.parametrize(
    "name", ["nas.lan", "pi4", "fritz.box", "tv-5.lan", "192-168-1-50.lan", "hostel", "ipad", "Pixel-7", "ipad2"]
)
def test_a_name_that_somebody_gave_is_one(name: str) -> None:
    assert tells_something(name, NAS)
    assert tells_something(name, parse_address("fd00::12"))


def test_name_servers_are_those_that_the_resolver_takes() -> None:
    text = "# nameserver 10.0.0.9\nnameserver 192.168.1.1\nnameserver\tfe80::1%eth0\nsearch lan\nnameserver ::1\n"
    text += "nameserver 8.8.8.8\n"
    assert name_servers(text) == ["192.168.1.1", "fe80::1%eth0", "::1"]


# The source.


class Server:
    """A name server on the loopback."""

    def __init__(self, names: dict[Address, str]) -> None:
        self.names = names
        self.silent = False
        self.guesses = 0
        self.asked: list[bytes] = []
        self.ports: set[int] = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (received := self.socket.recvfrom(1000))[0]:
            question, peer = received
            self.asked.append(question)
            self.ports.add(peer[1])
            for _ in range(self.guesses):
                self.socket.sendto(reply(b"xx" + question[2:], record(encoded("guessed"))), peer)
            if self.silent:
                continue
            self.socket.sendto(b"what", peer)
            self.socket.sendto(reply(b"xx" + question[2:], record(encoded("guessed"))), peer)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(reply(question, record(encoded("forged"))), peer)
            names = [name for address, name in self.names.items() if query(address, 0)[2:] == question[2:]]
            self.socket.sendto(
                reply(question, *(record(encoded(name)) for name in names), code=0 if names else 3), peer
            )

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self.socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server({NAS: "nas.lan"})
    yield made
    made.close()


@contextlib.contextmanager
def asking(
    server: Server, addresses: Callable[[], list[Address]], **settings: float
) -> Iterator[tuple[Told, Counters, Worker]]:
    told, counters = Told(), Counters()
    section = config.Rdns(enabled="yes", servers=("127.0.0.1",), **({"interval": 0.001} | settings))  # type: ignore[arg-type]
    source = Rdns(section, LOCAL, addresses, told, counters, port=server.port)
    source.open()
    died = threading.Event()
    worker = Worker("source:rdns", source.run, lambda _: died.set())
    worker.start()
    try:
        yield told, counters, worker
        assert not died.is_set()
    finally:
        assert worker.stop(1.0), "it stops within a second"


def test_names_of_local_devices_are_told_and_forged_answers_are_not(server: Server) -> None:
    here = [NAS, PHONE, parse_address("8.8.8.8"), parse_address("2001:db8::1"), parse_address("224.0.0.1")]
    here += [parse_address("169.254.0.9"), parse_address("fe80::9")]
    with asking(server, lambda: here) as (told, counters, _):
        eventually(lambda: len(server.asked) == 2)
        (sighting,) = eventually(lambda: told.told)
        eventually(lambda: counters["malformed.rdns"] >= 3)
    assert (sighting.ips, sighting.clues, sighting.alive, sighting.mac) == (
        (NAS,),
        (("dns_name", "nas.lan"),),
        False,
        None,
    )
    assert len(server.asked) == 2, "each address is asked for once"
    assert {question[2:] for question in server.asked} == {query(NAS, 0)[2:], query(PHONE, 0)[2:]}
    assert len(server.ports) == 2


def test_an_answer_is_believed_for_its_time_only(server: Server) -> None:
    server.names.clear()
    with asking(server, lambda: [NAS], refresh=0.01) as (told, _, _):
        eventually(lambda: len(server.asked) >= 3)
        server.names[NAS] = "nas.lan"
        eventually(lambda: told.told)


def test_a_server_that_is_silent_delays_no_stop(server: Server) -> None:
    server.silent = True
    with asking(server, lambda: [NAS]):
        eventually(lambda: server.asked)


def test_a_question_is_given_up_where_somebody_guesses_its_number(server: Server) -> None:
    server.silent, server.guesses = True, 20 * MOST_WRONG
    with asking(server, lambda: [NAS]) as (told, counters, _):
        eventually(lambda: counters["unanswered.rdns"])
        assert counters["malformed.rdns"] == MOST_WRONG
        assert told.told == []


def test_a_server_that_is_not_there_is_counted(server: Server) -> None:
    with asking(server, lambda: [NAS]) as (_, counters, _):
        eventually(lambda: server.asked)
    server_port, server.port = server.port, free_port(socket.SOCK_DGRAM)
    with asking(server, lambda: [NAS]) as (told, counters, _):
        eventually(lambda: counters["unanswered.rdns"])
        assert told.told == []
    server.port = server_port


def test_without_a_name_server_it_is_off(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    source = Rdns(config.Rdns(), LOCAL, list, Told(), Counters(), resolv_conf=path)
    for text in (None, "search lan\n"):
        if text:
            path.write_text(text)
        with pytest.raises(Unavailable, match="no name server"):
            source.open()
    path.write_text("nameserver 127.0.0.1\n")
    source.open()
