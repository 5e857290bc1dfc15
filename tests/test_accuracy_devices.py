"""Real devices are described rightly or not at all, and what is not described is explained."""

import re
from pathlib import Path

import pytest

from accuracy.devices import Known, details, headline, identified, rows, verdict
from netwatchd.identity.kinds import KINDS, Description

NOTHING = Description(None, None, "unknown", None, ())
DATA = Path(__file__).parent.parent.parent / "shared/data"


@pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")
def test_nothing_is_wrong_and_most_is_right() -> None:
    found = rows(DATA)
    for row in found:
        assert not [text for text in row.differences if "wrong" in text], row
        unknown = sum(int(number) for text in row.differences for number in re.findall(r"^(\d+) of ", text))
        assert row.expected - row.matched == unknown, row
    known = [row for row in found if "named or typed" in row.what]
    assert sum(row.expected for row in known) >= 31
    assert sum(row.matched for row in known) >= 0.9 * sum(row.expected for row in known)
    sentinel = next(row for row in known if "IoT_Sentinel" in row.origin)
    assert sentinel.matched == sentinel.expected == 10


@pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")
def test_the_table_has_a_line_for_each_device() -> None:
    table = details(DATA)
    assert table.count("\n| ") == 1 + 3 + 1 + 4 + 1 + 10 + 21  # verdicts: of what, together, of lists; devices
    assert "| Withings WS-30, a scale | Withings (right) | - (no truth) | health (right) |" in table
    assert "| maker | 31 | 31 | 0 | 0 | 0 |\n" in table
    assert "| kind | 31 | 28 | 2 | 0 | 1 |\n" in table
    assert "| **the real devices together: identified** | 31 | 29 | 2 | 0 | 0 |\n" in table
    assert headline(DATA).startswith("of 31 real ones 29 are identified right (94%") and "0 wrong" in headline(DATA)


def test_a_device_is_wrong_where_anything_said_of_it_is() -> None:
    told = Known("f", "a printer", "00:80:77:31:01:07", "Brother", "printer-1", "printer", NOTHING)
    assert identified(told) == "unknown"
    assert identified(told._replace(said=NOTHING._replace(hostname="printer-1"))) == "right"
    assert identified(told._replace(said=NOTHING._replace(kind="printer"))) == "right"
    assert identified(told._replace(said=NOTHING._replace(hostname="printer-1", kind="camera"))) == "wrong"
    assert identified(told._replace(said=NOTHING._replace(hostname="printer-1", vendor="Canon"))) == "wrong"


def test_a_kind_is_right_by_itself_or_by_its_family() -> None:
    assert verdict("plug", "plug") == verdict("plug", "iot") == "right"
    assert verdict("iot", "plug") == verdict("printer", "iot") == "wrong"
    assert verdict("plug", "unknown") == "unknown" and verdict(None, "plug") == "no truth"
    assert "unknown" in KINDS
