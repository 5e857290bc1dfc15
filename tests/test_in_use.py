"""Who uses a state directory says so, as long as it can be used."""

import sqlite3
from pathlib import Path

import pytest

from netwatchd.pidfile import AlreadyRunning, Use
from netwatchd.storage.connection import Connection
from netwatchd.storage.verdicts import Unavailable


def is_used(directory: Path) -> bool:
    try:
        with Use(directory, alone=True):
            return False
    except AlreadyRunning:
        return True


def test_a_disk_that_fails_is_not_held_open_and_is_ours_again_when_it_works(tmp_path: Path) -> None:
    def fail(db: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with Use(tmp_path, alone=False) as use:
        connection = Connection(tmp_path, 0.01, lambda seconds: True)
        connection.use = use
        connection.connect_with_retry()
        assert is_used(tmp_path)
        with pytest.raises(Unavailable):
            connection.execute_with_retry(fail)
        # A replay may begin there now, and has the directory for itself; it is waited for.
        with Use(tmp_path, alone=True), pytest.raises(Unavailable, match="is used by a replay"):
            connection.connect_with_retry()
        connection.connect_with_retry()
        assert is_used(tmp_path)
    assert not is_used(tmp_path)


def test_what_lies_where_a_directory_was_is_the_one_that_is_held(tmp_path: Path) -> None:
    place, before = tmp_path / "state", tmp_path / "before"
    place.mkdir()
    with Use(place, alone=False) as use:
        place.rename(before)
        use.take()
        assert not is_used(before)
        place.mkdir()
        use.take()
        assert is_used(place)
    assert not is_used(place)
