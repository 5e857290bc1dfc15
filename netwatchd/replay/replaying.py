"""The replay of one file after the other into one directory."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from netwatchd.config import Config
from netwatchd.replay import captures, exports, formats, logs
from netwatchd.replay.inputs import Input, Unreadable
from netwatchd.replay.pipeline import CannotStore, Pipeline
from netwatchd.replay.reading import Reading
from netwatchd.replay.report import FileReport


class Replay:
    """Files are replayed within its block; when it is left, all that was read is stored."""

    def __init__(self, settings: Config, directory: Path, stop: Callable[[], bool]) -> None:
        """`stop()` says whether to end early."""
        self._settings = settings
        self._stop = stop
        self._pipeline = Pipeline(settings, directory)

    def __enter__(self) -> "Replay":
        """Opens the database; raises CannotStore."""
        self._pipeline.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stores what waits; raises CannotStore where that fails."""
        self._pipeline.close()

    def file(self, name: str, given: str | None, on_progress: Callable[[int], None]) -> FileReport:
        """Replays a file (`-` is standard input), of the format `given` or what its content tells."""
        report = FileReport(name)
        self._pipeline.begin(report)
        reading = Reading(self._settings, self._pipeline, report, self._stop)
        begun = time.monotonic()
        try:
            with Input(name, self._stop, on_progress) as source:
                report.format = given or formats.format_of(source.head)
                _read(source, report.format, reading)
                report.partial |= source.stopped
                if source.cut:
                    report.skipped["packed_end"] += 1  # the end of what gzip packed is missing or damaged
            self._pipeline.finish()
        except Unreadable as error:
            report.error = str(error)
        except CannotStore as error:
            report.error, report.partial, report.fatal = str(error), True, True
        report.seconds = time.monotonic() - begun
        return report


def _read(source: Input, form: str, reading: Reading) -> None:
    if form == formats.PACKETS:
        captures.read(source, reading)
    elif form == formats.NETFLOW:
        exports.read(source, reading)
    else:
        logs.read(source, form, reading)
