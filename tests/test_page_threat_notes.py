"""What became of a threat, in words, whatever stands in its notes."""

from looking import browsing, looking
from running import Daemon, scratch

NOTES = {
    "happenings": 2, "began": 1795426694503, "earlier": [{"first_seen": 1795326694503, "last_seen": 1795326694509}, 7],
    "before": {"status": "dismissed", "severity": "low", "time": 1795326694509}, "muted_by": "* kali",
    "judged": {"status": "acknowledged", "severity": "high", "time": 1795326694509},
}  # fmt: skip


def test_what_became_of_a_threat_is_told_whatever_stands_in_its_notes() -> None:
    code = "async (evidence) => (await import('/threat.js')).historyOf({ evidence })"
    with Daemon(scratch()) as daemon, browsing() as browser, looking(browser, daemon.port) as page:
        told = page.evaluate(code, {"netwatchd": NOTES, "taken_back": "it was none"})
        words = ["happened 2 times", "Earlier: ", "acknowledged it", "open again", "* kali", "it was none"]
        assert len(told) == len(words)
        assert all(word in line for word, line in zip(words, told, strict=True))
        for odd in (
            {},
            {"netwatchd": 7},
            {"netwatchd": {"earlier": 7, "judged": None, "before": [], "happenings": "x"}},
        ):
            assert page.evaluate(code, odd) == []
