"""What the benchmark of flows from exporters says is what a collector can do."""

import pytest

from bench.flows.trials import Trial, search


def trial(rate: float, kept: bool, reached: float = 1.0) -> Trial:
    return Trial(
        wanted=rate, rate=rate * reached, sent=1000, lost=0, lost_octets=0, lost_packets=0, dropped=0, lag=0.0,
        on_disk=0.0, cpu=1.0, memory=1.0, size=1.0, rows=1000, says="", kept=kept,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "tried"),
    [
        (150, [100, 200, 141, 168]),  # kept, too much, and then between the two
        (30, [100, 50, 25, 35]),
        (1000, [100, 200, 400, 800]),  # all kept: there may be more
        (104, [100, 200, 141, 119]),
    ],
)
def test_the_search_comes_near_to_the_limit(limit: float, tried: list[int]) -> None:
    trials = list(search(lambda rate: trial(rate, rate <= limit), 100, 4))
    assert [round(each.wanted) for each in trials] == tried


def test_the_search_ends_where_two_rates_are_near_or_the_sender_cannot_follow() -> None:
    assert len(list(search(lambda rate: trial(rate, rate <= 104), 100, 20))) == 5
    assert len(list(search(lambda rate: trial(rate, kept=True, reached=0.9), 100, 20))) == 1
