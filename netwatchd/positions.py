"""Where each log was read up to: kept in core.db, in the commit that follows the flows of the lines before."""

from collections.abc import Sequence
from pathlib import Path

from netwatchd.events import Flow
from netwatchd.ingest.inbox import Inbox
from netwatchd.storage import queries
from netwatchd.storage.storage import Storage
from netwatchd.storage.verdicts import ERRORS


class Positions:
    """The memory of one source (`sources.logs.Memory`). One thread at a time may use it."""

    def __init__(self, source: str, directory: Path, inbox: Inbox[Flow], storage: Storage) -> None:
        """`directory` is that of the databases, and `inbox` where the source's flows wait for their worker."""
        self._source = source
        self._directory = directory
        self._inbox = inbox
        self._storage = storage
        self._waiting: tuple[int, str, bool] | None = None

    @property
    def _key(self) -> str:
        return f"{queries.FOLLOWED}{self._source}"

    def recall(self) -> str | None:
        """What was kept last; None where nothing was. Raises OSError while the database cannot be read."""
        self._check()
        try:
            return queries.note(self._directory, self._key)
        except (*ERRORS, queries.NoDatabase) as error:
            raise OSError(f"where it was in the log cannot be looked up: {error}") from error

    def told_since(self, event_id: int) -> tuple[Sequence[queries.Told], bool]:
        """What is stored of the source's flows with greater ids, and whether it all lies in one file."""
        self._check()
        try:
            return queries.told_since(self._directory, self._source, event_id)
        except (*ERRORS, queries.NoDatabase) as error:
            raise OSError(f"which flows of the log are stored cannot be looked up: {error}") from error

    def keep(self, text: str, *, soon: bool = False) -> bool:
        """Keeps a text as soon as all flows that were handed in by now are stored; False where another one waits."""
        self.tend()
        if self._waiting is not None:
            return False
        self._waiting = (self._inbox.mark(), text, soon)
        self.tend()
        return True

    def tend(self) -> None:
        """Hands what waits to the store, when the flows before it are there: it commits in that order."""
        if self._waiting is not None and self._inbox.has_seen(self._waiting[0]):
            _, text, soon = self._waiting
            self._storage.put_note(self._key, text, soon=soon)
            self._waiting = None

    def is_writable(self) -> bool:
        """Whether the database can be written."""
        return self._storage.degraded is None

    def _check(self) -> None:
        """Raises OSError where what was spooled may not be in the database yet."""
        if self._storage.degraded is not None:
            raise OSError(f"where it was in the log cannot be looked up: {self._storage.degraded}")
