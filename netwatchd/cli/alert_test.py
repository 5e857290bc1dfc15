"""The verb alert-test: sends a test by the channels that are configured, and says of each what came of it.

It needs no daemon, and asks none: the test goes out from here.
"""

import argparse
import logging
import os
import socket
import sys

from netwatchd import clock, config
from netwatchd.alerts import Message
from netwatchd.alerts.attempt import PATIENCE, Attempt
from netwatchd.alerts.channels import configured
from netwatchd.alerts.text import Author
from netwatchd.broadcast.messages import threat_json
from netwatchd.cli.answer import FAILED, fail
from netwatchd.cli.terminal import printable


def alert_test(options: argparse.Namespace) -> int:
    """Sends a test by one channel, or by all."""
    logging.basicConfig(level=logging.ERROR, format="netwatchd: %(message)s")
    try:
        settings = config.load(options.config)
    except config.ConfigError as error:
        return fail(error, os.EX_CONFIG)
    channels = configured(settings)
    if options.channel:
        channels = {name: channel for name, channel in channels.items() if name == options.channel}
    if not channels:
        what = options.channel or "CHANNEL"
        print(f"netwatchd: nothing is configured in [alert:{what}] (docs/ALERTS.md)", file=sys.stderr)
        return FAILED
    now = clock.now()
    message = Author(socket.gethostname(), lambda _: None, threat_json).test(f"test-{now.wall}", now.wall)
    attempts = {name: Attempt(channel, message, lambda: None) for name, channel in channels.items()}
    return max([_told(name, attempts[name], channel.place, message) for name, channel in channels.items()])


def _told(name: str, attempt: Attempt, place: str, message: Message) -> int:
    """Says what came of an attempt, when it is over; returns the exit code for it."""
    while not attempt.over.wait(1.0):
        attempt.look()
        if attempt.is_stuck:
            print(printable(f"{name}: failed: {place}: nothing came of it within {PATIENCE:.0f} s"))
            return FAILED
    if attempt.failure is None:
        print(printable(f"{name}: sent to {place} as {message.id}"))
        return 0
    print(printable(f"{name}: failed: {attempt.failure}"))
    return FAILED
