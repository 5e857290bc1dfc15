"""One growing file: its lines and their places, whatever is done to it."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.sources.tail import CHUNK, Damaged, Line, Position, Rewritten, Tail

MOST = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "log").write_bytes(b"")
    return tmp_path / "log"


@pytest.fixture
def tail(path: Path) -> Iterator[Tail]:
    tail = Tail(path, MOST, b"#separator")
    yield tail
    tail.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_line_comes_when_its_newline_does(path: Path, tail: Tail) -> None:
    assert tail.read() is None
    append(path, b"one\ntw")
    assert tail.read() == [Line(0, b"one")]
    assert tail.offset == 4
    assert tail.read() is None
    append(path, b"o\n\nthree\n")
    assert tail.read() == [Line(4, b"two"), Line(8, b""), Line(9, b"three")]
    assert tail.offset == 15


def test_a_line_that_is_too_long_is_passed_over_and_told(path: Path, tail: Tail) -> None:
    append(path, b"x" * MOST + b"\n" + b"y" * (MOST + 1) + b"\nz\n")
    assert tail.read() == [Line(0, b"x" * MOST), Line(21, None), Line(43, b"z")]
    append(path, b"y" * 50)
    assert tail.read() == [Line(45, None)]
    append(path, b"y" * 50)
    assert tail.read() == []
    assert tail.offset == 45, "who comes back reads it from its beginning"
    append(path, b"\nnext\n")
    assert tail.read() == [Line(146, b"next")]
    assert tail.offset == 151


@given(st.lists(st.binary(max_size=30), max_size=8), st.data())
def test_lines_do_not_depend_on_how_they_were_written(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes],
                                                      data: st.DataObject) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("cut") / "log"
    whole = b"\n".join(parts) + b"\n"
    path.write_bytes(b"")
    tail = Tail(path, MOST)
    try:
        found: list[Line] = []
        rest = whole
        while rest:
            length = data.draw(st.integers(1, len(rest)))
            append(path, rest[:length])
            rest = rest[length:]
            found += tail.read() or []
        place = 0
        expected = []
        for line in whole.split(b"\n")[:-1]:
            expected.append(Line(place, line if len(line) <= MOST else None))
            place += len(line) + 1
        # Zeros at the beginning of what was read are a hole, which is passed over.
        if not any(part.startswith(b"\0") for part in parts) and b"\0" not in whole:
            assert found == expected
        assert tail.offset == len(whole)
    finally:
        tail.close()


def test_more_than_one_chunk_is_read_on_at_once(path: Path) -> None:
    line = b"x" * 999 + b"\n"
    append(path, line * 600)
    tail = Tail(path, 2000)
    lengths = [len(lines) for lines in iter(tail.read, None)]
    assert sum(lengths) == 600
    assert len(lengths) == 3 == -(-600_000 // CHUNK)
    tail.close()


@pytest.mark.parametrize("after", [b"", b"new\n", b"quite another line\nand one more\n"])
def test_a_file_that_was_truncated_is_noticed_also_when_it_has_grown_again(
    path: Path, tail: Tail, after: bytes
) -> None:
    append(path, b"old line\nand half")
    assert tail.read() == [Line(0, b"old line")]
    read_to, fingerprint = tail.what_was_read()
    assert (read_to, fingerprint) == (17, tail.fingerprint(17))
    path.write_bytes(after)
    with pytest.raises(Rewritten):
        tail.read()
    assert tail.what_was_read() == (17, fingerprint)
    tail.seek(0, None)
    assert [line.text for line in tail.read() or []] == after.split(b"\n")[:-1]


def test_the_hole_that_a_writer_without_append_leaves_is_no_line(path: Path, tail: Tail) -> None:
    with path.open("wb", buffering=0) as writer:
        writer.write(b"one\ntwo\n")
        assert len(tail.read() or []) == 2
        os.truncate(path, 0)
        with pytest.raises(Rewritten):
            tail.read()
        tail.seek(0, None)
        assert tail.read() is None
        writer.write(b"three\n")
    assert tail.read() == [Line(8, b"three")]


def test_a_position_is_known_again_by_what_stands_before_it(path: Path, tail: Tail) -> None:
    append(path, b"one\ntwo\nthr")
    tail.read()
    position = tail.position()
    assert (position.offset, position.inode) == (8, path.stat().st_ino)
    assert Position.of_json(position.to_json()) == position
    other = path.with_name("other")
    other.write_bytes(b"one\nTWO\nthr")
    copy = Tail(other, MOST)
    assert copy.fingerprint(8) != position.fingerprint
    assert copy.fingerprint(4) == tail.fingerprint(4)
    assert copy.fingerprint(12) == "", "it is not so long"
    copy.close()


@pytest.mark.parametrize("value", [None, [], [1, 2, 3], [1, 2, -3, "x", None], [1, 2, 3, 4, None], [1, 2, 3, "x", "y"],
                                   [True, 2, 3, "x", None], {"a": 1}, "abcde"])  # fmt: skip
def test_what_is_no_position_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no position"):
        Position.of_json(value)


def test_who_begins_in_the_middle_gets_the_header_that_holds_there(path: Path, tail: Tail) -> None:
    append(path, b"#separator a\n#fields a\n1\n#close\n#separator b\n#fields b\n2\n")
    tail.read()
    first, second = tail.position(23), tail.position()
    assert first.header is None, "it was not known there that it would hold"
    again = Tail(path, MOST, b"#separator")
    again.seek(second.offset, second.header)
    assert again.context == [b"#separator b", b"#fields b"]
    assert again.read() is None
    append(path, b"#separator c\n3\n")
    assert again.read() == [Line(57, b"#separator c"), Line(70, b"3")]
    assert again.position().header == 57
    again.close()


def test_what_gzip_has_packed_is_read_from_an_offset_on(path: Path) -> None:
    packed = path.with_name("log.1.gz")
    packed.write_bytes(gzip.compress(b"one\ntwo\nthree\n"))
    tail = Tail(packed, MOST)
    tail.seek(4, None)
    assert tail.read() == [Line(4, b"two"), Line(8, b"three")]
    assert tail.read() is None
    tail.close()
    packed.write_bytes(packed.read_bytes()[:-12])
    tail = Tail(packed, MOST)
    with pytest.raises(Damaged):
        tail.read()
    tail.close()


def test_the_last_line_of_a_file_that_ended_without_newline(path: Path, tail: Tail) -> None:
    append(path, b"one\ntwo")
    tail.read()
    assert tail.end() == [Line(4, b"two")]
    assert tail.end() == []


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="no regular file"):
            Tail(path, MOST)
    with pytest.raises(FileNotFoundError):
        Tail(tmp_path / "none", MOST)
