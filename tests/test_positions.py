"""The place in a log is kept behind the flows of the lines before it, and never ahead of them."""

from pathlib import Path

import pytest
from running import locked
from store_kit import NOON, flow, storing
from waiting import eventually

from netwatchd.events import Flow
from netwatchd.ingest.inbox import Inbox
from netwatchd.positions import Positions
from netwatchd.sources.recalled import row_of
from netwatchd.storage import spool
from netwatchd.storage.batch import Batch


def told(number: int, time: int = NOON) -> Flow:
    return flow(number, time, source="zeek", device=None)


def test_a_place_waits_until_the_flows_before_it_were_dealt_with(tmp_path: Path) -> None:
    inbox: Inbox[Flow] = Inbox(100)
    with storing(tmp_path) as store:
        places = Positions("zeek", tmp_path, inbox, store)
        assert places.recall() is None
        inbox.put([told(1)])
        assert places.keep("first")
        assert not places.keep("second"), "one waits already"
        taken = inbox.take(0)
        places.tend()
        assert not places.keep("second"), "taken is not dealt with"
        store.add_flows(taken)
        inbox.take(0)
        places.tend()
        eventually(lambda: places.recall() == "first")
        assert places.told_since(0) == ([row_of(told(1))], True)
        assert places.keep("second", soon=True)
        eventually(lambda: places.recall() == "second")


def test_what_is_told_since_is_the_sources_own_and_says_whether_it_lies_in_one_file(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        places = Positions("zeek", tmp_path, Inbox(100), store)
        store.add_flows([told(1), flow(2), told(3)])
        eventually(lambda: len(places.told_since(0)[0]) == 2)
        assert places.told_since(told(1).id) == ([row_of(told(3))], True)
        store.add_flows([told(4, NOON + 86_400_000)])
        eventually(lambda: len(places.told_since(0)[0]) == 3)
        assert not places.told_since(0)[1]


def test_while_the_database_cannot_be_written_nothing_is_looked_up(tmp_path: Path) -> None:
    with storing(tmp_path, retry_delay=0.01) as store:
        places = Positions("zeek", tmp_path, Inbox(100), store)
        assert places.is_writable()
        with locked(tmp_path / "core.db"):
            store.add_flows([told(1)])
            eventually(lambda: not places.is_writable())
            with pytest.raises(OSError, match="cannot be looked up"):
                places.recall()
            with pytest.raises(OSError, match="cannot be looked up"):
                places.told_since(0)
        eventually(places.is_writable)
        assert places.recall() is None


def test_a_place_survives_the_spool(tmp_path: Path) -> None:
    batch = Batch()
    batch.meta["followed.zeek"] = '{"id": 1, "files": {}}'
    spool.write(tmp_path / "spool", batch)
    read = spool.read(tmp_path / "spool")
    assert read is not None
    assert read.meta == batch.meta
