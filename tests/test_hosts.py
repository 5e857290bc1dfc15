"""Names from files that look like /etc/hosts and /etc/ethers, told again when they change."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leases_kit import PHONE, TV, Told, append, replace
from running import Daemon, rows
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.decoders.hosts import decode_line
from netwatchd.sources.hosts import LONGEST_LINE, MOST_NAMES, Hosts

HOSTS = """\
127.0.0.1   localhost
127.0.1.1   laptop
::1         localhost ip6-localhost ip6-loopback
fe00::0     ip6-localnet
ff02::1     ip6-allnodes
192.168.1.9\tnas.home.example nas disk  # in the cellar
192.168.1.1 fritz.box
fe80::9%eth0 nas
0.0.0.0 ads.example
# 192.168.1.2 nobody
"""
ETHERS = f"{PHONE} phone\n0:83:E7:0:0:3 192.168.1.9\n{TV} 192.168.1.77\n01:00:5e:00:00:01 group\n"


class Watcher:
    """The source, which looks when it is told to."""

    def __init__(self, *files: Path) -> None:
        self.told, self.counters = Told(), Counters()
        self.source = Hosts(config.Hosts(files=files), self.told, self.counters)

    def look(self) -> set[tuple[str, str]]:
        """(MAC or address, name) of what is told."""
        self.source.turn(Now(1_795_435_200_000, 1.0))
        found = self.told.take()
        assert not any(each.alive for each in found)
        return {(each.mac or address_text(each.ips[0]), clue.value) for each in found for clue in each.clues}


NAMED = {("192.168.1.9", "nas"), ("192.168.1.1", "fritz.box"), ("fe80::9", "nas")}


def test_addresses_and_macs_have_names(tmp_path: Path) -> None:
    hosts, ethers = tmp_path / "hosts", tmp_path / "ethers"
    hosts.write_text(HOSTS)
    watcher = Watcher(hosts, ethers)
    watcher.source.open()
    assert watcher.look() == NAMED
    assert watcher.look() == set()
    ethers.write_text(ETHERS)
    assert watcher.look() == {(PHONE, "phone"), ("00:83:e7:00:00:03", "nas")}
    append(hosts, "192.168.1.77 tv\n192.168.1.9 other\n")
    assert watcher.look() == {("192.168.1.77", "tv"), (TV, "tv")}, "the first line about an address counts"
    replace(hosts, HOSTS.replace("fritz.box", "router"))
    assert watcher.look() == {("192.168.1.1", "router")}
    hosts.unlink()
    assert watcher.look() == set()
    assert not watcher.counters["malformed.hosts"]


def test_what_cannot_be_understood_is_counted_and_harms_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(
        b"\xff\xfe\0\n192.168.1.500 x\n192.168.1.2\n" + b"x" * (LONGEST_LINE * 200) + b"\n" + HOSTS.encode()
    )
    watcher = Watcher(path)
    assert watcher.look() == NAMED
    assert watcher.counters["malformed.hosts"] == 4
    lines = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} h{n}\n" for n in range(1, MOST_NAMES + 11)]
    path.write_text("".join(lines))
    assert len(watcher.look()) == MOST_NAMES
    assert watcher.counters["dropped.hosts.too_many"] == 10
    path.unlink()
    path.mkdir()
    assert watcher.look() == set()
    assert watcher.counters["unreadable.hosts"] == 1


@pytest.mark.parametrize("line", ["192.168.1.1 fritz.box fritz", "192.168.1.1 FRITZ.box. Fritz"])
def test_a_name_that_is_listed_without_its_domain_is_used_so(line: str) -> None:
    named = decode_line(line.encode())
    assert named is not None and named.name is not None
    assert named.name.lower() == "fritz"


@given(st.binary(max_size=60))
def test_any_line_is_a_name_nothing_or_refused(line: bytes) -> None:
    for each in (line, b"192.168.1.9 " + line, PHONE.encode() + b" " + line):
        try:
            named = decode_line(each)
        except ValueError:
            continue
        assert named is None or named.name is None or (named.name.isprintable() and named.name)


def test_the_daemon_knows_the_name_of_a_device_that_shows_up_later(
    daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    path = tmp_path / "hosts"
    path.write_text(f"{HOSTS}{TV} tv\n")
    with daemon(f"[source:hosts]\nfiles = {path}\n") as running:
        eventually(lambda: running.status()["received"].get("hosts") == 4)
        running.emit({"type": "device", "mac": PHONE, "ip": "192.168.1.9"}, {"type": "device", "mac": TV})
        eventually(lambda: names(running, PHONE) == ["nas"])
        eventually(lambda: names(running, TV) == ["tv"])


def names(running: Daemon, mac: str) -> list[str]:
    kept = f"SELECT value FROM traits WHERE kind = 'hosts_name' AND station = '{mac}'"
    return [name for (name,) in rows(running.state / "core.db", kept)]
