"""The journal gets fields, one record an event, and no more than one a minute of the same trouble."""

import contextlib
import logging
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netwatchd.counters import Counters
from netwatchd.journal import JournalHandler, OncePerMinute, ServiceManager, under_journald

RUN = """
import logging, sys
from netwatchd import journal
journal.start_logging("info")
log = logging.getLogger("netwatchd.test")
log.debug("unheard")
log.info("heard %d", 7)
for _ in range(3):
    log.error("trouble", extra={"repeat": "k"})
"""


def record(level: int = logging.ERROR, message: str = "trouble", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("netwatchd.test", level, __file__, 1, message, (), None)
    vars(made).update(extra)
    return made


def fields(datagram: bytes) -> dict[str, str]:
    """The fields of a record as systemd.io/JOURNAL_NATIVE_PROTOCOL writes them."""
    found = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack_from("<Q", datagram)
            value, datagram = datagram[8 : 8 + size], datagram[9 + size :]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def journal(short: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(short / "journal"))
    receiver.settimeout(5)
    return receiver


def test_a_record_reaches_the_journal_with_its_priority_and_fields(journal: socket.socket, short: Path) -> None:
    handler = JournalHandler(str(short / "journal"))
    handler.emit(record(message="new station", source="json", device="a4:83:e7:00:00:01", event="new"))
    got = fields(journal.recv(65536))
    assert got.pop("THREAD")
    assert got == {
        "MESSAGE": "new station", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "netwatchd", "LOGGER": "netwatchd.test",
        "SOURCE": "json", "DEVICE": "a4:83:e7:00:00:01", "EVENT": "new",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.CRITICAL, "2"), (logging.WARNING, "4"), (logging.INFO, "6"), (logging.DEBUG, "7")]
)
def test_levels_are_syslogs_priorities(journal: socket.socket, short: Path, level: int, priority: str) -> None:
    JournalHandler(str(short / "journal")).emit(record(level))
    assert fields(journal.recv(65536))["PRIORITY"] == priority


@pytest.mark.parametrize("message", ["two\nlines", "PRIORITY=0\nMESSAGE=forged", "\ud800 lone", "ünïcode"])
def test_no_message_can_forge_a_field(journal: socket.socket, short: Path, message: str) -> None:
    JournalHandler(str(short / "journal")).emit(record(message=message))
    got = fields(journal.recv(65536))
    assert got["MESSAGE"] == message.encode(errors="replace").decode()
    assert got["PRIORITY"] == "3"


def test_without_a_journal_the_record_goes_to_standard_error(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JournalHandler(str(short / "nowhere")).emit(record())
    assert capsys.readouterr().err == "<3>trouble\n"


def test_a_journal_that_hangs_holds_nobody_up_and_is_told_later_how_much_it_missed(
    journal: socket.socket, short: Path
) -> None:
    handler = JournalHandler(str(short / "journal"))
    sent = 5000  # more than the kernel keeps for one who does not read (net.unix.max_dgram_qlen)
    for n in range(sent):
        handler.emit(record(message=f"line {n}"))
    journal.settimeout(0)
    heard = 0
    with contextlib.suppress(BlockingIOError):
        while journal.recv(65536):
            heard += 1
    assert 0 < heard < sent
    handler.emit(record(message="heard again", source="json"))
    told = fields(journal.recv(65536))
    assert told["MESSAGE"].startswith(f"{sent - heard} lines of the log are lost")
    assert (told["EVENT"], told["PRIORITY"]) == ("loss", "4")
    assert fields(journal.recv(65536))["MESSAGE"] == "heard again"


def test_the_same_trouble_is_written_once_a_minute_and_then_with_how_often_it_was() -> None:
    now = [0.0]
    once = OncePerMinute(lambda: now[0])
    assert once.filter(record(repeat="disk"))
    assert [once.filter(record(repeat="disk")) for _ in range(5)] == [False] * 5
    assert once.filter(record(repeat="other"))
    assert once.filter(record())
    now[0] = 60.0
    again = record(repeat="disk")
    assert once.filter(again)
    assert again.getMessage() == "trouble (and 5 more like it since the last report)"
    assert not once.filter(record(repeat="disk"))


def test_what_is_worth_a_line_each_has_one_until_there_are_too_many_in_a_minute() -> None:
    now = [0.0]
    once = OncePerMinute(lambda: now[0])
    assert [once.filter(record(repeat="new", most=3)) for _ in range(7)] == [True] * 3 + [False] * 4
    now[0] = 60.0
    again = record(repeat="new", most=3)
    assert once.filter(again)
    assert again.getMessage() == "trouble (and 4 more like it since the last report)"
    assert [once.filter(record(repeat="new", most=3)) for _ in range(3)] == [True, True, False]


def test_troubles_that_name_ever_new_clients_cost_no_memory_for_ever() -> None:
    now = [0.0]
    once = OncePerMinute(lambda: now[0])
    for n in range(5000):
        now[0] += 1
        once.filter(record(repeat=f"client.{n}"))
    assert len(once._seen) < 1100


def test_ever_new_clients_within_a_minute_fill_neither_the_memory_nor_the_journal() -> None:
    now = [0.0]
    once = OncePerMinute(lambda: now[0])
    written = [once.filter(record(repeat=f"client.{n}")) for n in range(5000)]
    assert written.count(True) == 1001
    assert len(once._seen) == 1001
    now[0] = 60.0
    again = record(repeat="one more")
    assert once.filter(again)
    assert once.filter(record(repeat="client.4999"))


def test_on_a_terminal_lines_are_plain_and_repeats_are_held_back() -> None:
    answer = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    lines = [line.split(None, 1)[1] for line in answer.stderr.splitlines()]
    assert lines == ["INFO    heard 7", "ERROR   trouble"]


def test_standard_error_counts_as_the_journal_only_where_systemd_says_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.fstat(2)
    for value, is_journal in ((f"{stat.st_dev}:{stat.st_ino}", True), ("1:2", False), ("nonsense", False)):
        monkeypatch.setenv("JOURNAL_STREAM", value)
        assert under_journald() is is_journal


def test_systemd_is_told_what_happens(short: Path, monkeypatch: pytest.MonkeyPatch, journal: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(short / "journal"))
    manager = ServiceManager()
    manager.ready()
    manager.status("3 devices")
    manager.reloading()
    manager.alive()
    manager.stopping()
    told = [journal.recv(4096).decode() for _ in range(5)]
    assert told[:2] == ["READY=1", "STATUS=3 devices"]
    assert told[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[3:] == ["WATCHDOG=1", "STOPPING=1"]


def test_counters_are_told_as_a_tree() -> None:
    counters = Counters()
    counters.add("dropped.flows.full", 2)
    counters.add("dropped.flows.full")
    counters.add("received.json", 5)
    assert counters["dropped.flows.full"] == 3
    assert counters["never"] == 0
    assert counters.tree() == {"dropped": {"flows": {"full": 3}}, "received": {"json": 5}}
