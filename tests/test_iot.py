"""A camera that opens telnet or looks around is told of; what cameras do all day is not."""

from collections.abc import Iterable
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, Street, device, flow, panel, shown, unanswered

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.panel import Panel
from netwatchd.events import Flow, Threat
from netwatchd.observations import AddressAsked

THING = "b0:c5:54:00:00:07"
IP = "192.168.1.50"


def street(kind: str = "camera") -> Street:
    return Street(
        device(THING, IP, kind=kind, hostname="cam"), device(LAPTOP, AT[LAPTOP]), device(NAS, AT[NAS], kind="nas")
    )


def alarms(found: Iterable[Finding]) -> list[Threat]:
    return [each for each in found if isinstance(each, Threat) and each.kind == "iot"]


def seen(flows: Iterable[Flow], kind: str = "camera", watching: Panel | None = None, **sections: Any) -> list[Threat]:
    home = street(kind)
    return alarms(shown(watching or panel(home, **sections), flows, home))


@pytest.mark.parametrize("kind", ["camera", "plug", "light", "tv", "printer", "speaker", "thermostat", "iot", "hub"])
@pytest.mark.parametrize("port", [23, 2323])
def test_telnet_to_the_world_is_told_at_once(kind: str, port: int) -> None:
    (found,) = seen([unanswered(src=IP, dport=port)], kind)
    assert (found.device, found.target, found.severity) == (THING, f"world:{port}", "high")
    assert found.description.startswith("cam (") and "telnet" in found.description and kind in found.description
    assert "disconnect it" in (found.recommendation or "")


@pytest.mark.parametrize("port", [22, 445, 5555, 7547, 37_215])
@pytest.mark.parametrize(("network", "place"), [("198.51.100.{}", "world"), ("192.168.1.{}", "lan")])
@pytest.mark.parametrize("answered", [False, True])
def test_remote_control_of_several_hosts_is_told(port: int, network: str, place: str, answered: bool) -> None:
    made = flow if answered else unanswered
    flows = [made(n, src=IP, dst=network.format(100 + n), dport=port, at=n * 60) for n in range(4)]
    found = seen(flows)
    assert {each.target for each in found} == {f"{place}:{port}"}
    assert [each.evidence["hosts_tried"] for each in found] == [3, 4]


def test_as_mirai_does_it_is_critical_and_one_row_a_port() -> None:
    flows = [unanswered(n, src=IP, dst=f"{n % 200 + 1}.7.7.7", dport=23 if n % 10 else 2323, at=n / 50)
             for n in range(2000)]  # fmt: skip
    found = seen(flows)
    assert {each.target for each in found} == {"world:23", "world:2323"} and len(found) < 40
    assert max(each.severity == "critical" for each in found)


def test_services_tried_in_vain_are_fewer_than_of_others() -> None:
    flows = [unanswered(n, src=IP, dst=AT[NAS], dport=20 + n, at=n) for n in range(9)]
    (found,) = seen(flows)
    assert found.target == "lan" and found.evidence["services_tried"] == 8


def test_addresses_asked_for_by_arp_are_fewer_than_of_others() -> None:
    home = street()
    asked = [AddressAsked(NOON + n * 100, "capture", THING, parse_address(IP), parse_address(f"192.168.1.{100 + n}"))
             for n in range(20)]  # fmt: skip
    (found,) = alarms(panel(home).observe(asked))
    assert found.target == "lan" and found.evidence["addresses_tried"] == 16


USUAL: dict[str, list[Flow]] = {
    "its cloud": [flow(n, src=IP, dport=(443, 8883, 80, 123)[n % 4], at=n) for n in range(200)],
    "its cloud is down": [unanswered(n, src=IP, dst=f"198.51.100.{n % 9}", dport=(443, 8883)[n % 2], at=n)
                          for n in range(600)],
    "one support tunnel": [flow(n, src=IP, dport=22, at=n * 600) for n in range(50)],
    "a file server or two": [flow(n, src=IP, dst=(AT[NAS], AT[LAPTOP])[n % 2], dport=445, at=n) for n in range(200)],
    "an amplifier": [flow(n, src=IP, dst="192.168.1.60", dport=23, at=n) for n in range(50)],
    "whoever asks it": [flow(n, src=AT[LAPTOP], dst=IP, dport=23, at=n) for n in range(50)],
    "scanned itself": [unanswered(n, src="203.0.113.9", dst=IP, dport=n + 1, at=n / 10) for n in range(100)],
    "joined in the middle": [unanswered(n, src=IP, dport=23, state="partial", at=n) for n in range(9)],
    "backscatter": [unanswered(n, src=IP, dst=f"198.51.100.{n}", dport=23, state="reset", at=n) for n in range(9)],
}  # fmt: skip


@pytest.mark.parametrize("name", USUAL)
def test_what_such_devices_do_all_day_is_not_told(name: str) -> None:
    assert not seen(USUAL[name])


def test_a_hub_may_control_what_is_here() -> None:
    assert not seen([flow(n, src=IP, dst=f"192.168.1.{100 + n}", dport=5555, at=n) for n in range(9)], "hub")


@pytest.mark.parametrize("kind", ["computer", "nas", "router", "phone", "server", "unknown"])
def test_others_may_use_what_they_like(kind: str) -> None:
    assert not seen([unanswered(n, src=IP, dst=f"198.51.100.{n}", dport=23, at=n) for n in range(9)], kind)


def test_it_can_be_switched_off() -> None:
    assert not seen([unanswered(src=IP, dport=23)], iot=config.Iot(enabled=False))


def test_a_hub_whose_devices_are_all_away_looks_for_them_in_vain() -> None:
    """The Wi-Fi is off: it is no malware."""
    hub = "00:17:88:01:02:03"
    home = Street(device(hub, "192.168.1.30", kind="hub"))
    tried = [unanswered(n, src="192.168.1.30", dst=f"192.168.1.{40 + n}", dport=8080, at=n) for n in range(30)]
    assert not [each for each in shown(panel(home), tried, home) if each.kind == "iot"]
