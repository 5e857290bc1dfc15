"""Promises of the source `leases`: who is here, and who has left, by files written as their servers write them."""

import mmap
import os
from pathlib import Path

import pytest
from leases_kit import HOUR, KEA4, NOON, PHONE, TV, Watcher, append, isc, kea, line, replace, write

from netwatchd.decoders.leases import MOST_LEASES
from netwatchd.sources.lease_file import MOST_BYTES

DUID = "00:01:00:01:24:90:cf:a3:"
BOTH = line(PHONE, "192.168.1.5", "phone") + line(TV, "192.168.1.6", "tv")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def started(path: Path, text: str) -> Watcher:
    """A source that has read `text` and is past its beginning."""
    write(path, text)
    watcher = Watcher(path)
    watcher.settle()
    return watcher


# dnsmasq, which writes its file anew in place.


def test_what_dnsmasq_has_given_before_tells_names_and_not_who_is_here(path: Path) -> None:
    write(path, BOTH + line("a4:83:e7:00:00:03", "192.168.1.7") + line("00-", "192.168.1.8"))
    watcher = Watcher(path)
    assert watcher.settle() == [(PHONE, "known", 0, "phone"), (TV, "known", 0, "tv")]


def test_a_lease_that_is_given_or_renewed_is_a_sign_of_life(path: Path) -> None:
    watcher = started(path, line(PHONE, "192.168.1.5", "phone"))
    write(path, BOTH)
    assert watcher.look() == [(TV, "alive", 0, "tv")]
    assert watcher.settle() == []
    write(path, line(PHONE, "192.168.1.5", "phone", end=NOON + 2 * HOUR) + line(TV, "192.168.1.6", "tv"))
    assert watcher.look() == [(PHONE, "alive", 0, "phone")]
    write(path, line(PHONE, "192.168.1.5", end=NOON + 2 * HOUR) + line(TV, "192.168.1.6", "phone"))
    assert watcher.look() == [(TV, "known", 0, "phone")], "dnsmasq has taken the name away from one of them"
    assert watcher.settle() == []


def test_the_first_lease_of_a_file_that_was_empty_is_given_now(path: Path) -> None:
    watcher = started(path, "")
    write(path, line(PHONE, "192.168.1.5", "phone") + line("17", "fd00::5", "phone", client=DUID + PHONE))
    assert watcher.look() == [(PHONE, "alive", 0, "phone"), (PHONE, "alive", 0, "phone")]


def test_what_came_while_nothing_could_be_read_is_as_old_as_the_last_look(path: Path) -> None:
    watcher = started(path, line(PHONE, "192.168.1.5"))
    write(path, BOTH)
    assert watcher.look(seconds=600) == [(PHONE, "known", 600, "phone"), (TV, "alive", 600, "tv")]


@pytest.mark.parametrize("cut", [0, 10, len(BOTH) // 2, len(BOTH) - 1])
def test_half_a_file_at_first_is_no_lease_given_when_the_rest_comes(path: Path, cut: int) -> None:
    write(path, BOTH[:cut])
    now = path.stat().st_mtime_ns // 1_000_000
    watcher = Watcher(path, now=now)
    told = watcher.look(seconds=0.01)
    write(path, BOTH)
    assert [each[1] for each in told + watcher.settle()] == ["known", "known"]


def test_an_address_that_is_given_back_early_is_a_device_that_leaves(path: Path) -> None:
    watcher = started(path, BOTH)
    write(path, line(TV, "192.168.1.6", "tv"))
    assert watcher.look() == [], "the file may be half written"
    assert watcher.settle() == [(PHONE, "left", 0)]
    write(path, "")
    assert watcher.settle() == [(TV, "left", 0)]


def test_a_lease_that_runs_out_is_no_news(path: Path) -> None:
    watcher = started(path, line(PHONE, "192.168.1.5", end=NOON + 5000) + line(TV, "192.168.1.6"))
    watcher.look(seconds=6)
    write(path, line(TV, "192.168.1.6"))
    assert watcher.settle() == []


def test_who_has_another_lease_has_not_left(path: Path) -> None:
    watcher = started(path, BOTH)
    write(path, line(PHONE, "192.168.1.50", "phone") + line(TV, "192.168.1.6", "tv"))
    assert watcher.settle() == [(PHONE, "alive", 0, "phone")]


def test_an_address_that_moves_to_another_client_is_a_plain_sighting(path: Path) -> None:
    watcher = started(path, line(PHONE, "192.168.1.5", "phone"))
    write(path, line(TV, "192.168.1.5", "tv"))
    assert watcher.settle() == [(TV, "alive", 0, "tv")]


@pytest.mark.parametrize("cut", [0, 10, len(BOTH) // 2, len(BOTH) // 2 + 20, len(BOTH) - 1])
def test_half_a_file_is_no_lease_removed(path: Path, cut: int) -> None:
    watcher = started(path, BOTH)
    for _ in range(3):
        write(path, BOTH[:cut])
        assert watcher.look() == []
        assert watcher.look() == []
        write(path, BOTH)
        assert watcher.look() == []


@pytest.mark.parametrize("cut", [0, 10, len(BOTH) // 2 + 20, len(BOTH) - 1])
def test_a_file_that_stays_half_for_want_of_space_takes_no_lease_away(path: Path, cut: int) -> None:
    watcher = started(path, BOTH)
    write(path, BOTH[:cut])
    assert watcher.settle() == []
    write(path, BOTH)
    # Of an emptied file nothing is known any more: names are told again, but nobody has come.
    assert [each[1] for each in watcher.settle()] == (["known", "known"] if cut == 0 else [])


def test_a_change_that_the_files_times_do_not_show_is_found(path: Path) -> None:
    watcher = started(path, line(PHONE, "192.168.1.5", "phone"))
    write(path, line(PHONE, "192.168.1.5", "phone") + line(TV, "192.168.1.6", "tv000"))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[-1:] = b"\n"  # the kernel notes the time of the first change of a page only
        assert watcher.look() == [(TV, "alive", 0, "tv000")]
        stamp = path.stat()
        at = memory.find(b"tv000")
        memory[at : at + 5] = b"tv001"
        assert path.stat().st_mtime_ns == stamp.st_mtime_ns
        assert (TV, "known", 0, "tv001") in watcher.settle()


def test_deletion_and_replacement_take_nothing_away(path: Path) -> None:
    watcher = started(path, BOTH)
    path.unlink()
    assert watcher.settle() == []
    write(path, line(PHONE, "192.168.1.5", "phone"))
    assert watcher.settle() == [], "another file, which lacks a lease: who wrote it is not known"
    replace(path, line(TV, "192.168.1.6", "tv"))
    assert watcher.settle() == [(TV, "known", 0, "tv")]
    write(path, BOTH)
    assert watcher.settle() == [(PHONE, "alive", 0, "phone")]


def test_a_file_that_appears_later_is_found(path: Path) -> None:
    watcher = Watcher(path)
    watcher.source.open()
    assert watcher.settle() == []
    write(path, line(PHONE, "192.168.1.5", "phone"))
    assert watcher.settle() == [(PHONE, "known", 0, "phone")]


# IPv6: a DUID is no MAC.


def test_a_lease_of_ipv6_is_of_the_mac_that_a_lease_of_ipv4_names(path: Path) -> None:
    duid = DUID + PHONE
    six = f"duid {DUID}{TV}\n{line('17', 'fd00::5', 'phone', client=duid)}"
    watcher = Watcher(path)
    write(path, six)
    (known,) = watcher.look_whole()
    assert (known.mac, known.alive, known.ips[0], len(known.clues)) == (None, False, bytes.fromhex(f"fd00{5:028x}"), 2)
    # The client's identifier holds the DUID, whose MAC is that of another interface.
    client = "ff:00:00:00:02:" + DUID + PHONE
    write(path, line(TV, "192.168.1.6", "phone", client=client) + six.replace(str((NOON + HOUR) // 1000), "1795449600"))
    assert watcher.look() == [(TV, "alive", 0, "phone"), (TV, "alive", 0, "phone")]
    write(path, "duid 00:01\n" + six.replace(str((NOON + HOUR) // 1000), "1795449600"))
    assert watcher.settle() == [], "it has another lease"
    write(path, "duid 00:01\n")
    assert watcher.settle() == [(TV, "left", 0)]


# ISC dhcpd and Kea, which append.


def test_isc_tells_when_a_lease_began(path: Path) -> None:
    path.write_text(
        isc(PHONE, "10.0.0.5", NOON - 60_000, more='  client-hostname "phone";\n')
        + isc(TV, "10.0.0.6", NOON - 3 * HOUR, more='  client-hostname "tv";\n')
        + isc("a4:83:e7:00:00:03", "10.0.0.7", NOON - 60_000, "free", more='  client-hostname "gone";\n')
        + "host nas { dynamic; hardware ethernet a4:83:e7:00:00:04; }\n"
    )
    watcher = Watcher(path)
    assert sorted(watcher.look(seconds=0)) == [
        (PHONE, "alive", 60, "phone"), (TV, "known", 10_800, "tv"),
        ("a4:83:e7:00:00:03", "known", 60, "gone"), ("a4:83:e7:00:00:04", "known", 0, "nas"),
    ]  # fmt: skip


def test_isc_appends_and_what_is_given_back_says_so(path: Path) -> None:
    path.write_text(isc(PHONE, "10.0.0.5", NOON - 60_000) + isc(TV, "10.0.0.6", NOON - 60_000))
    watcher = Watcher(path)
    watcher.settle()
    append(path, isc(PHONE, "10.0.0.5", watcher.time)[:-30])
    assert watcher.look() == [], "half a block"
    append(path, isc(PHONE, "10.0.0.5", watcher.time)[-30:])
    assert watcher.look() == [
        (
            PHONE,
            "alive",
            1,
        )
    ]
    append(path, isc(PHONE, "10.0.0.5", watcher.time, "free", end=watcher.time))
    assert watcher.look() == [(PHONE, "left", 0)]
    append(path, isc(TV, "10.0.0.6", NOON - 60_000, "expired"))
    assert watcher.look() == [], "it ran out, whatever our clock says"
    append(path, isc(TV, "10.0.0.6", watcher.time, "abandoned"))
    assert watcher.look() == []


def test_isc_writes_a_new_file_now_and_then(path: Path) -> None:
    path.write_text(isc(PHONE, "10.0.0.5", NOON - 60_000) + isc(TV, "10.0.0.6", NOON - 60_000))
    watcher = Watcher(path)
    watcher.settle()
    replace(path, "# new\n" + isc(TV, "10.0.0.6", NOON - 60_000))
    assert watcher.settle() == []
    append(path, isc(PHONE, "10.0.0.5", NOON - 60_000, "free", end=watcher.time))
    assert watcher.look() == [(PHONE, "left", 0)], "what the earlier file said is remembered"


def test_kea_appends_and_begins_anew_when_it_cleans_up(path: Path) -> None:
    path.write_text(KEA4 + kea(PHONE, "10.0.0.5", NOON - 60_000, name="phone") + kea(TV, "10.0.0.6", NOON - 60_000))
    watcher = Watcher(path)
    assert watcher.settle() == [(PHONE, "alive", 60, "phone"), (TV, "alive", 60)]
    append(path, kea(PHONE, "10.0.0.5", watcher.time, name="phone"))
    assert watcher.look() == [(PHONE, "alive", 0, "phone")]
    path.rename(path.with_name("leases.1"))
    replace(path, KEA4)
    assert watcher.settle() == []
    append(path, kea(PHONE, "10.0.0.5", watcher.time, state=3, name="phone"))
    assert watcher.look() == [(PHONE, "known", 1, "phone"), (PHONE, "left", 0)]
    append(path, kea(TV, "10.0.0.6", NOON - 60_000, lifetime=0))
    assert watcher.look() == [(TV, "left", 0)]


def test_a_row_of_kea_that_ends_before_it_would_have_is_given_back(path: Path) -> None:
    path.write_text(KEA4 + kea(PHONE, "10.0.0.5", NOON))
    watcher = Watcher(path)
    watcher.settle()
    append(path, kea(PHONE, "10.0.0.5", watcher.time - 3_600_000))
    assert watcher.look()[-1] == (PHONE, "left", 0)


def test_only_what_was_appended_is_read(path: Path) -> None:
    path.write_text(KEA4 + "".join(kea(PHONE, f"10.0.{n >> 8}.{n & 255}", NOON) for n in range(1, 5000)))
    watcher = Watcher(path)
    assert len(watcher.look()) == 4999
    append(path, kea(TV, "10.1.0.1", NOON))
    assert watcher.look() == [(TV, "alive", 1)]
    assert watcher.source._files[0]._content.records == 5000
    replace(path, KEA4 + kea(TV, "10.1.0.2", NOON) + "x" * 1_000_000 + "\n" + kea(TV, "10.1.0.3", NOON))
    assert len(watcher.look()) == 2, "a larger file that is another one is read from its beginning"


def bytes_read() -> int:
    """By this process, as the kernel counts."""
    return int(Path("/proc/self/io").read_text().split()[1])


# What cannot be read.


def test_a_file_that_is_something_else_is_said_once_and_found_when_it_is_right(path: Path) -> None:
    watcher = Watcher(path)
    for content in (b"\0\1\2" * 1000 + b"\n", b"hello\nworld\n", b"x" * 200_000):
        path.write_bytes(content)
        assert watcher.settle() == []
    assert watcher.counters["unreadable.leases"] == 1
    path.unlink()
    path.mkdir()
    watcher.settle()
    path.rmdir()
    os.mkfifo(path)
    watcher.settle()
    path.unlink()
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    watcher.settle()
    assert watcher.counters["unreadable.leases"] == 3, "a folder and a pipe are the same trouble"
    write(path, BOTH)
    assert len(watcher.settle()) == 2


def test_damage_and_what_is_too_many_are_counted(path: Path) -> None:
    lines = [
        line("a4:83:e7:00:00:01", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "a") for n in range(1, MOST_LEASES + 11)
    ]
    write(path, "".join(lines) + "nonsense\n")
    watcher = Watcher(path)
    assert len(watcher.look()) == MOST_LEASES
    assert watcher.counters["dropped.leases.too_many"] == 10
    assert watcher.counters["malformed.leases"] == 1
