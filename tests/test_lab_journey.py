"""In a home where people come, go and change, exactly the news are told that are true, within two seconds."""

import pytest
from lab_journey import travel
from lab_kit import why_not
from lab_threats import attacks

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]


@pytest.mark.parametrize("capture", [False, True], ids=["tables", "packets"])
def test_everything_that_happens_yields_exactly_its_news(capture: bool) -> None:
    lines = travel(capture=capture, minutes=1)
    assert [line for line in lines if not line.right] == []


@pytest.mark.parametrize("capture", [False, True], ids=["tables", "packets"])
def test_every_attack_that_can_be_seen_is_told_soon_and_nothing_else(capture: bool) -> None:
    lines = attacks(capture=capture)
    assert [line for line in lines if line.wrong] == []
