"""Who scans from elsewhere is told by himself as long as there are few, and together with others from then on."""

from netwatchd.detectors.scanners import MOST_STRANGERS, WEEK, Scanners


def test_strangers_from_the_fourth_on_are_told_together_and_those_here_never() -> None:
    scanners = Scanners()
    told = [scanners.who(f"203.0.113.{number}", number, inside=False) for number in range(50)]
    assert told == [*(f"203.0.113.{number}" for number in range(MOST_STRANGERS)), *[None] * (50 - MOST_STRANGERS)]
    assert scanners.who("203.0.113.0", 60, inside=False) == "203.0.113.0"
    assert scanners.who("00:11:32:aa:bb:cc", 60, inside=True) == "00:11:32:aa:bb:cc"
    assert scanners.who("203.0.113.99", 60 + WEEK + 1, inside=False) == "203.0.113.99"
