"""The verbs that look: status, devices, flows, threats, top. They open the databases read-only."""

import argparse
import http.client
import json
import os
import sqlite3
import ssl
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from netwatchd import config
from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast.messages import device_json, flow_json, threat_json
from netwatchd.cli import tables
from netwatchd.cli.moments import time_text
from netwatchd.events import Device, Status, ThreatStatus
from netwatchd.storage import queries, retention, schema
from netwatchd.storage import top as most

FAILED, UNAVAILABLE = 1, os.EX_UNAVAILABLE
TIMEOUT = 5.0  # seconds for the daemon's answer


class NotFound(Exception):
    """What was asked for is not there; the text says what."""


def reading(verb: Callable[[argparse.Namespace, Path], int]) -> Callable[[argparse.Namespace], int]:
    """A verb that reads the databases: it is given their directory, and its troubles become a sentence."""

    def run(options: argparse.Namespace) -> int:
        try:
            # A directory that is named needs no configuration, not even one without mistakes.
            named = options.state
            return verb(options, Path(named) if named else config.state_directory(config.load(options.config)))
        except config.ConfigError as error:
            return _fail(error, os.EX_CONFIG)
        except queries.NoDatabase as error:
            return _fail(error, UNAVAILABLE)
        except (NotFound, sqlite3.Error) as error:
            return _fail(error, FAILED)

    run.__doc__ = verb.__doc__
    return run


@reading
def devices(options: argparse.Namespace, directory: Path) -> int:
    """The devices, the latest seen first."""
    found = [device for device in _devices(directory) if device.last_seen >= options.since]
    if options.device is not None:
        key = _key(options.device, found)
        found = [device for device in found if schema.key_of(device) == key]
    if options.online:
        found = [device for device in found if device.status is Status.ONLINE]
    found.sort(key=lambda device: -device.last_seen)
    shown = found[: options.limit or None]
    _show(options, [device_json(device) for device in shown], tables.devices)
    return 0


@reading
def flows(options: argparse.Namespace, directory: Path) -> int:
    """The newest flows."""
    known = queries.read_core(directory).devices
    key = _key(options.device, known) if options.device is not None else None
    found = queries.flows(directory, options.since, options.limit or None, key)
    names = {schema.key_of(device): device.name or device.hostname or "" for device in known}
    owners = {address_text(ip): schema.key_of(device) for device in known for ip in device.ips}
    _show(options, [flow_json(flow) for flow in found], lambda rows: tables.flows(rows, names, owners))
    return 0


@reading
def threats(options: argparse.Namespace, directory: Path) -> int:
    """The threats, the latest seen first."""
    core = queries.read_core(directory)
    key = _key(options.device, core.devices) if options.device is not None else None
    found = [
        threat
        for threat in sorted(core.threats, key=lambda threat: -threat.last_seen)
        if threat.last_seen >= options.since
        and (key is None or threat.device == key)
        and (options.all or threat.status is not ThreatStatus.DISMISSED)
    ]
    _show(options, [threat_json(threat) for threat in found[: options.limit or None]], tables.threats)
    return 0


@reading
def top(options: argparse.Namespace, directory: Path) -> int:
    """Who moved most bytes."""
    found = most.top(directory, options.by, options.since, options.limit or None)
    if found.since != options.since:
        # On stderr, because --json is a list of rows, and scripts read it.
        print(f"netwatchd: whole hours only that far back: since {time_text(found.since)}", file=sys.stderr)
    names = {schema.key_of(device): device.name or device.hostname for device in queries.read_core(directory).devices}
    _show(options, found.rows, lambda rows: tables.top(rows, options.by, names))
    return 0


def status(options: argparse.Namespace) -> int:
    """What the running daemon says of itself; without one, what its files tell."""
    try:
        settings = config.load(options.config)
    except config.ConfigError as error:
        return _fail(error, os.EX_CONFIG)
    try:
        answer = ask(settings, "/status")
    except NotFound as error:
        print(error, file=sys.stderr)
        directory = config.state_directory(settings)
        answer = {"running": False, "database": {"directory": str(directory), "size": retention.size_of(directory)}}
    _show(options, answer, tables.status)
    return 0 if answer["running"] else UNAVAILABLE


def ask(settings: config.Config, path: str) -> dict[str, Any]:
    """What the daemon answers to GET `path` on its WebSocket port; raises NotFound where none does."""
    websocket = settings.websocket
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be asked at loopback, not bound
    host = everywhere.get(websocket.host, websocket.host)
    where = f"{host} port {websocket.port}"
    headers = {"Authorization": f"Bearer {websocket.token}"} if websocket.token else {}
    try:
        with closing(_connection(websocket, host)) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotFound(f"netwatchd does not answer at {where}: {error} (does it run, with this config?)") from error
    if response.status != http.client.OK:
        raise NotFound(f"netwatchd at {where} answers {response.status}: {body[:200].decode(errors='replace').strip()}")
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or "running" not in answer:
        raise NotFound(f"what answers at {where} is not netwatchd")
    return answer


def _connection(websocket: config.Websocket, host: str) -> http.client.HTTPConnection:
    if not websocket.tls_certificate:
        return http.client.HTTPConnection(host, websocket.port, timeout=TIMEOUT)
    # The certificate is the configured one, whatever name it was made for.
    context = ssl.create_default_context(cafile=str(websocket.tls_certificate))
    context.check_hostname = False
    return http.client.HTTPSConnection(host, websocket.port, timeout=TIMEOUT, context=context)


def _devices(directory: Path) -> list[Device]:
    """The devices with their traffic up to now: totals are settled once a minute, flows are committed earlier."""
    import dataclasses

    core = queries.read_core(directory)
    traffic = queries.traffic(directory, core.settled, core.devices)
    found = []
    for device in core.devices:
        bytes_in, bytes_out, _ = traffic.get(schema.key_of(device), [0, 0, 0])
        found.append(
            dataclasses.replace(device, bytes_in=device.bytes_in + bytes_in, bytes_out=device.bytes_out + bytes_out)
        )
    return found


def _key(given: str, devices: list[Device]) -> str:
    """The key of the device that a MAC, an address or a name means; raises NotFound."""
    wanted = given.lower().replace("-", ":") if given.count("-") == 5 else given.lower()
    try:
        address = parse_address(given)
    except ValueError:
        address = None
    for device in devices:
        names = {schema.key_of(device), (device.name or "").lower(), (device.hostname or "").lower()} - {""}
        if wanted in names or address in device.ips:
            return schema.key_of(device)
    raise NotFound(f"no device is known by {given!r}; `netwatchd devices` shows them all")


def _show(options: argparse.Namespace, value: Any, table: Callable[[Any], None]) -> None:
    if options.json:
        print(json.dumps(value, indent=2))
    else:
        table(value)


def _fail(error: Exception, code: int) -> int:
    print(f"netwatchd: {error}", file=sys.stderr)
    return code
