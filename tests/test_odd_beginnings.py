"""A packet with which no TCP begins a conversation is told as the scan that it is, and nothing else is."""

import pytest
from packet_kit import ACK, FIN, PSH, RST, SYN, URG, ethernet, ip4, tcp
from test_flowtable import Watched

from netwatchd.decoders.netflow.states import BY_FLAGS, of_both


@pytest.mark.parametrize(
    ("first", "state"),
    [
        (FIN, "fin"), (0, "null"), (FIN | PSH | URG, "xmas"), (FIN | URG, "xmas"), (FIN | PSH, "xmas"),
        (ACK, "partial"), (FIN | ACK, "partial"), (PSH | ACK, "partial"), (SYN | FIN, "attempt"), (RST, "reset"),
        (PSH, "partial"), (URG, "partial"), (0xC0, "null"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("refused", [False, True])
def test_a_beginning_as_no_tcp_has_it_is_told_as_what_it_is(first: int, state: str, refused: bool) -> None:
    seen = Watched(interval=10_000)
    seen.tcp(first)
    (live,) = seen.table.due(seen.time)
    assert live.state == ("active" if state in ("partial", "reset") else "new")
    if refused and state in ("fin", "null", "xmas"):
        seen.answer(RST | ACK)
    assert seen.only().state == state


def test_flags_that_were_cut_off_are_not_taken_for_none() -> None:
    seen = Watched()
    packet = ip4(tcp(flags=SYN), protocol=6)
    seen.time += 1
    frame = ethernet(packet)
    seen.table.see(seen.time, 1, frame[: 14 + 20 + 8], len(frame))
    assert seen.only().state == "partial"


def test_a_connection_after_a_scan_of_its_ports_is_one_of_its_own() -> None:
    seen = Watched()
    seen.tcp(FIN)
    seen.tcp(SYN, seq=9)
    seen.answer(SYN | ACK)
    assert [flow.state for flow in seen.table.finish()] == ["fin", "unfinished"]


@pytest.mark.parametrize(
    ("flags", "word"), [(FIN, "fin"), (FIN | PSH | URG, "xmas"), (0, "closed"), (FIN | ACK, "closed"), (SYN, "syn")]
)
def test_exporters_tell_by_flags(flags: int, word: str) -> None:
    assert BY_FLAGS[flags] == word


@pytest.mark.parametrize("word", ["fin", "xmas"])
def test_the_refusal_of_such_a_packet_says_less_than_the_packet(word: str) -> None:
    assert of_both(word, "reset") == of_both("reset", word) == word
