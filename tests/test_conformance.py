"""What `make conformance` makes of the report that the suite leaves."""

import pytest
from conformance import outcome, summary


@pytest.mark.parametrize(
    ("case", "behaviour", "closing", "expected"),
    [
        ("1.1.1", "OK", "OK", "passed"),
        ("6.4.1", "NON-STRICT", "OK", "passed"),
        ("7.13.1", "INFORMATIONAL", "INFORMATIONAL", "passed"),
        ("12.1.1", "UNIMPLEMENTED", "OK", "declined"),
        ("12.1.1", "UNIMPLEMENTED", "FAILED", "failed"),
        ("5.1", "UNIMPLEMENTED", "OK", "failed"),
        ("7.1.1", "OK", "WRONG CODE", "failed"),
        ("7.1.1", "OK", "UNCLEAN", "failed"),
        ("2.1", "FAILED", "OK", "failed"),
        ("2.1", "NO CLOSE", "OK", "failed"),
    ],
)
def test_a_case_passes_only_where_behaviour_and_closing_do_and_only_compression_may_be_declined(
    case: str, behaviour: str, closing: str, expected: str
) -> None:
    assert outcome(case, {"behavior": behaviour, "behaviorClose": closing}) == expected


def test_the_summary_counts_every_case_in_its_group() -> None:
    good, bad = {"behavior": "OK", "behaviorClose": "OK"}, {"behavior": "FAILED", "behaviorClose": "OK"}
    text = summary({"1.1.1": good, "1.1.2": bad, "99.1": good}, ["*"], "2.7.18")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert ["1 framing", "2", "1", "0", "1"] in rows
    assert ["99", "1", "1", "0", "0"] in rows
    assert ["**all**", "**3**", "**2**", "0", "**1**"] in rows
    assert "1 FAILED, 2 OK" in text
