"""The verb `completion`: scripts by which shells complete the command line, and what these ask for meanwhile.

The scripts know verbs, flags and words by themselves, so that they need no Python; devices and threats they ask for.
Names of devices are made up by whoever is on the network: no script has them expanded, evaluated or shown unclean.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from netwatchd.addresses import address_text
from netwatchd.answers.find import keys_of
from netwatchd.cli.answer import reading
from netwatchd.cli.grammar import Verb, verbs
from netwatchd.cli.scripts import bash, fish, zsh
from netwatchd.cli.terminal import printable
from netwatchd.events import Device, Threat, ThreatStatus
from netwatchd.storage import queries, schema

SCRIPTS = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
MOST = 500  # candidates: nobody reads more
LONGEST = 60  # characters of what is said of one


def completion(options: argparse.Namespace) -> int:
    """Prints a script, or the candidates for what has begun: one a line, behind a tab what it is."""
    if options.what in SCRIPTS:
        print(SCRIPTS[options.what](_verbs()), end="")
        return 0
    return _answer(options)


def _verbs() -> list[Verb]:
    from netwatchd.cli.main import parser  # here, because that one loads this module

    return verbs(parser())


@reading
def _answer(options: argparse.Namespace, directory: Path) -> int:
    stored = queries.read_core(directory)
    found = (
        _devices(stored.devices, options.begun)
        if options.what == "devices"
        else _threats(stored.threats, options.begun)
    )
    for candidate, about in list(dict(found).items())[:MOST]:
        print(f"{candidate}\t{printable(about)[:LONGEST]}")
    return 0


def _devices(devices: Iterable[Device], begun: str) -> Iterable[tuple[str, str]]:
    """Devices by their names; by MAC and address where a name does not begin so."""
    wanted = begun.casefold()
    named, keyed = [], []
    for device in sorted(devices, key=lambda each: -each.last_seen):
        name = device.name or device.hostname
        keys = [*keys_of(device), *map(address_text, device.ips)]
        if name and (name.startswith("-") or not name.isprintable()):
            name = None  # a terminal cannot take it, or the command line would take it for a flag
        if name and name.casefold().startswith(wanted):
            named.append((name, ", ".join(keys[:1] + [address_text(ip) for ip in device.ips[:1]])))
        elif not wanted and not name:
            named.append((schema.key_of(device), device.vendor or device.kind))
        keyed += [(key, name or device.vendor or device.kind) for key in keys if wanted and key.startswith(wanted)]
    return named or keyed


def _threats(threats: Iterable[Threat], begun: str) -> Iterable[tuple[str, str]]:
    """Threats by their numbers, those that are open first."""
    first = sorted(threats, key=lambda each: (each.status is not ThreatStatus.OPEN, -each.last_seen))
    return [
        (str(each.id), f"{each.severity} {each.kind}: {each.description}")
        for each in first
        if str(each.id).startswith(begun)
    ]
