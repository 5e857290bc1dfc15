"""What no minute shows, hours do; and hours of ordinary failures show nothing."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st
from test_host_sweep import asked, pinged, sweeps
from test_port_scan import fresh, scans

from netwatchd import config
from netwatchd.detectors.panel import Panel

ATTACKER = "203.0.113.9"
MINUTES = 60.0


def test_a_port_every_five_minutes_is_a_scan() -> None:
    tried = [unanswered(n, dst=AT[NAS], dport=20 + n, at=n * 5 * MINUTES) for n in range(40)]
    found = scans(shown(panel(), tried))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, AT[NAS])}
    assert found[0].evidence["slow"] and found[0].evidence["ports_tried"] == 15
    assert "in 70 min" in found[0].description


@pytest.mark.parametrize(
    ("fields", "device", "target"),
    [
        ({"dst": "198.51.{}.7", "dport": 23}, LAPTOP, "world:23"),
        ({"dst": "192.168.1.{}", "dport": 22}, LAPTOP, "lan:22"),
        ({"dst": "192.168.1.{}", "dport": 80, "src": ATTACKER}, ATTACKER, "lan:*"),
        ({"dst": "192.168.1.{}", "dport": 0, "sport": 8, "protocol": "icmp"}, LAPTOP, "192.168.1.0/24"),
    ],
)
def test_a_host_every_ten_minutes_is_a_sweep(fields: dict[str, Any], device: str, target: str) -> None:
    tried = [unanswered(n, at=n * 10 * MINUTES, **fields | {"dst": fields["dst"].format(30 + n)}) for n in range(30)]
    found = sweeps(shown(panel(), tried))
    assert {(each.device, each.target) for each in found} == {(device, target)}
    assert found[0].evidence["slow"]


def test_an_address_every_other_minute_asked_for_by_arp_is_a_sweep() -> None:
    found = sweeps(panel().observe([asked(n, at=n * 2 * MINUTES) for n in range(80)]))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, "192.168.1.0/24")}
    assert not sweeps(panel().observe([asked(n, ROUTER, at=n * 2 * MINUTES) for n in range(80)]))


def test_what_is_quick_is_not_slow() -> None:
    quick = panel(port_scan=config.PortScan(enabled=False))
    assert not scans(shown(quick, (unanswered(n, dst=AT[NAS], dport=n + 1, at=n / 10) for n in range(900))))


def test_a_scan_is_not_hidden_behind_tries_that_mean_nothing() -> None:
    # Some hundred a minute to what is dead, and between them a new service every other minute.
    noise = [unanswered(n, dst=AT[ROUTER], dport=25, at=n * 0.5) for n in range(15_000)]
    slow = [unanswered(20_000 + n, dst=AT[NAS], dport=20 + n, at=n * 120 + 0.1) for n in range(60)]
    found = scans(shown(panel(), sorted([*noise, *slow], key=lambda each: each.start)))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, AT[NAS])}


def test_made_up_sources_fill_nothing() -> None:
    watching = panel()
    shown(watching, (unanswered(n, src=f"203.0.{n >> 8 & 255}.{n & 255}", dst=AT[NAS], at=n) for n in range(5000)))
    assert len(watching.detectors["slow_scan"]._busy) <= 1024


def test_a_dead_server_that_is_watched_all_day_is_not_scanned() -> None:
    ports = (22, 25, 80, 110, 139, 143, 389, 443, 445, 548, 636, 993, 995, 2049, 3306, 5000, 5432, 8080)
    # Each of its services once a minute, by a program that takes its time.
    watched = (unanswered(n, dst=AT[NAS], dport=ports[n % 18], at=n * 60) for n in range(1500))
    assert not scans(shown(panel(), watched))


def test_a_day_of_peers_and_of_dead_uplinks_is_no_sweep() -> None:
    odd = random.Random(1)
    flows = [
        unanswered(n, dst=f"198.{odd.randrange(50)}.{odd.randrange(250)}.{odd.randrange(250)}", at=n * 15.0,
                   dport=odd.choice((443, 80, 53, 6881, 51_413, odd.randrange(1025, 65_535)))) for n in range(5000)
    ]  # fmt: skip
    assert not shown(panel(), flows)


def test_a_day_of_guests_that_remember_another_network_is_no_sweep() -> None:
    questions = [asked(n % 30, f"02:00:00:00:00:{n % 8:02x}", at=n * 300.0) for n in range(280)]
    assert not sweeps(panel().observe(questions))


def test_what_is_not_the_last_word_does_not_count() -> None:
    tried = [fresh(n, dst=AT[NAS], dport=20 + n, out=(1, 60), at=n * 10 * MINUTES) for n in range(40)]
    assert not scans(shown(panel(), tried))


def test_a_day_of_pings_of_devices_that_are_off_is_no_sweep() -> None:
    assert not sweeps(shown(panel(), (pinged(n, f"192.168.1.{100 + n % 15}", at=n * 60) for n in range(1400))))


def test_it_can_be_switched_off() -> None:
    tried = [unanswered(n, dst=AT[NAS], dport=20 + n, at=n * 5 * MINUTES) for n in range(40)]
    assert not scans(shown(panel(slow_scan=config.SlowScan(enabled=False)), tried))


def restarted(before: Panel, *, after: float) -> Panel:
    """Another run, so many seconds after noon, that was given the notes of the one before."""
    before.tick(NOON + int(after * 1000))
    later = panel()
    later.recall(before.notes())
    later.tick(NOON + int(after * 1000) + 1000)
    return later


def asked_slowly(watching: Panel, numbers: Sequence[int]) -> list[Any]:
    return watching.observe([asked(n, at=n * 2 * MINUTES) for n in numbers])


def tried_slowly(watching: Panel, numbers: Sequence[int]) -> list[Any]:
    return shown(watching, [unanswered(n, dst=AT[NAS], dport=20 + n, at=n * 5 * MINUTES) for n in numbers])


def swept_slowly(watching: Panel, numbers: Sequence[int]) -> list[Any]:
    tried = [unanswered(n, dst=f"192.168.1.{30 + n}", dport=80, src=ATTACKER, at=n * 10 * MINUTES) for n in numbers]
    return shown(watching, tried)


@pytest.mark.parametrize(
    ("act", "half", "every"), [(tried_slowly, 12, 5), (swept_slowly, 6, 10), (asked_slowly, 40, 2)]
)
def test_what_goes_on_slowly_outlives_a_restart(
    act: Callable[[Panel, Sequence[int]], list[Any]], half: int, every: int
) -> None:
    first = panel()
    assert not act(first, range(half))
    later = restarted(first, after=half * every * MINUTES)
    # Half of it alone is not enough, and both are told once.
    found = act(later, range(half, 2 * half))
    assert len(set(told(found))) == 1 and found[0].evidence["slow"]
    assert found[0].first_seen == NOON
    # Once it was told, the next run goes on where this one was: it tells nothing but what is news.
    again = restarted(later, after=2 * half * every * MINUTES + 3600)
    assert not act(again, range(half))
    assert not again.tick(NOON + int(2 * half * every * MINUTES * 1000) + 3_700_000)


def test_a_note_of_a_wrong_clock_hides_nothing() -> None:
    ahead = panel()
    shown(ahead, [unanswered(n, dst=AT[NAS], dport=20 + n, at=1e9 + n * 300) for n in range(12)])
    ahead.tick(NOON + 10**12)
    later = panel()
    later.recall(ahead.notes())
    later.tick(NOON)
    assert len(tried_slowly(later, range(40)))


def test_a_flood_of_scanners_keeps_a_note_small_and_does_not_push_out_the_slow_one() -> None:
    watching = panel()
    tried_slowly(watching, range(12))
    many = [unanswered(n, src=f"203.0.113.{n % 90}", dst=AT[NAS], dport=1 + n // 90, at=3600 + n / 100)
            for n in range(90 * 200)]  # fmt: skip
    shown(watching, many)
    watching.tick(NOON + 3 * 3_600_000)
    note = watching.notes()["slow_scan"]
    assert len(note) < 100_000 and f'["{AT[LAPTOP]}","{AT[NAS]}"]' in note
    assert len(json.loads(note)["scans"]) <= 32


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["arp", "10.0.0.1", "fd00::1", LAPTOP, "x"]),
    lambda inner: st.lists(inner, max_size=12),
)


@settings(max_examples=15)
@given(_ANY, _ANY, st.integers(0, 12), st.booleans())
def test_a_damaged_note_of_what_is_slow_does_no_harm(one: Any, other: Any, at: int, scans: bool) -> None:
    first = panel()
    tried_slowly(first, range(12))
    swept_slowly(first, range(6))
    first.tick(NOON + 3_600_000)
    kept = json.loads(first.notes()["slow_scan"])
    kind = "scans" if scans else "sweeps"
    kept[kind][0][at % len(kept[kind][0])] = one
    kept[kind].append(other)
    watching = panel()
    watching.recall({"slow_scan": json.dumps(kept)})
    watching.recall({"slow_scan": json.dumps(one)})
    watching.recall({"slow_scan": "{" if at else '{"10.0.0.1 10.0.0.2": [22]}'})
    watching.tick(NOON)
    tried_slowly(watching, range(40))
    swept_slowly(watching, range(20))
    watching.tick(NOON + 86_400_000)
