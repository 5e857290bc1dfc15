"""What a device sends to the world is told where it is much more than on any of its days before."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import household
import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, WEB, Street, device, flow, shown, told
from hypothesis import given
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.peers import PeerNames
from netwatchd.detectors.upload import MOST_DEVICES, Upload
from netwatchd.events import Flow, Gone, Threat

DAY, MB = 86_400, 1_000_000
CAMERA, CAMERA_IP, CLOUD = "44:19:b6:00:00:01", "192.168.1.50", "198.51.100.10"


def home() -> Street:
    """Of which all were known for a year."""
    known = [
        device(CAMERA, CAMERA_IP, kind="camera"), device(LAPTOP, AT[LAPTOP], kind="computer"),
        device(NAS, AT[NAS], kind="nas"),
    ]  # fmt: skip
    return Street(*(replace(each, first_seen=NOON - 365 * DAY * 1000) for each in known))


class Watching:
    """The detector, and what it has told."""

    def __init__(self, **settings: Any) -> None:
        self.home = home()
        self.detector = Upload(config.Upload(**settings), self.home, PeerNames())
        self.number = 0

    def sends(self, day: float, size: float, *, by: str = CAMERA_IP, key: str = CAMERA, **fields: Any) -> list[Finding]:
        """So many MB are sent that many days after noon."""
        self.number += 1
        told_of = flow(
            self.number, at=day * DAY, src=by, **({"out": (9999, int(size * MB)), "back": (5000, 9000)} | fields)
        )
        return list(self.detector.see_flow(told_of, key, True))

    def after(self, days: int = 10, size: float = 40, **fields: Any) -> "Watching":
        """The same, after so many days of so many MB."""
        for day in range(-days, 0):
            assert not self.sends(day, size, **fields)
        return self


def test_a_camera_that_sends_much_more_than_ever_is_told_with_where_it_went() -> None:
    (found,) = Watching().after().sends(0, 600)
    assert isinstance(found, Threat)
    assert (found.kind, found.severity, found.device, found.target) == ("upload", "medium", CAMERA, CLOUD)
    assert "has sent 600 MB to the world today, 15 times as much as on any day before" in found.description
    assert found.evidence == {"bytes_out": 600 * MB, "most_before": 40 * MB, "days": 10, "peers": {CLOUD: 600 * MB}}


def test_it_is_told_when_it_adds_up_and_again_when_it_has_doubled() -> None:
    watching = Watching().after()
    found = [each for minute in range(300) for each in watching.sends(minute / 1440, 10)]
    assert [each.evidence["bytes_out"] // MB for each in found if isinstance(each, Threat)] == [500, 1000, 2000]


@pytest.mark.parametrize("state", ["active", "new"])
def test_a_flow_that_grows_counts_by_what_it_brings(state: str) -> None:
    watching = Watching().after()
    grown = [
        flow(9999, at=0, seconds=minute * 60, src=CAMERA_IP, out=(9999, minute * MB), back=(99, 9999), state=state)
        for minute in range(1, 500)
    ]
    found = [each for told_of in grown for each in watching.detector.see_flow(told_of, CAMERA, False)]
    assert not found
    last = grown[-1]._replace(bytes_out=500 * MB, state="closed")
    assert told(watching.detector.see_flow(last, CAMERA, False)) == [("upload", CAMERA, CLOUD)]


def test_who_is_called_sends_as_well() -> None:
    watching = Watching().after(size=40)
    found = watching.sends(0, 0, by=WEB, dst=CAMERA_IP, dport=554, out=(900, 90_000), back=(9999, 700 * MB))
    assert told(found) == [("upload", CAMERA, WEB)]


def test_people_send_pictures_so_that_theirs_must_be_more() -> None:
    fields = {"by": AT[LAPTOP], "key": LAPTOP}
    assert not Watching().after(**fields).sends(0, 1900, **fields)
    (found,) = Watching().after(**fields).sends(0, 2100, **fields)
    assert isinstance(found, Threat)
    assert found.severity == "low"


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        ({}, {"size": 499}),  # little
        ({"size": 300}, {"size": 800}),  # it sends much every day
        ({"days": 5}, {"size": 9000}),  # not known for long enough
        ({}, {"size": 9000, "dst": "192.168.1.10"}),  # a backup at home
        ({}, {"size": 9000, "dst": "239.1.2.3"}),  # a film to all at home
        ({}, {"size": 0.1, "out": (50, 5000), "back": (900_000, 9_000 * MB)}),  # a download
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_told(before: dict[str, Any], fields: dict[str, Any]) -> None:
    assert not Watching().after(**before).sends(0, **fields)


def test_what_is_repeated_every_night_is_usual_after_the_first_one() -> None:
    watching = Watching().after()
    found = [each for night in range(20) for each in watching.sends(night, 700)]
    assert len(found) == 1


def test_many_peers_are_no_target_and_the_first_three_are_named() -> None:
    watching = Watching().after()
    found = [each for number in range(60) for each in watching.sends(0, 10, dst=f"203.0.113.{number + 1}")]
    (first,) = found
    assert isinstance(first, Threat)
    assert first.target is None
    assert len(first.evidence["peers"]) == 3


def test_what_is_told_late_belongs_to_its_own_day() -> None:
    watching = Watching().after()
    watching.sends(0, 60)
    assert not watching.sends(-1, 600)
    assert not watching.sends(0.1, 600)  # there was such a day


def test_its_days_outlive_a_restart_and_a_change_of_its_key() -> None:
    before = Watching().after(days=20, size=300)
    before.detector.tick(NOON - DAY * 1000)
    note = before.detector.note
    assert note is not None
    after = Watching()
    after.detector.recall(note)
    after.detector.tick(NOON)
    assert not after.sends(0, 800)
    assert after.sends(0.1, 200)
    moved = Watching().after(size=300)
    moved.detector.see_device(Gone(CAMERA, LAPTOP))
    assert not moved.sends(0, 850, by=AT[LAPTOP], key=LAPTOP)


def test_an_exporter_whose_clock_is_ahead_does_not_blind_it() -> None:
    watching = Watching().after()
    watching.detector.tick(NOON)
    watching.sends(900, 60)
    watching.detector.tick(NOON + 2 * DAY * 1000)
    assert watching.sends(2, 700)


def test_a_clock_that_leaps_by_years_is_no_history() -> None:
    watching = Watching()
    watching.home.devices[CAMERA] = replace(watching.home.devices[CAMERA], first_seen=0)
    watching.detector.tick(1000)
    watching.detector.tick(NOON)
    assert not watching.sends(0, 900)
    assert not watching.sends(3, 9000)


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["time", "since", "devices", CAMERA]), inner),
    ).map(json.dumps)
)
def test_a_note_may_be_anything(note: str) -> None:
    watching = Watching()
    watching.detector.recall(note)
    watching.detector.tick(NOON)
    watching.sends(0, 600)


def test_devices_that_are_made_up_do_not_push_out_those_that_live_here() -> None:
    watching = Watching().after()
    for number in range(3 * MOST_DEVICES):
        watching.sends(0, 5, by="10.9.9.9", key=f"made up {number}")
        watching.sends(0, 1)
    assert len(watching.detector._devices.known) == MOST_DEVICES
    assert watching.sends(0.1, 600)


def test_the_flows_of_the_panel_reach_it() -> None:
    from test_beacon import panel

    street = home()
    each = panel(street)
    rows = [
        flow(number, at=(number - 12) * DAY, src=CAMERA_IP, out=(99, (600 if number == 12 else 9) * MB))
        for number in range(13)
    ]
    assert ("upload", CAMERA, CLOUD) in told(shown(each, rows, street))


def household_tells(days: float, seed: int) -> list[tuple[str, str | None, str | None]]:
    """What is told of a household; in the end one of its plugs sends what it should not."""
    street = household.street()
    for key, each in street.devices.items():
        street.devices[key] = replace(each, first_seen=NOON - DAY * 1000)
    owners = {address: household.KEYS[name] for name, address in household.ADDRESS.items()}
    street.owner = owners.get  # type: ignore[method-assign, assignment]
    detector = Upload(config.Upload(), street, PeerNames())
    found: list[Finding] = []
    for told_of in household.Household(days, seed).flows():
        found += detector.see_flow(told_of, owners[told_of.src_ip], True)
    for stolen in _stolen(days):
        found += detector.see_flow(stolen, household.KEYS["plug1"], True)
    return told(found)


def _stolen(days: float) -> Iterator[Flow]:
    for number in range(100):
        yield flow(number, at=days * DAY + number * 60, out=(9999, 6 * MB))._replace(src_ip=household.ADDRESS["plug1"])


def test_ten_days_of_a_household_are_silent_until_something_is_stolen() -> None:
    assert parse_address(CLOUD)
    assert household_tells(8, 1) == [("upload", household.KEYS["plug1"], CLOUD)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_a_month_of_a_household_is_silent_until_something_is_stolen(seed: int) -> None:
    assert household_tells(31, seed) == [("upload", household.KEYS["plug1"], CLOUD)]
