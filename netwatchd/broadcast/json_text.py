"""JSON as it is answered: a row at a time, so that a long list is never there twice, and compressed on the way.

ASCII only, so that a lone surrogate in a host name is legal UTF-8 on the wire; a number that JSON has no words for
(NaN, infinity; RFC 8259 section 6), which an alert of another program may hold, becomes null.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=str).encode
_LEVEL = 1  # a list of flows is a tenth then; the best would take five times as long for a twentieth
_GZIP = 31  # window bits, with the header and the end of gzip (zlib.h, deflateInit2)
_PIECE = 65536  # bytes of text that are compressed at once


def text_of(value: Any) -> str:
    """A value as JSON."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_sayable(value))


def pieces_of(value: Any) -> Iterator[str]:
    """The same, of a list or any iterable one element at a time; with a line end."""
    if isinstance(value, str | dict) or not isinstance(value, Iterable):
        yield text_of(value)
    else:
        before = "["
        for each in value:
            yield before + text_of(each)
            before = ","
        yield "]" if before == "," else "[]"
    yield "\n"


def zipped(pieces: Iterable[str]) -> tuple[bytes, int]:
    """Text as gzip has it, always the same for the same text; and how many bytes it is without."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    found, waiting, size, total = [], [], 0, 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            found.append(compressor.compress("".join(waiting).encode()))
            waiting, size, total = [], 0, total + size
    found.append(compressor.compress("".join(waiting).encode()))
    found.append(compressor.flush())
    return b"".join(found), total + size


def unzipped(content: bytes) -> Iterator[bytes]:
    """What `zipped` was given, in pieces: it may be ten times as large, and be taken slowly."""
    decompressor = zlib.decompressobj(_GZIP)
    while content:
        yield decompressor.decompress(content, _PIECE)
        content = decompressor.unconsumed_tail
    yield decompressor.flush()


def _sayable(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _sayable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(each) for each in value]
    return value
