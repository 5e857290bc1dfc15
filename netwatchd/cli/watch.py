"""The verb `watch`: what happens, as it happens, for people or a line a message for scripts."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable

from rich.text import Text

from netwatchd import config
from netwatchd.answers import NotFound
from netwatchd.broadcast.messages import TOPICS
from netwatchd.cli import elsewhere
from netwatchd.cli.answer import FAILED, Misused, Trouble, fail
from netwatchd.cli.follow import Follow
from netwatchd.cli.stream import Message
from netwatchd.cli.terminal import console, into_pipe, printable
from netwatchd.cli.wanted import Wanted
from netwatchd.cli.watchview import View

TICK = 1.0  # seconds in which no more is told than can be read


def watch(options: argparse.Namespace) -> int:
    """Tells of the stream until it is stopped; 69 where no daemon is there from the beginning."""
    try:
        topics = _topics(options)
        wanted = Wanted(topics, options.device, options.severity)
        # Devices are needed for their names, and to know which one is meant.
        asked = topics if options.json and not options.device else [*dict.fromkeys((*topics, "devices"))]
        follow = Follow(elsewhere.place(options), ",".join(asked), tick=TICK)
        (_as_json if options.json else _as_lines)(follow, wanted)
    except config.ConfigError as error:
        return fail(error, os.EX_CONFIG)
    except Trouble as error:
        return fail(error, error.code)
    except NotFound as error:
        return fail(error, FAILED)
    return 0


def _topics(options: argparse.Namespace) -> list[str]:
    if options.topics is None:
        # Who asks for bad threats does not ask for flows.
        usual = [topic for topic in TOPICS if options.json or topic != "stats"]
        return ["threats"] if options.severity else usual
    topics = [topic for topic in options.topics.replace(",", " ").split() if topic]
    if not topics or not set(topics) <= set(TOPICS):
        raise Misused(f"--topics {options.topics!r:.60} should be some of {', '.join(TOPICS)}, with commas")
    return list(dict.fromkeys(topics))


def _as_json(follow: Follow, wanted: Wanted) -> None:
    # A terminal is shown nothing that acts on it; a pipe has each message exactly as it came.
    shown = printable if sys.stdout.isatty() else str
    for message in follow.messages():
        if message is None or not wanted.see(message):
            continue
        if "threat" in message and not wanted.is_bad_enough(message["threat"]):
            continue
        text = follow.text
        print(shown(text if "\n" not in text and "\r" not in text else json.dumps(message)), flush=True)


def _as_lines(follow: Follow, wanted: Wanted) -> None:
    out = console()
    view = View(out, wanted, whole=into_pipe())

    def show(lines: Iterable[Text]) -> None:
        for line in lines:
            # A line that is too long after all is the terminal's to break, so that nothing is lost.
            out.print(line, soft_wrap=True, highlight=False)

    due = time.monotonic() + TICK
    for message in follow.messages():
        show(_lines(view, wanted, message))
        if time.monotonic() >= due:
            show(view.tick())
            due = time.monotonic() + TICK


def _lines(view: View, wanted: Wanted, message: Message | None) -> Iterable[Text]:
    if message is None:
        return ()
    if wanted.see(message):
        return view.lines(message)
    view.forget(message)
    return ()
