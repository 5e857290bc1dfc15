"""Roll-ups hold each flow's traffic once, whenever a crash comes, and `top` answers what the rows add up to."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rollups_kit import LAPTOP, PHONE, SERVER, Crash, Home, agrees, told, true
from store_kit import NOON, flow

from netwatchd.events import Flow

HOUR = 3_600_000

# A flow (by number) grows, or ends; or a flow of an older id comes late; totals are settled; roll-ups are written; what
# is pending is committed, or a part of it before a crash; an hour goes by.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 4), st.integers(0, 1000)),
        st.tuples(st.just("end"), st.integers(1, 4), st.integers(0, 1000)),
        st.tuples(st.just("late"), st.integers(1, 4), st.integers(1, 1000)),
        st.tuples(st.sampled_from(["settle", "write", "commit", "hour"]), st.just(0), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 1), st.integers(0, 60)),
    ),
    max_size=40,
)
SIDES = [(LAPTOP, SERVER), (SERVER, PHONE), (LAPTOP, PHONE), (SERVER, 8)]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whenever_a_crash_comes_the_rollups_and_what_came_since_are_what_the_rows_add_up_to(
    steps: list[tuple[str, int, int]],
) -> None:
    directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    home, alive, hours = Home(directory), dict[int, Flow](), 0
    try:
        for step, (what, number, size) in enumerate(steps, 100):
            src, dst = SIDES[number % len(SIDES)]
            fresh = flow(step, NOON + hours * HOUR, src_ip=src, dst_ip=dst, device=None, bytes_out=size, bytes_in=0)
            if what in ("grow", "end"):
                old = alive.pop(number, None) or fresh._replace(bytes_out=0)
                told_now = old._replace(bytes_in=old.bytes_in + size, state="closed" if what == "end" else "active")
                home.see(told_now, seconds=hours * 3600)
                if what == "grow":
                    alive[number] = told_now
            elif what == "late":
                home.see(fresh._replace(id=fresh.id - 99), seconds=hours * 3600)
            elif what == "settle":
                home.flows.settle()
            elif what == "hour":
                hours += 1
            elif what == "crash":
                with contextlib.suppress(Crash):
                    (home.write if number else home.commit)(min(size, 3))
                home.end()
                home, alive = Home(directory), {}
            else:
                (home.write if what == "write" else home.commit)()
            for by in ("device", "destination", "port"):
                assert told(directory, by) == true(directory, by)
        home.end()
        home = Home(directory)
        home.write()
        assert agrees(directory)
    finally:
        home.end()
        shutil.rmtree(directory)
