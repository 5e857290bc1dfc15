"""Whoever wants to hide from detectors, fill them, or keep alerts from being sent, does not succeed by cheap means."""

import gzip
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from alerts_kit import message
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, flow, kinds, panel, shown, told, unanswered
from ingest_kit import T0, Recorder, devices_of
from lists_kit import OWN, Keeper, section, server
from spoof_kit import KALI
from spoof_kit import Scene as Spoofed
from store_kit import threat
from waiting import eventually

from netwatchd.addresses import parse_address
from netwatchd.alerts import Postponed
from netwatchd.alerts.attempt import Attempt
from netwatchd.alerts.email import Email
from netwatchd.blocklists.fetching import Failed, Limits, fetch
from netwatchd.blocklists.taking import HEAD, head_of, lines_of
from netwatchd.blocklists.updates import Updates
from netwatchd.clock import Now
from netwatchd.config import AlertEmail
from netwatchd.decoders.lists import LARGEST_DOCUMENT
from netwatchd.detectors.servers import MOST_NAMED
from netwatchd.events import Flow, Threat
from netwatchd.ingest.detection import Detection
from netwatchd.ingest.threats import Threats
from netwatchd.observations import AddressAsked, DhcpMessage, DnsMessage
from netwatchd.worker import Worker

DAY, YEAR = 86_400.0, 365 * 86_400.0


# Memory.


def test_of_one_of_many_that_try_passwords_only_the_latest_dialogues_are_kept() -> None:
    watching = panel()

    def tries(source: str, number: int, at: float) -> Flow:
        return flow(
            number, at=at, seconds=2, src=source, dst=AT[NAS], dport=22, out=(15, 2300), back=(14, 3000),
        )  # fmt: skip

    for number in range(30):
        shown(watching, [tries(f"198.51.100.{number % 6}", number, number)])
    for number in range(30, 1000):
        shown(watching, [tries("198.51.100.1", number, number)])
    pairs = watching.detectors["brute_force"]._pairs
    assert max(len(pairs.get(pair).talks) for pair in pairs) <= 50


def test_a_dhcp_server_that_names_another_gateway_each_time_fills_neither_memory_nor_the_threat() -> None:
    watching = panel(Street(device(ROUTER, AT[ROUTER], kind="router")))
    found = []
    for number in range(2000):
        for mac, ip in ((ROUTER, 1), (KALI, number + 2)):
            at = parse_address(f"10.0.{ip >> 8}.{ip & 255}")
            found += watching.observe(
                [
                    DhcpMessage(
                        NOON + number * 1000, "dhcp", 2, mac, LAPTOP, parse_address("192.168.1.50"),
                        parse_address(AT[ROUTER] if mac == ROUTER else "192.168.1.66"), at, False, (at,), (at,), "lan",
                    )
                ]
            )  # fmt: skip
    rogue = [each for each in found if isinstance(each, Threat) and each.kind == "rogue_dhcp"]
    assert rogue
    assert all(len(each.evidence["gateways"]) <= MOST_NAMED for each in rogue)
    assert all(len(each.evidence["dns"]) <= MOST_NAMED for each in rogue)


def test_a_list_without_lines_fills_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"a" * (LARGEST_DOCUMENT * 2 + 10))
    assert [len(line) for line in lines_of(file)] == [LARGEST_DOCUMENT + 1, LARGEST_DOCUMENT + 1, 8]
    assert head_of(file) == []
    file.write_bytes((b"b" * (LARGEST_DOCUMENT // 4) + b"\n") * 6)
    assert len(head_of(file)) == 3
    file.write_bytes(b"192.0.2.1\n" * (HEAD + 5))
    assert len(head_of(file)) == HEAD


def test_what_unpacks_to_nothing_without_end_is_too_large_all_the_same(tmp_path: Path) -> None:
    with server(body=gzip.compress(b"") * 10_000) as served, pytest.raises(Failed, match="larger than max_size"):
        fetch(served.url, tmp_path / "list", Limits(100_000))


def test_a_request_that_hangs_is_not_joined_by_others(tmp_path: Path) -> None:
    stall = threading.Event()
    with server(stall=stall) as served:
        keeper = Keeper(tmp_path, section(""))
        updates = Updates(section(f"bad={served.url}"), OWN, tmp_path, keeper.lists, keeper.counters)
        worker = Worker("blocklists", updates.run, lambda worker: None)
        worker.start()
        eventually(lambda: served.asked)
        assert worker.stop(5)
        updates._worker = None
        updates.expire()
        updates.look()
        assert updates.state()[0]["error"] == "the request before this one still hangs"
        assert len(served.asked) == 1
        stall.set()
        eventually(lambda: not any(each.name == "blocklists:bad" for each in threading.enumerate()))
        updates.expire()
        updates.look()
        assert keeper.lists.listed(parse_address("198.51.100.7"))


# Hiding.


def test_made_up_macs_that_claim_the_gateway_first_do_not_hide_who_claims_it_next() -> None:
    scene = Spoofed()
    scene.machine.gateways = {parse_address(AT[ROUTER])}
    scene.shows(0, ROUTER, AT[ROUTER])
    for number in range(50):
        scene.shows(number + 0.2, f"02:00:00:00:00:{number:02x}", AT[ROUTER])
        scene.shows(number + 0.4, ROUTER, AT[ROUTER])
    assert not scene.threats
    for number in range(10):
        scene.shows(60 + number, KALI, "192.168.1.66")
        scene.shows(60 + number + 0.2, KALI, AT[ROUTER])
        scene.shows(60 + number + 0.4, ROUTER, AT[ROUTER])
    assert scene.told == {("arp_spoof", KALI, AT[ROUTER])}


def scan(at: float, count: int) -> list[Flow]:
    """Ports of the NAS that refuse."""
    return [
        unanswered(number, at=at + number * 0.05, dst=AT[NAS], dport=number + 1, back=(1, 40), state="rejected")
        for number in range(count)
    ]


def sweep(at: float, count: int) -> list[Flow]:
    """Hosts that are silent."""
    return [
        unanswered(number, at=at + number * 0.05, dst=f"192.168.1.{100 + number}", dport=445) for number in range(count)
    ]


def logins(at: float, count: int) -> list[Flow]:
    """Refused logins."""
    return [
        flow(number, at=at + number, seconds=2, dst=AT[NAS], dport=22, out=(15, 2300), back=(14, 3000))
        for number in range(count)
    ]


def upload(at: float, count: int) -> list[Flow]:
    """Megabytes for the world."""
    return [flow(number, at=at + number * 60, out=(2000, 250_000_000)) for number in range(count)]


ATTACKS: dict[str, tuple[Callable[[float, int], list[Flow]], int, int]] = {
    "port_scan": (scan, 3, 40),
    "host_sweep": (sweep, 3, 60),
    "brute_force": (logins, 2, 40),
    "upload": (upload, 1, 60),
}


@pytest.mark.parametrize("kind", ATTACKS)
@pytest.mark.parametrize("ahead", [600.0, DAY, 5 * YEAR])
def test_a_clock_that_was_set_back_blinds_no_detector(kind: str, ahead: float) -> None:
    make, few, many = ATTACKS[kind]
    recorder = Recorder()
    devices = devices_of(recorder)
    long_ago = NOON - int(30 * DAY * 1000)
    home = Street(device(LAPTOP, AT[LAPTOP], kind="camera", first_seen=long_ago), device(NAS, AT[NAS], kind="nas"))
    watching = panel(home)
    detection = Detection(watching, Threats(devices, recorder, recorder))

    def now(wall: float, steady: float) -> Now:
        return Now(NOON + int(wall * 1000), steady)

    watching.recall({"upload": f'{{"time": {NOON}, "since": {long_ago}, "devices": {{}}}}'})
    for wall, steady in ((ahead, 1000.0), (ahead + 60, 1060.0)):
        watching.tick(now(wall, steady).wall)
        detection.notice(now(wall, steady))
        shown(watching, make(wall, few), home)
    detection.notice(now(0, 1061.0))
    assert kind in kinds(shown(watching, make(1, many), home))


def test_a_clock_that_is_put_forward_or_slewed_makes_no_detector_forget() -> None:
    watching = panel()
    recorder = Recorder()
    detection = Detection(watching, Threats(devices_of(recorder), recorder, recorder))
    before = dict(watching.detectors)
    for wall, steady in ((0, 0), (DAY, 1), (DAY - 30, 2), (DAY + 3600, 3600)):
        detection.notice(Now(NOON + int(wall * 1000), steady))
    assert watching.detectors == before


def test_ports_of_scanners_that_look_harmless_are_scans_too() -> None:
    for sport in (53, 80, 443, 20):
        flows = [each._replace(src_port=sport) for each in scan(0, 40)]
        assert ("port_scan", LAPTOP, AT[NAS]) in told(shown(panel(), flows))


def test_who_stays_just_below_what_a_minute_allows_is_found_all_the_same() -> None:
    ports = [each._replace(start=NOON + at * 21_500, end=NOON + at * 21_500) for at, each in enumerate(scan(0, 250))]
    assert ("port_scan", LAPTOP, AT[NAS]) in told(shown(panel(), ports))
    hosts = [each._replace(start=NOON + at * 7_500, end=NOON + at * 7_500) for at, each in enumerate(sweep(0, 60))]
    assert ("host_sweep", LAPTOP, "lan:445") in told(shown(panel(), hosts))
    watching = panel()
    asked = [
        AddressAsked(NOON + at * 1_200, "capture", LAPTOP, parse_address(AT[LAPTOP]), parse_address(f"192.168.1.{at}"))
        for at in range(1, 255)
    ]
    assert ("host_sweep", LAPTOP, "192.168.1.0/24") in told(watching.observe(asked))


def test_a_dozen_hosts_that_are_off_are_no_sweep_however_often_they_are_tried() -> None:
    hosts = [
        each._replace(start=NOON + (at + turn * 12) * 10_000, end=NOON + (at + turn * 12) * 10_000)
        for turn in range(5)
        for at, each in enumerate(sweep(0, 12))
    ]
    assert not shown(panel(), hosts)


# What a name carries beside what looks like an address, a service, or a name with a search domain behind it.
DISGUISES = {
    "an address": "1.2.3.4.{}",
    "numbers": "{0}.{1}.{2}.{3}.{4}.{5}.{6}.{7}.{8}.{9}.{10}.{11}.{12}.{13}",
    "a service": "_{}",
    "a name": "x.com.{}",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_tunnel_is_found_whatever_its_names_look_like(disguise: str) -> None:
    chance = Random(1)

    def name() -> str:
        if disguise == "numbers":
            return DISGUISES[disguise].format(*(chance.randrange(256) for _ in range(14)))
        return DISGUISES[disguise].format("".join(chance.choices("abcdefghijklmnopqrstuvwxyz234567", k=50)))

    asked = [
        DnsMessage(
            NOON + number * 200, "capture", parse_address(AT[LAPTOP]), parse_address(AT[ROUTER]),
            f"{name()}.evil.example", 16, False, 0, 100, number,
        )
        for number in range(1500)
    ]  # fmt: skip
    assert ("dns_tunnel", LAPTOP, "evil.example") in told(panel().observe(asked))


# Alerts.


def test_what_is_stored_has_had_its_alert_before() -> None:
    recorder = Recorder()
    stored: list[int] = []
    threats = Threats(devices_of(recorder), recorder, recorder, alert=lambda _: stored.append(len(recorder.threats)))
    threats.see([threat(0, first_seen=T0.wall, last_seen=T0.wall)], T0)
    assert (stored, len(recorder.threats)) == ([0], 1)


@contextmanager
def dripping(text: bytes) -> Iterator[int]:
    """A server that greets with this again and again, and never comes to an end."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError), closing(listening.accept()[0]) as peer:
            for at in itertools.cycle(range(len(text))):
                peer.sendall(text[at : at + 1])
                if over.wait(0.01):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        thread.join(5)


@pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 5000, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_server_of_lists_that_never_comes_to_the_list_is_cut_off(tmp_path: Path, text: bytes) -> None:
    with dripping(text) as port, pytest.raises(Failed):
        fetch(f"http://127.0.0.1:{port}/list", tmp_path / "list", Limits(100_000, seconds=0.3))


def test_a_mail_server_that_greets_for_ever_is_cut_off() -> None:
    with dripping(b"220-wait\r\n") as port:
        settings = AlertEmail(
            host="127.0.0.1", port=port, security="none", sender="pi@home.example", to=("me@x.example",)
        )
        ended = threading.Event()
        attempt = Attempt(Email(settings), message(), ended.set)
        assert not ended.wait(0.3)
        attempt.cut()
        assert ended.wait(5)
        assert isinstance(attempt.failure, Postponed)
