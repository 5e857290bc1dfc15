"""What comes of fetching a list. Apart from `fetching`, which is loaded when something is fetched: urllib is large."""

from typing import NamedTuple

SILENCE = 20.0  # seconds without a byte after which a server counts as gone
LONGEST = 300.0  # seconds that a list may take in all: 64 MB at 2 Mbit/s


class Failed(Exception):
    """The list was not fetched; the text says why. `retry` are the seconds that the server asks to wait, 0: none."""

    def __init__(self, text: str, retry: float = 0) -> None:
        super().__init__(text)
        self.retry = retry


class Answer(NamedTuple):
    """What came."""

    etag: str
    modified: str  # Last-Modified, as the server writes it
    size: int  # bytes, unpacked
    digest: str  # SHA-256, in hexadecimal


class Limits(NamedTuple):
    """How much is put up with."""

    size: int
    seconds: float = LONGEST
    silence: float = SILENCE
