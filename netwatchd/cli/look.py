"""The verbs that look: status, flows, top. They open the databases read-only."""

import argparse
import os
import sys
from pathlib import Path

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.answers.find import keys_of
from netwatchd.answers.flows import Like
from netwatchd.answers.flows import flows as newest
from netwatchd.answers.top import top as most
from netwatchd.cli import tables
from netwatchd.cli.answer import UNAVAILABLE, Unanswered, fail, reading, show
from netwatchd.cli.moments import time_text
from netwatchd.cli.reach import ask
from netwatchd.storage import retention, schema

USUAL = 10  # rows of `top`


@reading
def flows(options: argparse.Namespace, directory: Path) -> int:
    """The newest flows."""
    like = Like(
        options.since, options.until, options.before, options.device, options.peer, options.port, options.protocol,
        options.status, options.text,
    )  # fmt: skip
    found = newest(directory, like, options.limit or None)
    names = {key: device.name or device.hostname or "" for device in found.devices for key in keys_of(device)}
    owners = {
        each: schema.key_of(device)
        for device in found.devices
        for each in (*map(address_text, device.ips), *keys_of(device))
    }
    show(options, found.rows, lambda rows: tables.flows(rows, names, owners))
    return 0


@reading
def top(options: argparse.Namespace, directory: Path) -> int:
    """Who moved most bytes."""
    if options.live:
        from netwatchd.cli.toplive import live

        return live(options, directory)
    limit = USUAL if options.limit is None else options.limit
    found = most(directory, options.by, since=options.since, limit=limit or None)
    if found.since != options.since:
        # On stderr, because --json is a list of rows, and scripts read it.
        print(f"netwatchd: whole hours only that far back: since {time_text(found.since)}", file=sys.stderr)
    names = {schema.key_of(device): device.name or device.hostname for device in found.devices}
    show(options, found.rows, lambda rows: tables.top(rows, options.by, names))
    return 0


def status(options: argparse.Namespace) -> int:
    """What the running daemon says of itself; without one, what its files tell."""
    try:
        settings = config.load(options.config)
    except config.ConfigError as error:
        return fail(error, os.EX_CONFIG)
    try:
        answer = ask(settings, "/status")
    except Unanswered as error:
        print(error, file=sys.stderr)
        directory = config.state_directory(settings)
        answer = {"running": False, "database": {"directory": str(directory), "size": retention.size_of(directory)}}
    show(options, answer, tables.status)
    return 0 if answer["running"] else UNAVAILABLE
