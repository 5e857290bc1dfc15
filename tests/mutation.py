"""Damaged copies of valid input: what a bad cable, a torn file or somebody with time on his hands would send."""

from collections.abc import Callable, Sequence
from random import Random

LONGEST = 100_000  # bytes of a damaged input

# Values at which lengths and counters go wrong.
_EDGES = [
    b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", b"\x7f\xff", b"\0\0\0\0", b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0" * 8, b"\xff" * 8, b"\n", b"\r\n", b'"', b"\\", b" ",
    b"-1", b"0", b"9223372036854775808", b"1e999", b"\xc3\x28", b"\xf0\x9f\x92\xa9", b"\\ud800",
]  # fmt: skip


def damaged(random: Random, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the seeds after a few accidents; `words` mean something to who reads it."""
    data = bytearray(random.choice(seeds))
    for _ in range(min(int(random.expovariate(0.5)) + 1, 12)):
        random.choice(_ACCIDENTS)(random, data, seeds, words)
    return bytes(data[:LONGEST])


def pieces(random: Random, data: bytes) -> list[bytes]:
    """The data as a socket might bring it."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 1, 2, 5))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > start]


def _span(random: Random, data: bytes | bytearray) -> slice:
    """A stretch, more often a short one."""
    start = random.randrange(len(data) + 1)
    return slice(start, start + min(int(random.paretovariate(0.6)), len(data)))


def _flip(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _overwrite(random: Random, data: bytearray, _: Sequence[bytes], words: Sequence[bytes]) -> None:
    value = random.choice([*_EDGES, *words])
    at = random.randrange(len(data) + 1)
    data[at : at + len(value)] = value


def _insert(random: Random, data: bytearray, _: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice([*_EDGES, *words, random.randbytes(random.randrange(1, 20))])


def _remove(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    del data[_span(random, data)]


def _truncate(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _repeat(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    span = _span(random, data)
    times = random.choice((1, 1, 2, 10, 1000))
    data[span.start : span.start] = (data[span] * times)[:LONGEST]


def _move(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    span = _span(random, data)
    moved = data[span]
    del data[span]
    at = random.randrange(len(data) + 1)
    data[at:at] = moved


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes], _: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    data[_span(random, data)] = other[_span(random, other)]


def _cross(random: Random, data: bytearray, seeds: Sequence[bytes], _: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    data[random.randrange(len(data) + 1) :] = other[random.randrange(len(other) + 1) :]


def _renumber(random: Random, data: bytearray, *_: Sequence[bytes]) -> None:
    """Another number where one is written in digits."""
    digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if digits:
        at = random.choice(digits)
        data[at : at + 1] = random.choice((b"0", b"9", b"-1", b"99999999999999999999", b"1.5", b"9" * 400, b"null"))


_ACCIDENTS: list[Callable[[Random, bytearray, Sequence[bytes], Sequence[bytes]], None]] = [
    _flip, _flip, _overwrite, _overwrite, _insert, _remove, _truncate, _repeat, _move, _splice, _cross, _renumber,
]  # fmt: skip
