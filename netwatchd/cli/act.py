"""The verbs that change what is known of devices: name, forget, merge, split. The running daemon does it.

A device is looked up among those that the daemon knows now: what one command has done, the next one finds.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from shlex import join
from typing import Any

from netwatchd import config
from netwatchd.addresses import parse_mac
from netwatchd.answers.find import described, find
from netwatchd.cli.answer import Misused, Trouble, Unanswered, acting, show
from netwatchd.cli.stream import Message, stream, unstored
from netwatchd.cli.terminal import printable
from netwatchd.cli.told import device_of, key_of
from netwatchd.events import Device
from netwatchd.storage import schema


@dataclass
class Done:
    """What the daemon told of an op that it has done."""

    op: dict[str, Any]  # as it was sent
    keys: tuple[str, ...]  # of the devices that it is about
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)  # those that changed, by key
    removed: list[str] = field(default_factory=list)  # keys of those that are no more
    unstored: str | None = None  # why it would be lost with the daemon

    def take(self, message: Message) -> None:
        """Takes in an update of one of these devices."""
        if message["type"] == "device_update" and (key := key_of(message["device"])) in self.keys:
            self.devices[key] = message["device"]
        elif message["type"] == "device_removed" and message["key"] in self.keys:
            self.removed.append(message["key"])


@acting
def name(options: argparse.Namespace, settings: config.Config) -> int:
    """Gives a device a name, or takes it away."""
    if (options.name is None) is not options.remove:
        raise Misused("say either a name, or --remove")
    known = known_devices(settings)
    device = find(options.device, known)
    key = schema.key_of(device)
    others = [
        other
        for other in known
        if options.name and (other.name or "").casefold() == options.name.casefold() and other is not device
    ]
    for other in others:
        print(f"netwatchd: {printable(described(other))} is called so, too", file=sys.stderr)
    done = _do(
        settings,
        lambda done: key in done.devices and done.devices[key]["name"] == options.name,
        key,
        op="name",
        device=key,
        name=options.name,
    )
    what = f"is called {options.name!r} now" if options.name else "has no name of yours any more"
    return _say(options, done, [key], f"{described(device)} {what}")


@acting
def forget(options: argparse.Namespace, settings: config.Config) -> int:
    """Has nothing of a device be kept."""
    device = find(options.device, known_devices(settings))
    key = schema.key_of(device)
    if not options.yes and not _is_sure(device):
        raise Trouble("nothing was forgotten")
    done = _do(settings, lambda done: key in done.removed, key, op="forget", device=key)
    return _say(options, done, [], f"{described(device)} is forgotten; seen again, it is new")


@acting
def merge(options: argparse.Namespace, settings: config.Config) -> int:
    """Tells that two devices are one."""
    known = known_devices(settings)
    device, into = find(options.device, known), find(options.into, known)
    key, other = schema.key_of(device), schema.key_of(into)
    if key == other:
        raise Trouble(f"{options.device!r:.80} and {options.into!r:.80} are the same device: {described(into)}")
    ways = ((device, into), (into, device))  # where only one has a MAC, the daemon keeps that one

    def shown(done: Done) -> bool:
        return any(schema.key_of(a) in done.removed and schema.key_of(b) in done.devices for a, b in ways)

    done = _do(settings, shown, key, other, op="merge", device=key, into=other)
    gone, kept = ways[other in done.removed]
    undo = f"; to undo: {join(['netwatchd', 'split', schema.key_of(kept), gone.mac])}" if gone.mac else ""
    return _say(options, done, [schema.key_of(kept)], f"{described(device)} is {described(into)} now{undo}")


@acting
def split(options: argparse.Namespace, settings: config.Config) -> int:
    """Tells that a MAC which was merged into a device is one of its own."""
    device = find(options.device, known_devices(settings))
    key, mac = schema.key_of(device), _merged_mac(options, device)
    done = _do(settings, lambda done: mac in done.devices and key in done.devices, mac, key, op="split", device=mac)
    parts = [
        f"{described(device_of(row))} {what}"
        for each, what in ((mac, "is a device of its own now"), (key, "stays"))
        if (row := done.devices.get(each))
    ]
    return _say(options, done, [mac, key], "; ".join(parts) or f"{mac} is a device of its own now")


def _merged_mac(options: argparse.Namespace, device: Device) -> str:
    """The MAC that is to be a device of its own; raises Trouble where that is not clear."""
    others = [mac for mac in device.macs if mac != device.mac]
    commands = "".join(f"\n  {join(['netwatchd', 'split', schema.key_of(device), mac])}" for mac in others)
    if not others:
        raise Trouble(f"{described(device)} has no other MAC that was merged into it")
    wanted: str | None = options.mac
    if wanted is None:
        with suppress(ValueError):  # the device itself may be given by the MAC that is meant
            given = parse_mac(options.device)
            wanted = given if given in others else None
    if wanted in others:
        return str(wanted)
    if wanted is not None:
        raise Trouble(f"{wanted} is none that was merged into {described(device)}; there is{commands}")
    if len(others) > 1:
        raise Trouble(f"{described(device)} has several MACs; say which one:{commands}")
    return others[0]


def known_devices(settings: config.Config) -> list[Device]:
    """The devices that the running daemon knows."""
    known: dict[str, dict[str, Any]] = {}
    with stream(settings.websocket) as live:
        for message in live.catch_up():
            if message["type"] == "snapshot":
                known = {key_of(row): row for row in message["devices"]}
            elif message["type"] == "device_update":
                known[key_of(message["device"])] = message["device"]
            elif message["type"] == "device_removed":
                known.pop(message["key"], None)
    return list(map(device_of, known.values()))


def _do(settings: config.Config, shown: Callable[[Done], bool], *keys: str, **op: Any) -> Done:
    """Has the daemon do it, and waits until that is shown by its updates of the devices with these keys."""
    done = Done(op, keys)

    def take(message: Message) -> bool:
        done.take(message)
        return shown(done)

    with stream(settings.websocket) as live:
        live.catch_up()
        told = live.act(**op)
        for message in told:
            done.take(message)
        done.unstored = unstored(told)
        # It is done. A daemon that is too busy to tell this client of it is no reason to say otherwise.
        with suppress(Unanswered):
            if not shown(done):
                live.until(take)
    return done


def _is_sure(device: Device) -> bool:
    """Whether the person at the terminal wants a device to be forgotten."""
    if not sys.stdin.isatty():
        raise Misused("forgetting cannot be undone; say --yes where nobody can be asked")
    print(f"Forget all about {printable(described(device))}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(options: argparse.Namespace, done: Done, keys: list[str], sentence: str) -> int:
    """Tells what was done: in a line, or as an object with the devices as they are now."""
    devices = [done.devices[key] for key in keys if key in done.devices]
    answer = {**done.op, "devices": devices, "removed": done.removed}
    show(options, answer, lambda _: print(printable(sentence)))
    if done.unstored:
        raise Trouble(done.unstored)
    return 0
