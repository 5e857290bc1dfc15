"""Replays files of the past: captures, what exporters sent, and logs of other programs.

`inputs` opens a file and `formats` tells what it holds; `captures`, `exports` and `logs` read it, as sources do that
listen; `pipeline` is the rest of the daemon, with the time of the events instead of the clock's.
"""

from netwatchd.replay.directories import files_of
from netwatchd.replay.inputs import size_of
from netwatchd.replay.pipeline import CannotStore
from netwatchd.replay.replaying import Replay
from netwatchd.replay.report import FileReport

__all__ = ["CannotStore", "FileReport", "Replay", "files_of", "size_of"]
