"""kill -9 of a store that keeps, drops, joins and erases: it holds all words up to one of them, and no half of it."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from ingest_kit import Recorder
from running import MAC, OTHER_MAC, locked, rows
from store_kit import device, storing
from test_records import THIRD, alias, trait

from netwatchd.events import Session
from netwatchd.ingest import Store
from netwatchd.storage import queries, schema
from netwatchd.storage.records import key_of

KEYS = (MAC, OTHER_MAC, THIRD)
SPOOLED = 40  # words that a store takes while the database is locked

CHILD = """
import sys
from itertools import count
from pathlib import Path
from store_kit import storing
from test_records_kill import SPOOLED, say
from waiting import eventually

begun, spooling = int(sys.argv[2]), sys.argv[3] == "spool"
with storing(Path(sys.argv[1]), commit_interval=0.01) as store:
    for number in range(begun, begun + SPOOLED) if spooling else count(begun):
        say(store, number)
        if not spooling and number % 5 == 0:
            eventually(lambda: store.pending == 0)
            print(number + 1, flush=True)
    print(begun, flush=True)
print(begun + SPOOLED, flush=True)
"""


def say(store: Store, number: int) -> None:
    """The word of this number: the same each time."""
    chance = random.Random(number)
    key, other = chance.sample(KEYS, 2)
    words: list[Callable[[], None]] = [
        lambda: store.keep(Session(key, chance.randrange(9), chance.choice([None, chance.randrange(9)]))),
        lambda: store.keep(trait(key, value=chance.choice("ab"), last_seen=number)),
        lambda: store.keep(alias(other, key, undone=number)),
        lambda: store.drop(Session(key, chance.randrange(9))),
        lambda: store.upsert_device(device(MAC, bytes_in=number)),
        lambda: store.join_device(key, other),
        lambda: store.erase_device(key, {other}),
    ]
    chance.choices(words, [6, 4, 2, 1, 2, 2, 1])[0]()


class Life:
    """A directory, and how many words its store was told and kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kept = 0
        self.model = Recorder()

    def is_killed(self, how: str, chance: random.Random) -> None:
        """A process that writes, or that spools what it cannot write, is killed after a random while."""
        words = [sys.executable, "-c", CHILD, str(self.directory), str(self.kept), how]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        lock = locked(self.directory / "core.db") if how == "spool" else nullcontext()
        with lock, subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            sure = int(child.stdout.readline())
            threading.Event().wait(chance.random() * (0.1 if how == "spool" else 0.5))
            child.send_signal(signal.SIGKILL)
            sure = max([sure, *map(int, child.stdout.read().split())])
        self.check(sure)

    def check(self, sure: int) -> None:
        """The next start finds all words up to one that is at least as late as those that were sure."""
        with storing(self.directory):
            pass
        assert not list((self.directory / "spool").iterdir())
        while self.kept < sure or not self.is_as_told():
            assert self.kept < sure + 10_000, "the files hold what nobody said"
            say(self.model, self.kept)
            self.kept += 1

    def is_as_told(self) -> bool:
        core = queries.read_core(self.directory)
        found = [*core.traits, *core.aliases]
        found += [Session(*row) for row in rows(self.directory / "core.db", "SELECT * FROM sessions")]
        devices = {schema.key_of(each): each for each in core.devices}
        told = {key: each for key, each in self.model.rows.items() if each}
        return {key_of(each): each for each in found} == self.model.records and devices == told


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_leaves_what_was_said_up_to_some_word_and_the_spool_is_read_once(tmp_path: Path, times: int) -> None:
    life, chance = Life(tmp_path), random.Random(times)
    for _ in range(times):
        life.is_killed("work", chance)
        life.is_killed("spool", chance)
    assert life.kept > 5 * times
