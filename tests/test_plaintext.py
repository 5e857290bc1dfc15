"""Protocols that send passwords as plain text are told of once, and only where one was really spoken."""

from detector_kit import LAPTOP, flow, panel, shown, told, unanswered

from netwatchd import config
from netwatchd.values import age


def test_a_telnet_session_is_told_with_who_and_with_whom() -> None:
    found = shown(panel(), [flow(dport=23)])
    assert told(found) == [("plaintext", LAPTOP, "198.51.100.10:23")]
    assert "speaks telnet with 198.51.100.10:23" in found[0].description  # type: ignore[union-attr]


def test_it_is_told_again_only_after_a_week() -> None:
    watching = panel()
    assert len(shown(watching, [flow(number, dport=21, at=number * 3600) for number in range(24)])) == 1
    assert len(shown(watching, [flow(99, dport=21, at=8 * 86_400)])) == 1


def test_a_knock_is_no_session() -> None:
    knocks = [unanswered(dport=23), flow(1, dport=23, out=(3, 140), back=(1, 40), state="closed")]
    assert not shown(panel(), knocks)


def test_other_protocols_on_these_ports_are_none() -> None:
    assert not shown(panel(), [flow(dport=23, protocol="udp"), flow(1, dport=22), flow(2, dport=443)])


def test_it_can_be_switched_off_and_set() -> None:
    assert not shown(panel(plaintext=config.Plaintext(enabled=False)), [flow(dport=23)])
    watching = panel(plaintext=config.Plaintext(again=age("1 h")))
    assert len(shown(watching, [flow(number, dport=23, at=number * 1800) for number in range(5)])) == 3
