"""The pictures of docs/ are of the page as it is: that which takes them works, and they are all there."""

from pathlib import Path

from playwright.sync_api import Browser
from screenshots import DOCS, PICTURES, take_all


def test_the_pictures_of_docs_are_taken_of_a_daemon_that_runs(browser: Browser, tmp_path: Path) -> None:
    taken = take_all(browser, tmp_path, minutes=0.1)
    assert sorted(path.name for path in taken) == sorted(PICTURES) == sorted(path.name for path in DOCS.glob("*.webp"))
    for path in taken:
        picture = path.read_bytes()
        assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")
        # An empty page is smaller by far.
        assert len(picture) > 20_000
