"""Keeps the lists fresh: what is due is fetched, looked at, built and put in force, in a thread of its own.

The jobs only remind: a server that answers slowly delays nothing but its list. The request itself runs in a thread
beside, because a name server may keep it waiting for a minute in the C library, where nothing can be said or stopped;
this thread watches the time, says that it is alive, and goes on without an answer when it must.

Who publishes a list for nothing is asked politely: only whether it has changed, not at the same minute by everybody,
and ever more seldom while it fails.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from netwatchd import clock
from netwatchd.addresses import Address, Networks
from netwatchd.blocklists.allowed import Allowance
from netwatchd.blocklists.answers import LONGEST, Answer, Failed, Limits
from netwatchd.blocklists.here import here
from netwatchd.blocklists.kept import Kept, Record
from netwatchd.blocklists.lists import Lists, View, open_list, opened
from netwatchd.blocklists.table import Table
from netwatchd.blocklists.taking import Refused, build
from netwatchd.config.blocklists import Blocklists, Source
from netwatchd.counters import Counters
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

TURN = 1.0  # seconds between two signs of life
# Seconds that others have the interpreter to themselves after every few thousand lines of a list: to read millions of
# lines takes a small machine a minute, in which flows are not to wait.
POLITE = 0.005
FIRST_PAUSE = 300.0  # seconds after a failure; it doubles with each further one, up to `interval`
JITTER = 0.1  # the share by which an interval varies, so that not all ask at the same time
GIVEN_UP = LONGEST + 60.0  # seconds after which a request is left to itself
PURPOSE_ALLOW = "allow"


class Stopped(Exception):
    """The daemon stops: what was begun is left, and is begun anew at the next start."""


class _Got(NamedTuple):
    answer: Answer | None  # None: not changed
    error: Exception | None


class Updates:
    """The lists of [blocklists], kept in the state directory and put in force in `lists`."""

    def __init__(
        self, settings: Blocklists, own: Networks, state: Path, lists: Lists, counters: Counters,
        limits: Callable[[int], Limits] = Limits, around: Callable[[], dict[Address, str]] = here,
    ) -> None:  # fmt: skip
        """`own` are the networks here; `limits(max_size)` is how much of a server is put up with.

        `around()` tells the addresses of this machine and of those that it cannot do without.
        """
        self.settings = settings
        self._own = own
        self._lists = lists
        self._counters = counters
        self._limits = limits
        self._kept = Kept(state)
        self._records: dict[str, Record] = {}
        self._due: dict[str, float] = {}  # when each is asked again, by the steady clock
        self._asking: dict[str, threading.Thread] = {}  # the latest request for each, which may hang
        self._wanted: set[str] = set()  # those that somebody wants now
        self._reminded = threading.Event()
        self._changed = True
        self._around = around
        self._here: dict[Address, str] = {}
        self._worker: Worker | None = None

    # What others call; any thread may.

    def remind(self) -> None:
        """Has what is due be looked at, soon."""
        self._reminded.set()

    def apply(self, settings: Blocklists) -> None:
        """Takes in other settings."""
        if settings != self.settings:
            self.settings = settings
            self._changed = True
            self._reminded.set()

    def expire(self) -> None:
        """Has every list be asked for anew, whenever it is due."""
        self._wanted.update(each.name for each in (*self.settings.sources, *allowing(self.settings)))
        self._reminded.set()

    def due_in(self, name: str) -> float:
        """Seconds until a list is asked for again."""
        return self._due[name] - clock.now().steady

    def state(self) -> list[dict[str, Any]]:
        """What `netwatchd lists` shows of each list."""
        return [described(each, self._records.get(each.name) or Record(each.name)) for each in self.settings.sources]

    def run(self, worker: Worker) -> None:
        """Works until the worker is asked to stop."""
        self._worker = worker
        try:
            while not worker.stopping.is_set():
                self._reminded.clear()  # before: what comes meanwhile is looked at next
                self.look()
                while not self._reminded.is_set():
                    worker.beat()
                    if worker.stopping.wait(TURN):
                        return
        except Stopped:
            return

    # One look: in the thread of `run`, or that of a verb.

    def look(self) -> None:
        """Puts what is kept in force, and then fetches what is due."""
        if self._changed:
            self._changed = False
            self._begin()
        elif self.settings.lists and (found := self._around()) != self._here:
            self._put_in_force(found)
        for source in (*self.settings.sources, *allowing(self.settings)):
            if self._is_due(source):
                self._update(source)

    def _begin(self) -> None:
        """Takes in what is kept: after the start, and after a change of settings."""
        sources = (*self.settings.sources, *allowing(self.settings))
        self._records = {each.name: self._kept.record(each.name) for each in sources}
        now = clock.now()
        keyless = self._kept.key() is None
        for source in sources:
            record = self._records[source.name]
            if record.place != source.place:
                # Another list under the same name: what is kept of the old one says nothing.
                record = self._records[source.name] = Record(source.name, source.place, source.form or "")
                self._due[source.name] = now.steady
            elif source.name not in self._due:
                wait = self._pause(record) if record.failures else self.settings.interval
                since = max((now.wall - record.tried) / 1000, 0)
                self._due[source.name] = now.steady + max(self._varied(wait) - since, 0)
            other_form = record.asked != (source.form or "")
            record.asked = source.form or ""
            self._restore(source, record, anew=keyless or other_form)
        if self._records or self._kept.directory.exists():
            self._kept.sweep(self._records)
        self._put_in_force(self._around() if self.settings.lists else {})

    def _restore(self, source: Source, record: Record, anew: bool) -> None:
        """Builds the table of a list anew where it is to be, or only its copy is whole, as after an update of ours."""
        if not record.generation or (not anew and open_list(self._kept, source, record)):
            return
        copy, table = self._kept.copy(record), self._kept.staged_table(source.name)
        try:
            build(copy, table, record, self._kept.made_key(), self._give_way)
            self._kept.rebuilt(record)
            self._kept.save(record)
        except (Refused, OSError) as error:
            log.warning("the kept copy of the list %s cannot be used: %s", source.name, error)
            _forget(record)
            self._due[source.name] = clock.now().steady

    def _is_due(self, source: Source) -> bool:
        record = self._records[source.name]
        if record.generation and not self._kept.table(record).exists():
            # The user has taken it away, so that what comes now is taken, however different it is.
            _forget(record)
            return True
        if not source.is_url and _stamp(Path(source.place)) != record.stamp:
            return True
        if source.name in self._wanted:
            return True
        # A file that has not changed is read again only where that failed.
        may = source.is_url or record.failures or not record.generation
        return bool(may) and clock.now().steady >= self._due.get(source.name, 0.0)

    def _update(self, source: Source) -> None:
        record = self._records[source.name]
        self._wanted.discard(source.name)
        stamp = [] if source.is_url else _stamp(Path(source.place))
        retry = 0.0
        try:
            self._take(source, record, self._get(source, record), stamp)
        except Failed as error:
            self._counters.add("blocklists.failed")
            self._fail(source, record, str(error))
            retry = error.retry
        except Refused as error:
            self._counters.add("blocklists.refused")
            self._fail(source, record, str(error))
        except OSError as error:
            self._counters.add("blocklists.failed")
            self._fail(source, record, f"it cannot be kept: {error.strerror or error}")
        finally:
            self._kept.discard(source.name)
        record = self._records[source.name]
        record.stamp = stamp  # a broken file is looked at again when it has changed
        wait = self._pause(record) if record.failures else self.settings.interval
        self._due[source.name] = clock.now().steady + max(self._varied(wait), retry)

    def _get(self, source: Source, record: Record) -> Answer | None:
        """Has the list fetched into its staging place; None where it has not changed."""
        from netwatchd.blocklists.fetching import fetch, read_file  # here, because most have no lists

        target = self._kept.staged(source.name)
        limits = self._limits(self.settings.max_size)
        if not source.is_url:
            return read_file(Path(source.place), target, limits)
        # A server is asked whether it has changed only where we still have what it gave.
        has = bool(record.generation)
        ask = partial(fetch, source.place, target, limits, record.etag * has, record.modified * has)
        return self._waited_for(source.name, ask)

    def _waited_for(self, name: str, ask: Callable[[], Answer | None]) -> Answer | None:
        got: list[_Got] = []
        before = self._asking.get(name)
        if before is not None and before.is_alive():
            raise Failed("the request before this one still hangs")

        def run() -> None:
            try:
                got.append(_Got(ask(), None))
            except (Failed, OSError) as error:
                got.append(_Got(None, error))

        thread = threading.Thread(target=run, name=f"blocklists:{name}", daemon=True)
        self._asking[name] = thread
        thread.start()
        deadline = clock.now().steady + GIVEN_UP
        while thread.is_alive():
            self._alive()
            if clock.now().steady > deadline:
                raise Failed("there is no answer, not even that there is none")
            thread.join(TURN / 4)
        if not got:
            raise Failed("the request ended in an error of ours")  # threading has written it to the journal
        if got[0].error:
            raise got[0].error
        return got[0].answer

    def _take(self, source: Source, record: Record, answer: Answer | None, stamp: list[int]) -> None:
        """Puts what came in force, if it is fit; raises Refused or OSError."""
        now = clock.now().wall
        record.checked = record.tried = now
        if answer is None or (answer.digest == record.digest and record.generation):
            if answer is not None:
                record.etag, record.modified, record.stamp = answer.etag, answer.modified, stamp
            record.failures, record.error = 0, ""
            self._save(record)
            self._counters.add("blocklists.unchanged")
            return
        new = Record(
            source.name, source.place, source.form or "", fetched=now, checked=now, etag=answer.etag,
            modified=answer.modified, stamp=stamp, digest=answer.digest, size=answer.size, tried=now,
        )  # fmt: skip
        before = record.entries if record.generation else None
        build(
            self._kept.staged(source.name), self._kept.staged_table(source.name), new, self._kept.made_key(),
            self._give_way, before,
        )  # fmt: skip
        new.generation = record.generation
        self._kept.commit(new)
        self._records[source.name] = new
        self._counters.add("blocklists.updated")
        log.info("the list %s has %d entries now", source.name, new.entries, extra={"event": "blocklist"})
        self._put_in_force(self._here)

    def _fail(self, source: Source, record: Record, why: str) -> None:
        """Notes why a list was not taken, and says it once."""
        record.tried = clock.now().wall
        record.failures += 1
        if why != record.error:
            kept = f"; that of {record.entries:,} entries stays" if record.generation else ""
            log.warning(
                "the list %s from %s was not taken: %s%s", source.name, shown(source.place), why, kept,
                extra={"repeat": f"blocklist.{source.name}"},
            )  # fmt: skip
        record.error = why
        self._save(record)

    def _save(self, record: Record) -> None:
        """Writes down how it went. Where that fails, memory knows it; the next success is written with its list."""
        try:
            self._kept.save(record)
        except OSError as error:
            log.warning("cannot write to %s: %s", self._kept.directory, error, extra={"repeat": "blocklists.write"})

    def _put_in_force(self, found: dict[Address, str]) -> None:
        self._here = found
        self._lists.use(view_of(self.settings, self._own, self._kept, found))

    def _pause(self, record: Record) -> float:
        return float(min(FIRST_PAUSE * 2 ** min(record.failures - 1, 20), max(self.settings.interval, FIRST_PAUSE)))

    def _varied(self, seconds: float) -> float:
        return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # nobody gains by guessing it

    def _give_way(self) -> None:
        self._alive()
        if self._worker is not None:
            self._worker.stopping.wait(POLITE)

    def _alive(self) -> None:
        if self._worker is not None:
            self._worker.beat()
            if self._worker.stopping.is_set():
                raise Stopped


def allowing(settings: Blocklists) -> tuple[Source, ...]:
    """The files of `allow`, as lists under names of their own."""
    return tuple(
        Source(f"allow.{crc32(str(path).encode()):08x}", str(path), purpose=PURPOSE_ALLOW)
        for path in settings.allow.files
    )


def view_of(settings: Blocklists, own: Networks, kept: Kept, found: Mapping[Address, str]) -> View:
    """What is kept of the lists, with the allow-lists; `found` are the addresses of this machine and around it."""

    def allowance(tables: Mapping[str, Table]) -> Allowance:
        return Allowance(settings.allow.networks, settings.allow.names, own, found, tables.items())

    return opened(kept, settings.sources, allowance, allowing(settings))


def kept_lists(settings: Blocklists, own: Networks, state: Path, counters: Counters | None = None) -> Lists:
    """The lists that are kept in a state directory, which is only read: for a replay, and for verbs."""
    lists = Lists(counters)
    if settings.lists:
        lists.use(view_of(settings, own, Kept(state), here()))
    return lists


def kept_states(settings: Blocklists, state: Path) -> list[dict[str, Any]]:
    """What is kept of each list, as `Updates.state` tells it."""
    kept = Kept(state)
    return [described(each, kept.record(each.name)) for each in settings.sources]


def described(source: Source, record: Record) -> dict[str, Any]:
    """A list as `netwatchd lists --json` shows it."""
    same = record.place in ("", source.place)
    has = bool(record.generation) and same
    state = "failing" if record.error and same else "fresh" if has else "waiting"
    return {
        "name": source.name,
        "source": shown(source.place),
        "purpose": source.purpose,
        "severity": source.severity,
        "state": state if has or state != "failing" else "missing",
        "entries": record.entries if has else 0,
        "counts": record.counts if has else {},
        "format": record.form if has else None,
        "fetched": record.fetched if has else None,
        "checked": record.checked if has else None,
        "tried": record.tried if same and record.tried else None,
        "unread": record.bad if has else 0,
        "passed": record.passed if has else {},
        "error": record.error if same and record.error else None,
        "failures": record.failures if same else 0,
        "terms": source.terms or None,
    }


def shown(place: str) -> str:
    """A URL without what may be secret in it: user, password, parameters, and parts of the path that look like keys."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    path = "/".join("…" if len(part) >= 24 and part.isalnum() else part for part in parts.path.split("/"))
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{path}{'?…' if parts.query else ''}"


def _forget(record: Record) -> None:
    """Nothing is kept of the list any more."""
    record.generation = record.etag = record.modified = record.digest = ""
    record.stamp = []


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_mtime_ns, stat.st_size, stat.st_ino]
