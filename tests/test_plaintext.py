"""Protocols that send passwords as plain text are told of once, and only where one was really spoken."""

import pytest
from detector_kit import AT, LAPTOP, NAS, flow, panel, shown, told, unanswered

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


@pytest.mark.parametrize("port", [21, 23, 110, 143, 512, 513, 514, 1883, 2323])
def test_each_of_these_protocols_is_told_with_what_is_better(port: int) -> None:
    (threat,) = shown(panel(), [flow(dport=port)])
    assert told([threat]) == [("plaintext", LAPTOP, f"198.51.100.10:{port}")]
    assert threat.recommendation  # type: ignore[union-attr]


def test_what_may_begin_tls_is_said_so_and_a_server_here_has_a_name() -> None:
    (threat,) = shown(panel(), [flow(dport=143, dst=AT[NAS])])
    assert threat.description == (  # type: ignore[union-attr]
        "laptop, 192.168.1.20 speaks IMAP with nas (nas), 192.168.1.10, port 143, which sends passwords as plain text, "
        "unless it begins TLS (STARTTLS)"
    )


def test_mqtt_within_the_house_is_usual() -> None:
    assert not shown(panel(), [flow(dport=1883, dst=AT[NAS])])


def test_few_packets_with_many_bytes_are_a_session() -> None:
    assert shown(panel(), [flow(dport=21, out=(3, 900), back=(3, 2000))])


def test_other_ports_say_too_little() -> None:
    ports = (25, 80, 161, 389, 587, 993, 995, 3306, 5060, 5900, 8080, 8883)
    assert not shown(panel(), [flow(port, dport=port) for port in ports])


def test_it_can_be_switched_off_and_set() -> None:
    assert not shown(panel(plaintext=config.Plaintext(enabled=False)), [flow(dport=23)])
    watching = panel(plaintext=config.Plaintext(again=age("1 h")))
    assert len(shown(watching, [flow(number, dport=23, at=number * 1800) for number in range(5)])) == 3


def test_who_looks_whether_a_service_is_there_sends_no_password() -> None:
    looked = flow(dport=21, out=(5, 268), back=(3, 200))
    assert not shown(panel(), [looked, looked._replace(id=2, packets_out=6, bytes_out=320)])
    assert shown(panel(), [looked._replace(packets_out=6, bytes_out=340)])
