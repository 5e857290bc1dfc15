"""A program that writes a log while somebody rotates it: `python writer.py PATH COUNT HOW [PAUSE]`.

It writes the lines `0` to `COUNT - 1`, every one of them once, in writes that cut lines anywhere, and rotates in one of
the ways in which logs are rotated. Tests run it as a process of its own.
"""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

EVERY = 400  # lines between two rotations


def main(path: Path, count: int, how: str, pause: float) -> None:
    """Writes all lines."""
    chance = random.Random(how)
    file = _open(path)
    lines = iter(range(count))
    for rotation in range(-(-count // EVERY)):
        some = [f"{number}\t{'x' * (number % 90)}\n" for _, number in zip(range(EVERY), lines, strict=False)]
        text = "".join(some).encode()
        if rotation and how != "none":
            file = ROTATIONS[how](path, file, rotation)
        while text:
            length = chance.randint(1, 3000)
            os.write(file, text[:length])
            text = text[length:]
            time.sleep(pause * chance.random())
    os.close(file)


def _open(path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def by_rename(path: Path, file: int, rotation: int) -> int:
    """As Zeek does: moved away, and begun anew."""
    path.rename(path.with_name(f"{path.stem}.{rotation:04d}{path.suffix}"))
    os.close(file)
    return _open(path)


def by_day(path: Path, file: int, rotation: int) -> int:
    """As zeekctl does: into a directory of the day."""
    day = path.parent / f"2026-11-{rotation % 3 + 1:02d}"
    day.mkdir(exist_ok=True)
    path.rename(day / f"{path.stem}.{rotation:04d}{path.suffix}")
    os.close(file)
    return _open(path)


def by_numbers(path: Path, file: int, _: int) -> int:
    """As logrotate does: .1 becomes .2, and the log .1."""
    numbers = sorted((int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.*")), reverse=True)
    for number in numbers:
        path.with_name(f"{path.name}.{number}").rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    os.close(file)
    return _open(path)


def late(path: Path, file: int, rotation: int) -> int:
    """The new file is there before the writer lets go of the old one, as before a SIGHUP."""
    path.rename(path.with_name(f"{path.name}.{rotation:04d}"))
    new = _open(path)
    time.sleep(0.02)
    os.write(file, f"late {rotation}\n".encode())
    os.close(file)
    return new


def by_copy(path: Path, file: int, rotation: int) -> int:
    """As logrotate's copytruncate does, where nobody writes in between, and the reader has begun to read the file."""
    _wait_until_read(path, (rotation - 1) * EVERY + 1)
    shutil.copyfile(path, path.with_name(f"{path.name}.{rotation:04d}"))
    os.truncate(path, 0)
    return file


def anew(path: Path, file: int, rotation: int) -> int:
    """The whole directory goes, as a memory disk's may; what was in it was read."""
    os.close(file)
    _wait_until_read(path, rotation * EVERY)
    shutil.rmtree(path.parent)
    return _open(path)


def _wait_until_read(path: Path, lines: int) -> None:
    """Waits until the file `read`, beside the directory, says that so many lines were read."""
    read = path.parent.with_name("read")
    until = time.monotonic() + 60
    while time.monotonic() < until and int(read.read_text() or 0) < lines:
        time.sleep(0.002)


ROTATIONS: dict[str, Callable[[Path, int, int], int]] = {
    "rename": by_rename, "day": by_day, "numbers": by_numbers, "late": late, "copy": by_copy, "anew": anew,
}  # fmt: skip

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
