"""The command: real programs that work, fail, hang, print without end, and leave others behind."""

import json
import logging
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alerts_kit import message
from conftest import needs_root
from waiting import eventually

from netwatchd.alerts import Postponed, Refused
from netwatchd.alerts.command import MOST_SAID, Command
from netwatchd.alerts.line import Line
from netwatchd.config import AlertCommand


def run(*command: str, timeout: float = 30.0, line: Line | None = None, **fields: Any) -> None:
    """Runs it for an alert, in a thread of its own, as the daemon does: it gives up that thread's privileges."""
    caught: list[Postponed | Refused] = []

    def send() -> None:
        try:
            Command(AlertCommand(command=command, timeout=timeout)).send(message(**fields), line or Line())
        except (Postponed, Refused) as error:
            caught.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_reads_json_and_finds_the_fields_in_its_environment(tmp_path: Path) -> None:
    code = "import json,os,sys;json.dump([json.load(sys.stdin),dict(os.environ),os.getcwd()],open(sys.argv[1],'w'))"
    run(*python(code, str(tmp_path / "out")), number=7, severity="high")
    given, environment, place = json.loads((tmp_path / "out").read_text())
    assert given == message(7, severity="high").json
    assert place == "/"
    told = {name.removeprefix("NETWATCHD_"): value for name, value in environment.items() if "NETWATCHD_" in name}
    assert told == {
        "EVENT": "threat", "ID": message(7).id, "HOST": "pi", "SEVERITY": "high", "THREAT": "7", "KIND": "port_scan",
        "TITLE": "HIGH: port scan by 10.0.0.7", "DEVICE": "10.0.0.7", "TARGET": "", "COUNT": "1",
        "DESCRIPTION": "number 7 tried many ports", "RECOMMENDATION": "Find out why.",
        "MUTE": "mute = port_scan 10.0.0.7",
    }  # fmt: skip
    rest = {name for name in environment if "NETWATCHD_" not in name}
    assert rest <= {"PATH", "LANG", "TZ", "LC_CTYPE"}


def test_nothing_of_ours_is_open_in_it_and_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as kept:
        os.set_inheritable(kept.fileno(), True)
        code = "import os,sys;open(sys.argv[1],'w').write(repr(sorted(os.listdir('/proc/self/fd'))[:4]) + sys.argv[2])"
        run(*python(code, str(tmp_path / "out"), "$HOME; rm -rf *"))
    assert (tmp_path / "out").read_text() == "['0', '1', '2', '3']$HOME; rm -rf *"  # 3 is the listing itself


@needs_root
def test_it_has_no_ambient_capabilities_and_can_gain_none(tmp_path: Path) -> None:
    run("/bin/sh", "-c", f"cat /proc/self/status > {tmp_path}/out")
    told = dict(line.split(":\t", 1) for line in (tmp_path / "out").read_text().splitlines() if ":\t" in line)
    assert int(told["CapAmb"], 16) == 0
    assert told["NoNewPrivs"] == "1"
    ours = Path("/proc/thread-self/status").read_text()
    assert "NoNewPrivs:\t0" in ours, "the daemon's own threads keep what they have"


def test_text_of_the_network_is_no_trouble_in_an_environment(tmp_path: Path) -> None:
    code = "import os,sys;open(sys.argv[1],'w').write(os.environ['NETWATCHD_TITLE'])"
    run(*python(code, str(tmp_path / "out")), kind="a\0b\nc\udc80", description="x" * 200_000)
    assert (tmp_path / "out").read_text() == "MEDIUM: a b c by 10.0.0.1"


def test_a_program_that_fails_is_tried_again_and_what_it_said_is_told() -> None:
    with pytest.raises(Postponed, match="failed with exit code 3: no route to the siren"):
        run("/bin/sh", "-c", "echo no route to the siren >&2; exit 3")
    with pytest.raises(Postponed, match="was ended by SIGSEGV"):
        run("/bin/sh", "-c", "kill -SEGV $$")


def test_a_program_that_is_not_there_or_may_not_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is not there"):
        run("/no/such/program", "hunter2")
    (tmp_path / "text").write_text("#!/bin/sh\n")
    with pytest.raises(Refused, match="cannot be run: Permission denied"):
        run(str(tmp_path / "text"))
    (tmp_path / "text").chmod(0o755)
    run(str(tmp_path / "text"))


def test_a_program_that_is_none_is_tried_again_and_said(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELFnonsense")
    (tmp_path / "program").chmod(0o755)
    with pytest.raises(Postponed, match="cannot be run: Exec format error"):
        run(str(tmp_path / "program"))


def test_where_descriptors_are_scarce_it_is_tried_again() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free := os.dup(0))  # the lowest number that is free
    for spare in range(4):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + spare, hard))
        try:
            with pytest.raises(Postponed, match="cannot be run: Too many open files"):
                run("/bin/true")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    code = f"sleep 1000 & echo $! $$ > {tmp_path}/pids; trap '' TERM; while :; do sleep 1; done"
    with pytest.raises(Postponed, match=r"was killed, because it did not end within 0.4 s"):
        run("/bin/sh", "-c", code, timeout=0.4)
    for pid in (tmp_path / "pids").read_text().split():
        eventually(lambda pid=int(pid): not alive(pid), "nothing of it is left")


def test_one_that_prints_without_end_costs_no_memory_and_one_that_prints_much_is_read_to_its_end() -> None:
    with pytest.raises(Postponed, match="was killed"):
        run("/bin/sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", timeout=0.5)
    run(*python("import sys;sys.stdout.write('x' * 10_000_000)"))


def test_what_it_prints_is_in_the_journal_at_debug_and_cut(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "netwatchd.alerts.command"):
        run(*python("print('\\x1b[2Jhello' + 'x' * 100_000)"))
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "hello" in record.getMessage() and record.getMessage().isprintable()
    assert len(record.getMessage()) < MOST_SAID + 200


def test_one_that_leaves_another_behind_is_over_when_it_ends(tmp_path: Path) -> None:
    run("/bin/sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid")  # whoever waits to the time limit is Postponed
    left = int((tmp_path / "pid").read_text())
    assert alive(left), "it did not wait for the one that keeps the output open"
    os.kill(left, 9)


def test_one_that_reads_nothing_and_closes_its_output_is_fine() -> None:
    run("/bin/sh", "-c", "exec 0<&- 1>&- 2>&-; sleep 0.1", description="x" * 500_000)


def test_a_cut_line_kills_it_at_once(tmp_path: Path) -> None:
    line = Line()

    def cut() -> None:
        eventually((tmp_path / "pid").exists)
        line.cut()

    threading.Thread(target=cut).start()
    with pytest.raises(Postponed, match="the daemon ends"):
        run("/bin/sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000", timeout=300, line=line)
    line.cut()  # when it is over, nobody is killed
