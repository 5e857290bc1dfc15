"""The verbs that look: status, flows, top. They open the databases read-only."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.broadcast.messages import flow_json
from netwatchd.cli import tables
from netwatchd.cli.answer import UNAVAILABLE, Unanswered, fail, reading, show
from netwatchd.cli.find import find, keys_of
from netwatchd.cli.moments import time_text
from netwatchd.cli.reach import ask
from netwatchd.cli.terminal import Rows
from netwatchd.events import Device
from netwatchd.storage import queries, retention, schema
from netwatchd.storage import top as most


@reading
def flows(options: argparse.Namespace, directory: Path) -> int:
    """The newest flows."""
    known = queries.read_core(directory).devices
    limit = options.limit or None
    keys = [None] if options.device is None else keys_of(find(options.device, known))
    found = [flow for key in keys for flow in queries.flows(directory, options.since, limit, key)]
    found = sorted(found, key=lambda flow: -flow.id)[:limit]
    names = {key: device.name or device.hostname or "" for device in known for key in keys_of(device)}
    owners = {
        each: schema.key_of(device) for device in known for each in (*map(address_text, device.ips), *keys_of(device))
    }
    show(options, [flow_json(flow) for flow in found], lambda rows: tables.flows(rows, names, owners))
    return 0


@reading
def top(options: argparse.Namespace, directory: Path) -> int:
    """Who moved most bytes."""
    devices = queries.read_core(directory).devices
    limit = options.limit or None
    # What was moved under several MACs of one device is one row; which of these is below the limit is known then.
    found = most.top(directory, options.by, options.since, None if options.by == "device" else limit)
    rows = _of_one_device_each(found.rows, devices)[:limit] if options.by == "device" else found.rows
    if found.since != options.since:
        # On stderr, because --json is a list of rows, and scripts read it.
        print(f"netwatchd: whole hours only that far back: since {time_text(found.since)}", file=sys.stderr)
    names = {schema.key_of(device): device.name or device.hostname for device in devices}
    show(options, rows, lambda rows: tables.top(rows, options.by, names))
    return 0


def _of_one_device_each(rows: Rows, devices: list[Device]) -> Rows:
    """The rows of devices, with what merged MACs moved in the row of their device; the most first."""
    owners = {key: schema.key_of(device) for device in devices for key in keys_of(device)}
    sums: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        device = owners.get(row["device"], row["device"])
        if sum_ := sums.get(device):
            sums[device] = sum_ | {name: sum_[name] + row[name] for name in ("bytes_in", "bytes_out", "flows")}
        else:
            sums[device] = row | {"device": device}
    return sorted(sums.values(), key=lambda row: -(row["bytes_in"] + row["bytes_out"]))


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
