"""`python -m accuracy`: what it compares is said, and what got worse is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

from accuracy import Row, page

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared/data"
ROWS = [
    Row("zeek/zeek", "connections", 3, 20, 18, ("2 of a.pcap: Zeek looks into the tunnel",)),
    Row("a|b", "flows", 1, 1000, 1000),
]
PAGE = page.render({"packets": ROWS, "logs": [Row("zat", "records", 1, 5, 5)]}, {"packets": "Intro.", "logs": ""})


def accuracy(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "accuracy", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_page_says_all_that_was_compared() -> None:
    assert "| zeek/zeek | connections | 3 | 20 | 18 |\n| a\\|b | flows | 1 | 1,000 | 1,000 |\n" in PAGE
    assert "| **together** | | 4 | 1,020 | 1,018 |" in PAGE
    assert "* zeek/zeek, connections:\n  * 2 of a.pcap: Zeek looks into the tunnel\n" in PAGE
    assert "**Together: 1,023 of 1,025 records match.**" in PAGE
    assert "## Captures\n\nIntro.\n" in PAGE


def test_what_has_a_sum_of_its_own_is_not_added_up_with_the_others() -> None:
    tables = {"packets": ROWS, "devices": [Row("iot", "kind", 1, 10, 5)]}
    told = page.render(tables, dict.fromkeys(tables, ""), headlines={"devices": "of 10 5 are right."})
    assert "**Together: 1,018 of 1,020 records match.**\n\n**Devices: of 10 5 are right.**\n" in told
    assert "## Devices\n\n**Of 10 5 are right.**\n" in told and "| 5 | 10 |" not in told
    assert page.worse({"devices": [Row("iot", "kind", 1, 10, 4)]}, told)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS, []),
        ([ROWS[0], Row("a|b", "flows", 2, 2000, 2000)], []),
        ([ROWS[0], Row("a|b", "flows", 0, 0, 0, ("that program is not installed",))], []),
        ([ROWS[1]], ["packets: zeek/zeek, connections: is not compared any more"]),
        ([Row("zeek/zeek", "connections", 3, 20, 17), ROWS[1]],
         ["packets: zeek/zeek, connections: 3 records differ, there were 2"]),
        ([Row("zeek/zeek", "connections", 2, 18, 18), ROWS[1]],
         ["packets: zeek/zeek, connections: 2 files with 18 records are compared, there were 3 with 20"]),
    ],
)  # fmt: skip
def test_what_got_worse_is_noticed(rows: list[Row], said: list[str]) -> None:
    assert page.worse({"packets": rows}, PAGE) == said


def test_without_recordings_it_says_where_they_are_looked_for(tmp_path: Path) -> None:
    answer = accuracy("--data", str(tmp_path))
    assert answer.returncode == 1
    assert f"no recordings with their truths in {tmp_path}" in answer.stderr
    assert "$NETWATCHD_DATA" in answer.stderr


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recordings in {DATA}")
def test_nothing_is_worse_than_the_page_says() -> None:
    answer = accuracy()
    assert answer.returncode == 0, answer.stdout
