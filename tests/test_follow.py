"""A log is followed through every rotation, and every line of it is read once, also across restarts."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from following import Reader, append, pack
from waiting import eventually

from netwatchd.sources.follow import MOST_TAILS

ROOT = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "conn.log"


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    yield reader
    reader.follower.close()


@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarts"])
@pytest.mark.parametrize("how", ["none", "rename", "day", "numbers", "late", "copy", "anew"])
def test_every_line_is_read_once_while_a_process_writes_and_rotates(
    path: Path, reader: Reader, how: str, restarts: bool
) -> None:
    count = 2000
    chance = random.Random(how)
    progress = path.parent.with_name("read")
    progress.write_text("")
    assert not reader.read()  # what was rotated before the first look is not ours to read
    writer = subprocess.Popen([sys.executable, str(ROOT / "writer.py"), str(path), str(count), how, "0.001"])
    late = count // 400 - 1 if how == "late" else 0

    def all_there() -> bool:
        reader.now = time.monotonic()
        reader.read()
        progress.write_text(str(len(reader.texts)))
        if restarts and chance.random() < 0.2:
            reader.start(reader.stop())
        return len(reader.texts) >= count + late

    try:
        eventually(all_there)
        assert writer.wait(60) == 0
    finally:
        writer.kill()
    assert not reader.read()
    numbers = [int(text.split("\t")[0]) for text in reader.texts if text[0] != "l"]
    assert sorted(numbers) == list(range(count))
    assert sorted(text for text in reader.texts if text.startswith("late")) == sorted(
        f"late {n + 1}" for n in range(late)
    )
    # What was in a directory that is gone was read, but who comes back cannot know that it was all.
    assert reader.follower.lost == [] or (how == "anew" and restarts)


@pytest.mark.parametrize("begun_anew", [True, False])
@pytest.mark.parametrize("restarts", [True, False])
def test_a_first_log_that_came_and_went_between_two_looks_is_read(
    path: Path, reader: Reader, restarts: bool, begun_anew: bool
) -> None:
    older = path.with_name("conn.0000.log")
    append(older, "from before the first look")
    os.utime(older, (1, 1))
    assert not reader.read()
    if restarts:
        reader.start(reader.stop())
    append(path, "a")
    path.rename(path.with_name("conn.0001.log"))
    append(path, "b")
    if not begun_anew:
        path.rename(path.with_name("conn.0002.log"))
    assert reader.read() == ["a", "b"]
    assert not reader.read()


def test_a_log_that_is_not_there_yet_is_waited_for(path: Path, reader: Reader) -> None:
    shutil.rmtree(path.parent)
    assert reader.read() == []
    assert not reader.follower.is_there
    path.parent.mkdir()
    assert reader.read() == []
    append(path, "a")
    assert reader.read() == ["a"]
    assert reader.follower.is_there


def test_the_old_file_is_read_to_its_end_before_the_new_one(path: Path, reader: Reader) -> None:
    append(path, "a")
    assert reader.read() == ["a"]
    append(path, "b")
    path.rename(path.with_name("conn.1.log"))
    append(path, "c")
    assert reader.read() == ["b", "c"]
    with path.with_name("conn.1.log").open("a") as late:
        late.write("d\n")
    append(path, "e")
    assert reader.read() == ["d", "e"]


def test_an_old_file_is_let_go_of_when_it_was_silent_for_long_enough(path: Path, reader: Reader) -> None:
    append(path, "a", "half", end="")
    reader.read()
    path.rename(path.with_name("conn.1.log"))
    append(path, "b")
    assert reader.read() == ["b"]
    assert len(reader.keep()[0]) == 2
    reader.wait()
    assert reader.read() == ["half"], "its last line may lack the newline"
    assert len(reader.keep()[0]) == 1
    append(path.with_name("conn.1.log"), "nobody reads this")
    append(path, "c")
    assert reader.read() == ["c"]


def test_a_file_that_came_and_went_between_two_looks_is_read(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    for number, text in enumerate("bcd"):
        path.rename(path.with_name(f"conn.{number}.log"))
        append(path, text)
    assert reader.read() == ["b", "c", "d"]


def test_a_file_that_came_and_went_is_read_while_nothing_lies_at_the_path(path: Path, reader: Reader) -> None:
    append(path, "a")
    assert reader.read() == ["a"]
    path.rename(path.with_name("conn.1.log"))
    append(path, "b")
    path.rename(path.with_name("conn.2.log"))
    assert reader.read() == ["b"]
    append(path.with_name("conn.2.log"), "c")
    assert reader.read() == ["c"]
    append(path, "d")
    assert reader.read() == ["d"]
    reader.wait()
    assert reader.read() == []


def test_files_with_the_same_header_are_told_apart_by_their_lines(path: Path, reader: Reader) -> None:
    append(path, "#separator x", "a")
    reader.read()
    for number in range(3):
        path.rename(path.with_name(f"conn.{number}.log"))
        append(path, "#separator x", *[f"b{number}"] * number)
    assert [text for text in reader.read() if text[0] != "#"] == ["b1", "b2", "b2"]


def test_what_gzip_packed_at_once_is_read_from_the_open_file_and_not_twice(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    append(path, "b")
    pack(path, "conn.2026-11-23.log.gz")
    append(path, "c")
    assert reader.read() == ["b", "c"]


def test_copytruncate_is_read_on_in_the_copy(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    append(path, "b", "half", end="")
    shutil.copyfile(path, path.with_name("conn.log.1"))
    os.truncate(path, 0)
    append(path, "c")
    assert reader.read() == ["b", "c"]
    reader.wait()
    append(path, "d")
    assert reader.read() == ["half", "d"]


def test_a_truncated_log_without_a_copy_is_read_from_its_beginning_and_the_loss_is_said(
    path: Path, reader: Reader
) -> None:
    append(path, "a", "b")
    reader.read()
    os.truncate(path, 0)
    append(path, "c")
    assert reader.read() == ["c"]
    (said,) = reader.follower.lost
    assert "was truncated" in said
    assert "delaycompress" in said


def test_a_log_that_was_written_anew_with_as_many_bytes_is_noticed(path: Path, reader: Reader) -> None:
    append(path, "a", "b")
    reader.read()
    with path.open("r+") as file:
        file.write("c\nd\n")
    assert reader.read() == ["c", "d"]


def test_a_log_that_is_replaced_by_another_file(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    other = path.with_name("new")
    append(other, "b")
    other.rename(path)
    assert reader.read() == ["b"]


def test_other_logs_and_copies_beside_it_are_not_read(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    for name in ("conn-summary.1.log", "conn.log.1.xz", "conn_long.log", "dns.1.log", "conn.log~", "xconn.1.log"):
        append(path.with_name(name), "other")
    shutil.copyfile(path, path.with_name("conn.9.log"))
    path.rename(path.with_name("conn.1.log"))
    append(path, "b")
    assert reader.read() == ["b"]


def test_a_broken_gz_is_given_up_and_said(path: Path, reader: Reader) -> None:
    append(path, "a", "b")
    reader.read()
    kept = reader.stop()
    append(path, *(str(number) for number in range(99999)))
    pack(path, "conn.log.1.gz")
    packed = path.with_name("conn.log.1.gz")
    packed.write_bytes(packed.read_bytes()[:-100])
    append(path, "c")
    reader.start(kept)
    assert reader.read()[-1] == "c"
    assert len(reader.follower.lost) == 1


def test_very_many_rotations_at_once_are_bounded(path: Path, reader: Reader) -> None:
    append(path, "0")
    reader.read()
    for number in range(1, MOST_TAILS + 9):
        path.rename(path.with_name(f"conn.{number:03d}.log"))
        append(path, str(number))
    found = reader.read()
    assert found == sorted(found, key=int)
    assert len(found) + len(reader.follower.lost) >= MOST_TAILS + 8
