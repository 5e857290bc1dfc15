"""A line to the Internet that is dead makes nobody who goes on asking a scanner, and nobody can make it look dead."""

from detector_kit import AT, LAPTOP, NAS, ROUTER, Street, flow, panel, shown, unanswered
from test_host_sweep import sweeps

from netwatchd.detectors.uplink import MOST_GAPS, MOST_SOURCES, Uplink
from netwatchd.events import Flow


def outage(number: int, src: str, begin: float = 100.0) -> list[Flow]:
    """What a device does without an Internet."""
    return [unanswered(n, src=src, dst=f"203.0.113.{n}", dport=443, at=begin + n) for n in range(number)]


def speed_test(begin: float = 120.0) -> list[Flow]:
    """It looks which of its servers is the nearest."""
    return [unanswered(n, dst=f"198.51.{n}.7", dport=8080, at=begin) for n in range(40)]


def test_while_the_line_is_dead_silence_elsewhere_is_no_evidence() -> None:
    alive = [flow(n, at=n, dst="203.0.113.7") for n in range(90)]
    dead = outage(20, AT[NAS]) + outage(20, AT[LAPTOP])
    watching = panel()
    assert not sweeps(shown(watching, alive + dead + speed_test()))
    # Others are answered here, which says nothing of the line.
    assert not sweeps(shown(watching, [flow(n, at=119 + n, dst=AT[NAS]) for n in range(9)] + speed_test(125)))
    # Somebody elsewhere answers again: who goes on has no excuse.
    assert sweeps(shown(watching, [flow(at=130, dst="203.0.113.7"), *speed_test(131)]))


def test_whoever_scans_cannot_make_the_line_look_dead() -> None:
    alive = [flow(n, at=n, dst="203.0.113.7") for n in range(90)]
    assert sweeps(shown(panel(), alive + outage(20, AT[LAPTOP]) + speed_test()))
    # As long as anybody is answered it is alive.
    others = [flow(n, at=100 + n, src=AT[ROUTER], dst="203.0.113.7") for n in range(20)]
    both = [each for pair in zip(outage(20, AT[NAS]), others, strict=True) for each in pair]
    assert sweeps(shown(panel(), alive + both + speed_test()))


def test_silence_that_is_told_when_the_line_is_back_is_no_evidence_either() -> None:
    """As connection tracking does, two minutes late."""
    alive = [flow(n, at=n, dst="203.0.113.7") for n in range(90)]
    back = [flow(n, at=300 + n, dst="203.0.113.7") for n in range(9)]
    assert not sweeps(shown(panel(), alive + back + outage(20, AT[NAS]) + speed_test()))


def test_what_is_remembered_of_the_line_is_bounded() -> None:
    line = Uplink(Street())
    for number in range(1000):
        line.answered(flow(number, at=number * 60, dst="203.0.113.7"))
        for source in range(100):
            line.silent(unanswered(source, src=f"192.168.{source}.7", dst="203.0.113.7", at=number * 60 + 30))
    assert len(line._gaps) == MOST_GAPS
    assert all(len(gap.silent) <= MOST_SOURCES for gap in line._gaps)
