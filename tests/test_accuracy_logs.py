"""The comparison of logs explains whatever differs in the recordings, and covers what is there."""

import re
from pathlib import Path

import pytest

from accuracy.logs import rows

DATA = Path(__file__).parent.parent.parent / "shared/data"


@pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")
def test_what_differs_in_the_recordings_is_explained() -> None:
    found = rows(DATA)
    assert sum(row.files for row in found) >= 47
    for row in found:
        explained = sum(int(number) for text in row.differences for number in re.findall(r"^(\d+) of ", text))
        assert row.expected - row.matched == explained, row
    assert sum(row.matched for row in found) >= 940


def test_where_there_is_nothing_nothing_is_compared(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rows(tmp_path)
