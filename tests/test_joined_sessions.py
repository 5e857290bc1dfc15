"""When two devices turn out to be one, what is remembered of their sessions is what is stored of them."""

from dataclasses import replace

import pytest
from ingest_kit import Recorder, later
from running import MAC, OTHER_MAC
from store_kit import device

from netwatchd.counters import Counters
from netwatchd.events import Session
from netwatchd.ingest.presence import Presence

# Seconds at which a device came and went; None: it has not.
SPANS = [(0, 30), (0, 50), (0, None), (20, 30), (20, 50), (20, None), (50, 60), (50, None)]


@pytest.mark.parametrize("loser", SPANS)
@pytest.mark.parametrize("winner", SPANS)
def test_a_session_that_ends_after_a_merge_leaves_none_open_and_none_within_another(
    loser: tuple[int, int | None], winner: tuple[int, int | None]
) -> None:
    store = Recorder()
    presence = Presence(store, 900, Counters())
    for key, (came, went) in ((MAC, winner), (OTHER_MAC, loser)):
        presence.hear(key, device(key), later(came).steady, later(came))
        if went is not None:
            presence.leave(key, device(key, last_seen=later(went).wall), later(went).steady, later(went))
    presence.join(OTHER_MAC, MAC)
    store.join_device(OTHER_MAC, MAC)
    here = None in (loser[1], winner[1])
    end = later(90).wall
    assert here is (presence.status_of(MAC) == "online")
    presence.leave(MAC, replace(device(MAC), last_seen=end), later(90).steady, later(90))
    sessions = sorted(
        (each for each in store.records.values() if isinstance(each, Session)), key=lambda each: each.start
    )
    assert {each.device for each in sessions} == {MAC}
    ends = [each.end or 0 for each in sessions]
    assert ends[-1] == (end if here else later(max(loser[1] or 0, winner[1] or 0)).wall)
    assert all(session.end for session in sessions), "none lasts"
    assert all(before <= session.start for before, session in zip(ends, sessions[1:], strict=False))
