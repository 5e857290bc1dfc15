"""The same threat is one threat, with a count, and keeps what the user has made of it."""

from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC
from store_kit import threat

from netwatchd.events import Judge, Threat, ThreatStatus
from netwatchd.ingest.threats import MOST_COUNT, MOST_THREATS, Threats


def threats_of(recorder: Recorder) -> Threats:
    devices = devices_of(recorder)
    devices.see([sighting(ips=(0xC0A80105,))], T0)
    recorder.published.clear()
    return Threats(devices, recorder, recorder)


def fresh(**fields: object) -> Threat:
    """A threat as a source hands it in."""
    return threat(0, **{"first_seen": T0.wall, "last_seen": T0.wall} | fields)


def test_a_threat_never_seen_before_gets_an_id_and_is_told_and_kept_as_new() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh(), fresh(kind="other")], T0)
    assert [(each.id, each.kind) for each in seen.published] == [(1, "port_scan"), (2, "other")]
    assert seen.new_threats == [1, 2]
    assert threats.open() == seen.published


def test_the_same_threat_seen_again_is_the_same_row_with_a_higher_count() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh(), fresh(description="again", count=3)], T0)
    threats.see([fresh(last_seen=later(5).wall, evidence={"ports": 7})], later(5))
    (kept,) = seen.threats.values()
    assert (kept.id, kept.count, kept.first_seen, kept.last_seen) == (1, 5, T0.wall, T0.wall + 5000)
    assert kept.evidence == {"ports": 7}
    assert [each.count for each in seen.published] == [1, 4, 5]
    assert seen.new_threats == [1]


def test_another_device_or_target_makes_it_another_threat() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh(), fresh(device=None), fresh(target="10.0.0.1"), fresh(target="10.0.0.2")], T0)
    assert sorted(seen.threats) == [1, 2, 3, 4]


def test_a_threat_that_was_dismissed_stays_dismissed_and_goes_on_counting() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh()], T0)
    assert threats.judge(Judge(1, ThreatStatus.DISMISSED)) is None
    assert seen.published[-1].status is ThreatStatus.DISMISSED
    threats.see([fresh()], later(1))
    (kept,) = seen.threats.values()
    assert (kept.status, kept.count) == (ThreatStatus.DISMISSED, 2)
    assert threats.open() == []


def test_judging_a_threat_that_is_not_there_says_so() -> None:
    assert threats_of(Recorder()).judge(Judge(7, ThreatStatus.DISMISSED)) == "there is no threat 7"


def test_an_address_that_a_device_owns_means_the_device() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh(device="192.168.1.5"), fresh(device="192.168.1.99"), fresh(device="a name")], T0)
    assert [each.device for each in seen.published] == [MAC, "192.168.1.99", "a name"]


def test_nothing_was_seen_in_the_future() -> None:
    seen = Recorder()
    threats_of(seen).see([fresh(first_seen=T0.wall + 5, last_seen=T0.wall + 10**9)], T0)
    assert (seen.published[0].first_seen, seen.published[0].last_seen) == (T0.wall, T0.wall)


def test_threats_of_an_earlier_run_go_on_counting_under_their_ids() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.remember([threat(7, count=5, status=ThreatStatus.ACKNOWLEDGED)], T0.wall)
    threats.see([fresh(), fresh(kind="other")], later(1))
    assert [(each.id, each.count) for each in seen.published] == [(7, 6), (8, 1)]
    assert seen.threats[7].status is ThreatStatus.ACKNOWLEDGED


def test_a_database_that_appears_late_is_joined_to_what_was_seen_meanwhile() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.see([fresh(kind="new"), fresh()], T0)
    threats.remember([threat(1, count=5), threat(2, kind="old")], T0.wall)
    assert sorted((each.kind, each.id, each.count) for each in threats.open()) == [
        ("new", 3, 1),
        ("old", 2, 1),
        ("port_scan", 1, 6),
    ]


def test_a_database_that_replaces_another_does_not_count_twice() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.remember([threat(1, count=5)], T0.wall)
    threats.remember([threat(1, count=5)], T0.wall)
    assert [each.count for each in threats.open()] == [5]


def test_what_is_remembered_is_bounded_and_the_latest_are_kept() -> None:
    seen = Recorder()
    threats = threats_of(seen)
    threats.remember(
        [threat(n + 1, target=str(n), last_seen=T0.wall - 10**6 + n) for n in range(MOST_THREATS + 5)], T0.wall
    )
    threats.see([fresh(target="new")], T0)
    kept = threats.open()
    assert len(kept) == MOST_THREATS
    assert (kept[0].target, kept[-1].target) == ("6", "new")


def test_a_count_stops_where_numbers_would_no_longer_be_exact() -> None:
    seen = Recorder()
    threats_of(seen).see([fresh(count=2**53 - 1)] * 3, T0)
    assert seen.published[-1].count == MOST_COUNT
