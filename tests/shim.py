"""A daemon whose reads, writes and fsyncs can be made to fail, and whose wall clock can be made to leap, from outside.

shim.c, built with the machine's C compiler, stands before the C library and looks into a small file for what to do.
"""

import errno
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMPILER = shutil.which("cc")
_CALLS = ("read", "write", "fsync")
_LAYOUT = struct.Struct("=qiiiiq64s")  # struct control of shim.c
_LEAP, _ERRNOS, _FAILED, _WHERE = 0, 8, 20, 24  # where its parts lie


class Shim:
    """Stands between one daemon and the C library; `environment` is what the daemon must be started with."""

    def __init__(self, directory: Path) -> None:
        assert COMPILER
        library = directory / "shim.so"
        source = Path(__file__).with_name("shim.c")
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
        self._control = directory / "shim"
        self._control.write_bytes(bytes(_LAYOUT.size))
        self.environment = {"LD_PRELOAD": str(library), "NETWATCHD_SHIM": str(self._control)}

    def leap(self, seconds: int) -> None:
        """Sets the wall clock so far from the right time."""
        self._put(_LEAP, struct.pack("=q", seconds))

    @contextmanager
    def failing(self, call: str, files: str, beyond: int = 0) -> Iterator[None]:
        """`read`, `write` or `fsync` fails with EIO on the files whose path contains `files`, from an offset on."""
        self._put(_WHERE, struct.pack("=q64s", beyond, files.encode()))
        self._put(_ERRNOS, struct.pack("=iii", *(errno.EIO if each == call else 0 for each in _CALLS)))
        try:
            yield
        finally:
            self._put(_ERRNOS, bytes(12))

    @property
    def failed(self) -> int:
        """How many calls have failed so far."""
        (count,) = struct.unpack_from("=i", self._control.read_bytes(), _FAILED)
        return int(count)

    def _put(self, at: int, value: bytes) -> None:
        with self._control.open("r+b", buffering=0) as file:
            file.seek(at)
            file.write(value)
