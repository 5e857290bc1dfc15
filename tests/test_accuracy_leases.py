"""The comparison of lease files matches in everything, and covers what is there."""

from pathlib import Path

import pytest

from accuracy.leases import rows

DATA = Path(__file__).parent.parent.parent / "shared/data"


@pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")
def test_every_lease_that_others_recorded_is_read_as_they_read_it() -> None:
    found = rows(DATA)
    assert [row for row in found if row.matched != row.expected or row.differences] == []
    assert sum(row.expected for row in found) >= 111
    kinds = ("*lease*", "*.leases.gz", "*dhcpd.leases*")
    files = {path for kind in kinds for path in DATA.rglob(kind) if path.is_file() and path.suffix != ".pcap"}
    files -= {DATA / "_truth/leases_expected.json"}
    # Of each but dnsmasq's and Kea's there are two rows.
    assert {row.what.split(":")[0]: row.files for row in found} == {"ISC dhcpd": 6, "dnsmasq": 1, "Kea": 2}
    assert len(files) == 3 + 6 + 1 + 2, "each file is compared"


def test_where_there_is_nothing_nothing_is_compared(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rows(tmp_path)
