"""A small file system of its own, on a loop device whose counters tell what was really written."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SECTOR = 512  # bytes, whatever the device's block size is (Documentation/block/stat.rst)


class Disk:
    """An ext4 file system and the device below it."""

    def __init__(self, mount: Path, device: str) -> None:
        self.mount = mount
        self._stat = Path(f"/sys/block/{Path(device).name}/stat")

    def written(self) -> int:
        """Bytes written to the device so far, after everything dirty was written back."""
        subprocess.run(["sync", "--file-system", self.mount], check=True)
        return int(self._stat.read_text().split()[6]) * _SECTOR


@contextlib.contextmanager
def own_disk(megabytes: int = 512) -> Iterator[Disk]:
    """A fresh ext4 file system; needs root and e2fsprogs."""
    with tempfile.TemporaryDirectory() as directory:
        image, mount = Path(directory) / "image", Path(directory) / "mount"
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        # Nothing may be initialised later, behind our back.
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-E", lazy, image], check=True)
        losetup = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
        device = losetup.stdout.strip()
        mount.mkdir()
        subprocess.run(["mount", device, mount], check=True)
        try:
            yield Disk(mount, device)
        finally:
            subprocess.run(["umount", mount], check=True)
            subprocess.run(["losetup", "--detach", device], check=True)
