"""One threat is one row and is told once a happening: cooldown, severity, what the user made of it, and his rules."""

import dataclasses
from typing import Any

import pytest
from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC
from store_kit import threat

from netwatchd import config
from netwatchd.clock import Now
from netwatchd.config import Threats as Settings
from netwatchd.events import Judge, Merge, TakenBack, Threat, ThreatStatus
from netwatchd.ingest.rows import MOST_EARLIER, NOTES, notes_of
from netwatchd.ingest.threats import MOST_THREATS, Threats

OPEN, ACKNOWLEDGED, DISMISSED = ThreatStatus
HOUR = 3600.0


class House:
    """Threats between a recorder of what is told and kept, and one of alerts."""

    def __init__(self, **settings: Any) -> None:
        self.seen = Recorder()
        devices = self.devices = devices_of(self.seen)
        devices.see([sighting(ips=(0xC0A80105,)), sighting(OTHER_MAC, ips=(0xC0A80106,))], T0)
        self.seen.published.clear()
        self.alerts: list[Threat] = []
        settings = Settings(**settings)
        self.threats = Threats(devices, self.seen, self.seen, settings, self.seen.counters, self.alerts.append)

    def see(self, at: float = 0.0, *, news: bool = False, **fields: Any) -> None:
        """A finding so many seconds after T0."""
        time = later(at).wall
        fresh = threat(0, **{"first_seen": time, "last_seen": time, "severity": "medium"} | fields)
        self.threats.see([fresh], later(at), news=news)

    @property
    def row(self) -> Threat:
        """The only one, as it is kept."""
        (kept,) = self.seen.threats.values()
        return kept

    def mute(self, *rules: str) -> None:
        """Takes in rules, as a reload does."""
        text = "[threats]\n" + "".join(f"mute = {rule}\n" for rule in rules)
        self.threats.apply(config.parse(text).threats)


# What is told, and when it is worth an alert.


def test_a_threat_is_alerted_once_while_it_goes_on() -> None:
    house = House()
    for at in range(0, 40_000, 3000):  # pauses of fifty minutes
        house.see(at)
    assert (house.row.count, len(house.alerts)) == (14, 1)
    assert house.alerts[0].id == house.row.id


def test_after_the_cooldown_it_has_happened_once_more_and_is_told_and_alerted_again() -> None:
    house = House(cooldown=600.0)
    house.see(0)
    house.see(599)
    house.see(599 + 600)
    assert [each.count for each in house.alerts] == [1, 3]
    assert house.row.count == 3
    notes = notes_of(house.row)
    assert (notes["happenings"], notes["began"], notes["counted"]) == (2, later(1199).wall, 2)
    assert notes["earlier"] == [{"first_seen": T0.wall, "last_seen": later(599).wall, "count": 2}]


def test_a_finding_that_began_before_the_last_one_goes_on_however_late_it_is_told() -> None:
    house = House()
    house.see(0)
    house.see(9 * HOUR, first_seen=T0.wall)
    assert len(house.alerts) == 1


def test_what_happened_earlier_is_kept_up_to_a_number() -> None:
    house = House()
    for n in range(30):
        house.see(n * 2 * HOUR)
    notes = notes_of(house.row)
    assert (notes["happenings"], len(notes["earlier"]), len(house.alerts)) == (30, MOST_EARLIER, 30)
    assert [each["count"] for each in notes["earlier"]] == [1] * MOST_EARLIER


def test_logs_of_weeks_that_are_read_in_a_moment_alert_once_and_are_one_happening() -> None:
    house = House()
    for n in range(1000):
        time = T0.wall - (1000 - n) * 2 * 3_600_000
        house.threats.see([threat(0, first_seen=time, last_seen=time)], later(n / 1000))
    house.threats.finish(later(2).wall)
    assert (house.row.count, len(house.alerts)) == (1000, 1)


def test_a_liar_whose_beginning_lies_behind_its_end_cannot_make_every_finding_a_happening() -> None:
    house = House()
    for n in range(100):
        house.see(n, last_seen=0)
    assert len(house.alerts) == 1


def test_severity_rises_while_it_goes_on_and_never_falls_and_each_rise_is_alerted() -> None:
    house = House()
    for at, severity in enumerate(("medium", "low", "high", "info", "high", "critical", "medium")):
        house.see(at, severity=severity)
    assert [each.severity for each in house.alerts] == ["medium", "high", "critical"]
    assert house.row.severity == "critical"
    house.see(9 * HOUR, severity="low")
    assert house.row.severity == "low", "what happens once more is judged by itself"


def test_description_recommendation_and_evidence_are_the_latest() -> None:
    house = House()
    house.see(0)
    house.see(1, description="20 ports", recommendation="unplug it", evidence={"ports": 20})
    assert (house.row.description, house.row.recommendation) == ("20 ports", "unplug it")
    assert house.row.evidence == {"ports": 20}


def test_the_same_told_better_is_no_alert() -> None:
    house = House()
    house.see(0, news=True, kind="new_device")
    house.see(1, news=True, kind="new_device", count=0, description="tv")
    assert len(house.alerts) == 1
    house.see(2, news=True, kind="new_device")
    assert len(house.alerts) == 2, "whose detector decides when it is news"


def test_findings_of_others_and_our_own_are_one_row_however_they_write_addresses() -> None:
    house = House()
    house.see(device=MAC, target="fd00::9")
    house.see(1, device="192.168.1.5", target="FD00:0::9")
    house.see(2, device="192.168.1.5", target="[fd00::0:9]")
    assert house.row.count == 3
    house.see(3, target="[FD00::9]:22")
    house.see(4, target="[fd00::9]:22")
    assert sorted((each.target, each.count) for each in house.seen.threats.values()) == [
        ("[fd00::9]:22", 2), ("fd00::9", 3),
    ]  # fmt: skip


def test_our_notes_are_written_by_nobody_else() -> None:
    house = House()
    house.see(evidence={NOTES: {"judged": 1}, "a": 1})
    house.see(1, evidence={NOTES: {"happenings": "x"}, "a": 2})
    house.see(9 * HOUR, evidence={NOTES: 7, "a": 3})
    assert notes_of(house.row)["happenings"] == 2
    for nonsense in (7, {"happenings": "x", "earlier": 7, "counted": None, "judged": 5, "began": {}}):
        other = House()
        other.threats.remember([threat(1, evidence={NOTES: nonsense}, status=DISMISSED)], T0.wall)
        other.see(9 * HOUR)
        assert notes_of(other.row)["happenings"] == 2


# What the user made of it.


@pytest.mark.parametrize("status", [ACKNOWLEDGED, DISMISSED])
def test_what_was_judged_stays_so_when_it_is_seen_again_and_is_alerted_no_more(status: ThreatStatus) -> None:
    house = House()
    house.see(0)
    assert house.threats.judge(Judge(1, status)) is None
    house.see(1)
    house.see(2, severity="critical")
    house.see(9 * HOUR, severity="medium")
    house.see(99 * HOUR, severity="low")
    assert (house.row.status, house.row.count, len(house.alerts)) == (status, 5, 1)


@pytest.mark.parametrize("status", [ACKNOWLEDGED, DISMISSED])
def test_what_happens_once_more_and_is_worse_than_what_was_judged_is_open_again(status: ThreatStatus) -> None:
    house = House()
    house.see(0)
    house.threats.judge(Judge(1, status))
    house.see(1, severity="high")
    assert house.row.status is status, "while it goes on it stays so"
    house.see(9 * HOUR, severity="high")
    assert (house.row.status, len(house.alerts)) == (OPEN, 2)
    before = notes_of(house.row)["before"]
    assert (before["status"], before["severity"]) == (str(status), "medium")
    assert "judged" not in notes_of(house.row)


def test_what_is_opened_again_by_the_user_is_open() -> None:
    house = House()
    house.see(0)
    house.threats.judge(Judge(1, DISMISSED))
    house.threats.judge(Judge(1, OPEN))
    assert (house.row.status, notes_of(house.row)) == (OPEN, {})
    house.see(9 * HOUR)
    assert len(house.alerts) == 2


def test_news_are_open_again_whatever_was_made_of_them() -> None:
    house = House()
    house.see(0, news=True)
    house.threats.judge(Judge(1, DISMISSED))
    house.see(1, news=True, count=0)
    assert house.row.status is DISMISSED
    house.see(2, news=True)
    assert (house.row.status, len(house.alerts)) == (OPEN, 2)


def test_what_netwatchd_took_back_is_open_when_it_is_found_again_but_not_what_the_user_dismissed_too() -> None:
    house = House()
    house.see(0)
    house.threats.take_back(TakenBack("port_scan", MAC, None, "it was a game"))
    assert (house.row.status, house.row.evidence["taken_back"]) == (DISMISSED, "it was a game")
    house.see(1)
    assert (house.row.status, len(house.alerts)) == (OPEN, 2)
    house.threats.take_back(TakenBack("port_scan", MAC, None, "it was a game"))
    house.threats.judge(Judge(1, DISMISSED))
    house.see(2)
    assert house.row.status is DISMISSED


def test_a_restart_keeps_what_was_judged_and_when_it_was_last_seen() -> None:
    house = House()
    house.see(0)
    house.see(1, kind="other")
    house.threats.judge(Judge(1, ACKNOWLEDGED))
    stored = list(house.seen.threats.values())
    again = House()
    again.threats.remember(stored, T0.wall)
    again.see(10)
    again.see(10, kind="other")
    assert [(each.kind, each.status) for each in again.seen.threats.values()] == [
        ("port_scan", ACKNOWLEDGED), ("other", OPEN),
    ]  # fmt: skip
    assert again.alerts == [], "one is acknowledged, and the other goes on"
    again.see(9 * HOUR, kind="other")
    assert len(again.alerts) == 1


def test_a_device_that_was_merged_goes_on_in_its_row_and_what_was_judged_stays_so() -> None:
    house = House()
    house.see(0, device=OTHER_MAC, target="10.0.0.1")
    house.threats.judge(Judge(1, DISMISSED))
    assert house.devices.act(Merge(OTHER_MAC, MAC)) is None
    house.see(1, device="192.168.1.6", target="10.0.0.1")
    house.see(2, device=OTHER_MAC, target="10.0.0.1")
    house.see(3, device=MAC, target="10.0.0.1")
    assert (house.row.device, house.row.count, house.row.status) == (OTHER_MAC, 4, DISMISSED)
    house.mute(f"* {MAC}")
    house.see(4, device=OTHER_MAC)
    assert house.seen.counters["threats.muted"] == 1


# Rules.


def test_a_muted_finding_leaves_a_count_and_nothing_else() -> None:
    house = House()
    house.mute("* 192.168.1.5")
    house.see(0)
    house.see(1, device=OTHER_MAC)
    assert [each.device for each in house.seen.threats.values()] == [OTHER_MAC]
    assert {each.device for each in [*house.seen.published, *house.alerts]} == {OTHER_MAC}
    assert house.seen.counters["threats.muted"] == 1


def test_a_new_rule_dismisses_what_is_open_and_says_so_and_the_user_may_still_judge_it() -> None:
    house = House()
    house.see(0)
    house.see(0, device=OTHER_MAC)
    house.mute(f"* {MAC}")
    told = house.seen.published[-1]
    assert (told.device, told.status, notes_of(told)) == (MAC, DISMISSED, {"muted_by": f"* {MAC}"})
    assert [each.device for each in house.threats.open()] == [OTHER_MAC]
    house.see(1)
    assert house.seen.threats[1].count == 1
    house.threats.judge(Judge(1, DISMISSED))
    house.mute()
    house.see(2)
    assert house.seen.threats[1].status is DISMISSED


def test_once_a_rule_is_gone_what_it_put_away_is_open_when_it_is_seen_again() -> None:
    house = House()
    house.see(0)
    house.mute("* *")
    house.mute()
    assert house.row.status is DISMISSED
    house.see(1)
    assert (house.row.status, house.row.count, len(house.alerts)) == (OPEN, 2, 2)
    assert "muted_by" not in notes_of(house.row)


def test_a_rule_does_not_change_what_the_user_has_judged() -> None:
    house = House()
    house.see(0)
    house.threats.judge(Judge(1, ACKNOWLEDGED))
    house.mute("* *")
    assert house.row.status is ACKNOWLEDGED


def test_a_rule_that_was_added_while_netwatchd_was_off_counts_at_its_start() -> None:
    house = House(mute=config.parse("[threats]\nmute = * *\n").threats.mute)
    house.threats.remember([threat(3)], T0.wall)
    assert (house.row.status, notes_of(house.row)["muted_by"]) == (DISMISSED, "* *")


# What is old.


def test_what_was_not_seen_for_long_is_forgotten_and_clients_are_told_of_what_was_open() -> None:
    house = House()
    house.see(0)
    house.see(1000, kind="other")
    house.threats.retain(later(500).wall)
    assert [(each.kind, each.status) for each in house.seen.published[2:]] == [("port_scan", DISMISSED)]
    assert [each.kind for each in house.threats.open()] == ["other"]
    house.see(2000)
    assert max(house.seen.threats) == 3, "it is another row"


def test_when_there_is_no_more_room_what_was_judged_is_remembered_before_what_is_open() -> None:
    house = House()
    rows = [threat(n + 1, kind=f"k{n}", last_seen=T0.wall - MOST_THREATS + n) for n in range(MOST_THREATS)]
    house.threats.remember([dataclasses.replace(rows[0], status=DISMISSED), *rows[1:]], T0.wall)
    house.see(0, kind="new")
    house.see(1, kind="k0")
    assert house.seen.threats[1].status is DISMISSED
    assert "k1" not in [each.kind for each in house.threats.open()]


def test_times_lie_neither_in_the_future_nor_the_wrong_way_round() -> None:
    house = House()
    house.threats.see([threat(0, first_seen=T0.wall + 5, last_seen=5)], Now(T0.wall, 0.0))
    assert (house.row.first_seen, house.row.last_seen) == (5, 5)
