"""Who follows a log goes on after a restart where he was, whatever was rotated meanwhile."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from following import Reader, append, old, pack, restart


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "conn.log"


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    yield reader
    reader.follower.close()


def test_it_goes_on_in_the_middle_of_a_file(path: Path, reader: Reader) -> None:
    append(path, "a", "b", "half", end="")
    assert reader.read() == ["a", "b"]
    assert restart(reader, lambda: append(path, "")) == ["half"]


def rotate_twice(path: Path) -> None:
    """What was written meanwhile was moved away, file by file, and nothing lies at the path."""
    for number, text in enumerate("bc"):
        append(path, text)
        path.rename(path.with_name(f"conn.{number}.log"))


def test_a_restart_after_rotations_by_renaming(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()

    def rotate() -> None:
        rotate_twice(path)
        append(path, "d")

    assert restart(reader, rotate) == ["b", "c", "d"]


def test_a_restart_after_rotations_that_were_packed(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()

    def rotate() -> None:
        for text in "bc":
            append(path, text)
            (path.parent / "2026-11-23").mkdir(exist_ok=True)
            pack(path, f"2026-11-23/conn.{ord(text)}:00:00-11:00:00.log.gz")
        append(path, "d")

    assert restart(reader, rotate) == ["b", "c", "d"]


def test_a_restart_after_copytruncate(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()

    def rotate() -> None:
        append(path, "b")
        shutil.copyfile(path, path.with_name("conn.log.1"))
        os.truncate(path, 0)
        append(path, "c", "d", "e")

    assert restart(reader, rotate) == ["b", "c", "d", "e"]


def test_a_restart_after_rotations_when_nothing_lies_at_the_path(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    assert restart(reader, lambda: rotate_twice(path)) == ["b", "c"]
    append(path, "d")
    assert reader.read() == ["d"]


def test_files_that_were_finished_before_the_restart_are_not_read_again(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()
    path.rename(path.with_name("conn.1.log"))
    append(path, "b")
    reader.read()
    reader.wait()
    reader.read()
    old(path.with_name("conn.1.log"))

    def rotate() -> None:
        append(path, "c")
        path.rename(path.with_name("conn.2.log"))
        append(path, "d")

    assert restart(reader, rotate) == ["c", "d"]


def test_an_inode_that_was_given_to_another_file_is_not_taken_for_the_old_one(path: Path, reader: Reader) -> None:
    append(path, "a", "b")
    reader.read()

    def replace() -> None:
        # The same inode with other content is what a file system makes that gives inodes anew.
        with path.open("r+") as file:
            file.write("x\ny\nz\n")

    assert restart(reader, replace) == ["x", "y", "z"]
    (said,) = reader.follower.lost
    assert "cannot be found any more" in said


def test_a_rest_that_is_gone_is_said(path: Path, reader: Reader) -> None:
    append(path, "a")
    reader.read()

    def remove() -> None:
        path.unlink()
        append(path, "n")

    assert restart(reader, remove) == ["n"]
    assert len(reader.follower.lost) == 1


def test_it_is_in_two_files_when_it_is_stopped_while_an_old_one_is_still_looked_at(path: Path, reader: Reader) -> None:
    append(path, "a", "half", end="")
    reader.read()
    path.rename(path.with_name("conn.1.log"))
    append(path, "b")
    reader.read()

    def write() -> None:
        append(path.with_name("conn.1.log"), "")
        append(path, "c")

    assert restart(reader, write) == ["half", "c"]


def test_places_may_be_set_back_to_where_something_waits(path: Path, reader: Reader) -> None:
    append(path, "a", "b", "c")
    read = reader.follower.read()
    assert read is not None
    kept = reader.follower.positions({read.tail: read.lines[1].start}), reader.follower.looked
    reader.follower.close()
    reader.start(kept)
    assert reader.read() == ["b", "c"]
