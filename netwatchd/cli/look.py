"""The verbs that look: status, flows, threats, top. They open the databases read-only."""

import argparse
import os
import sys
from pathlib import Path

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.broadcast.messages import flow_json, threat_json
from netwatchd.cli import tables
from netwatchd.cli.answer import UNAVAILABLE, Unanswered, fail, reading, show
from netwatchd.cli.find import find
from netwatchd.cli.moments import time_text
from netwatchd.cli.reach import ask
from netwatchd.events import ThreatStatus
from netwatchd.storage import queries, retention, schema
from netwatchd.storage import top as most


@reading
def flows(options: argparse.Namespace, directory: Path) -> int:
    """The newest flows."""
    known = queries.read_core(directory).devices
    key = schema.key_of(find(options.device, known)) if options.device is not None else None
    found = queries.flows(directory, options.since, options.limit or None, key)
    names = {schema.key_of(device): device.name or device.hostname or "" for device in known}
    owners = {address_text(ip): schema.key_of(device) for device in known for ip in device.ips}
    show(options, [flow_json(flow) for flow in found], lambda rows: tables.flows(rows, names, owners))
    return 0


@reading
def threats(options: argparse.Namespace, directory: Path) -> int:
    """The threats, the latest seen first."""
    core = queries.read_core(directory)
    key = schema.key_of(find(options.device, core.devices)) if options.device is not None else None
    found = [
        threat
        for threat in sorted(core.threats, key=lambda threat: -threat.last_seen)
        if threat.last_seen >= options.since
        and (key is None or threat.device == key)
        and (options.all or threat.status is not ThreatStatus.DISMISSED)
    ]
    show(options, [threat_json(threat) for threat in found[: options.limit or None]], tables.threats)
    return 0


@reading
def top(options: argparse.Namespace, directory: Path) -> int:
    """Who moved most bytes."""
    found = most.top(directory, options.by, options.since, options.limit or None)
    if found.since != options.since:
        # On stderr, because --json is a list of rows, and scripts read it.
        print(f"netwatchd: whole hours only that far back: since {time_text(found.since)}", file=sys.stderr)
    names = {schema.key_of(device): device.name or device.hostname for device in queries.read_core(directory).devices}
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
