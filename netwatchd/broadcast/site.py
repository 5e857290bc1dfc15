"""The files of the page, read when they are first asked for and then kept: nothing of a request becomes a path.

On most machines the daemon runs for months without anybody who looks, and a page is half a megabyte.
"""

import gzip
import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PAGE = Path(__file__).parent.parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class File:
    """One file, as it is sent."""

    content: bytes
    type: str

    @cached_property
    def tag(self) -> str:
        """What changes with the content; a weak one, because it is the same with gzip (RFC 9110 section 8.8.3)."""
        return f'W/"{hashlib.blake2b(self.content, digest_size=9).hexdigest()}"'

    @cached_property
    def zipped(self) -> bytes:
        """The content as gzip has it; always the same, so that the tag holds for it, too."""
        return gzip.compress(self.content, mtime=0)


class Site:
    """All files of the page by the paths under which they are asked for."""

    def __init__(self, directory: Path = PAGE) -> None:
        self._directory = directory
        self._lock = threading.Lock()  # all files are of one version, whoever asks first

    def file(self, path: str) -> File | None:
        """The file that is meant by the path of a URL, where there is one. Any thread may ask; raises OSError."""
        with self._lock:
            return self._files.get("/index.html" if path == "/" else path)

    @cached_property
    def _files(self) -> dict[str, File]:
        files = {
            f"/{path.relative_to(self._directory).as_posix()}": File(path.read_bytes(), TYPES[path.suffix])
            for path in sorted(self._directory.rglob("*"))
            if path.suffix in TYPES
        }
        if not files:
            raise FileNotFoundError(f"there is nothing in {self._directory}")
        return files
