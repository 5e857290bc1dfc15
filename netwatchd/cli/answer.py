"""How a verb ends: what it shows, or its trouble in a sentence, with the exit code that scripts go by."""

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netwatchd import config
from netwatchd.answers import Misasked, NotFound
from netwatchd.cli.terminal import printable
from netwatchd.storage import queries

FAILED, USAGE, UNAVAILABLE = 1, 2, os.EX_UNAVAILABLE


class Trouble(Exception):
    """A verb cannot do what it was asked for; the text says why, and perhaps what would help."""

    code = FAILED


class Misused(Trouble):
    """What was asked for cannot be meant."""

    code = USAGE


class Unanswered(Trouble):
    """No daemon is there that answers."""

    code = UNAVAILABLE


def reading(verb: Callable[[argparse.Namespace, Path], int]) -> Callable[[argparse.Namespace], int]:
    """A verb that reads the databases: it is given their directory, and its troubles become a sentence."""

    def run(options: argparse.Namespace) -> int:
        try:
            # A directory that is named needs no configuration, not even one without mistakes.
            named = options.state
            return verb(options, Path(named) if named else config.state_directory(config.load(options.config)))
        except config.ConfigError as error:
            return fail(error, os.EX_CONFIG)
        except queries.NoDatabase as error:
            return fail(error, UNAVAILABLE)
        except Misasked as error:
            return fail(error, USAGE)
        except (NotFound, sqlite3.Error) as error:
            return fail(error, FAILED)

    run.__doc__ = verb.__doc__
    return run


def acting(verb: Callable[[argparse.Namespace, config.Config], int]) -> Callable[[argparse.Namespace], int]:
    """A verb that talks to the running daemon: it is given the configuration, and its troubles become a sentence."""

    def run(options: argparse.Namespace) -> int:
        try:
            return verb(options, config.load(options.config))
        except config.ConfigError as error:
            return fail(error, os.EX_CONFIG)
        except Trouble as error:
            return fail(error, error.code)
        except NotFound as error:
            return fail(error, FAILED)

    run.__doc__ = verb.__doc__
    return run


def show(options: argparse.Namespace, value: Any, table: Callable[[Any], None]) -> None:
    """Prints what a verb answers: as JSON for scripts, else as people read it."""
    if options.json:
        print(json.dumps(value, indent=2))
    else:
        table(value)


def fail(error: Exception, code: int) -> int:
    """Says what went wrong; returns the exit code."""
    text = "\n".join(map(printable, str(error).split("\n")))  # it may name what came from the network
    print(f"netwatchd: {text}", file=sys.stderr)
    return code
