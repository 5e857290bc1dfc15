"""The verb `doctor`: what works and what does not, and which threats can be seen with the sources that are on."""

import argparse
from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from netwatchd import config
from netwatchd.cli.answer import FAILED, Unanswered, show
from netwatchd.cli.checks import BROKEN, NOTE, OK, Check, Patient, check_all, of_sources
from netwatchd.cli.reach import ask
from netwatchd.cli.terminal import add, print_page, printable
from netwatchd.sights import DIRECTLY, INDIRECTLY, NOT, OFF, sights

STYLES = {OK: "green", NOTE: "yellow", BROKEN: "bold red", "": ""}


def doctor(options: argparse.Namespace) -> int:
    """Says how it is; 1 where something is broken."""
    patient = _examine(options)
    checks = check_all(patient)
    sources, on = of_sources(patient)
    checks += sources
    kinds = sights(on, patient.settings)
    broken = any(check.state == BROKEN for check in checks)
    answer = {
        "well": not broken,
        "checks": [check._asdict() for check in checks],
        "sources_on": sorted(on),
        "kinds": kinds,
    }
    limits = _limits(kinds) if options.limits else ()
    show(options, answer, lambda _: _print(checks, [*_sights(kinds), *limits], broken=broken))
    return FAILED if broken else 0


def _examine(options: argparse.Namespace) -> Patient:
    place = str(config.search_path(options.config)[0])
    try:
        settings, mistakes = config.load(options.config), []
    except config.ConfigError as error:
        settings, mistakes = config.Config(), str(error).split("\n")
    try:
        return Patient(settings, place, mistakes, ask(settings, "/status"), "")
    except Unanswered as error:
        return Patient(settings, place, mistakes, None, str(error))


def _print(checks: list[Check], more: Iterable[tuple[str, str, str]], *, broken: bool) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        add(grid, Text(check.topic, "bold"), Text(check.state, STYLES[check.state]), check.text)
        if check.help:
            add(grid, "", "", Text(printable(f"help: {check.help}"), "dim"))
    for label, state, text in more:
        add(grid, Text(label, "bold"), Text(state, STYLES[state]), text)
    ending = Text("something is broken: docs/TROUBLESHOOTING.md goes on from each of these words", STYLES[BROKEN])
    print_page(grid, ending if broken else Text("all is well", STYLES[OK]))


def _sights(kinds: list[dict[str, Any]]) -> Iterable[tuple[str, str, str]]:
    """The kinds by how they are seen, those together of which the same is to be said; then what is never seen."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for seen in (DIRECTLY, INDIRECTLY, NOT, OFF):
        for each in (each for each in kinds if each["seen"] == seen):
            by = ", ".join(each["by"]) if seen == INDIRECTLY else ""
            alike.setdefault((seen, by, " or ".join(sorted(each["would_help"]))), []).append(each["kind"])
    label = "threats"
    for (seen, by, help_text), names in alike.items():
        words = {NOT: "not seen", OFF: "switched off in [detector:...]"}.get(seen, f"seen {seen}")
        told = f"{words}{f' (by {by})' if by else ''}: {', '.join(names)}"
        yield label, NOTE if seen == NOT else OK, told + (f"; to see them: {help_text}" if help_text else "")
        label = ""
    if any(each["limits"] and each["seen"] != OFF for each in kinds):
        yield "", "", "netwatchd doctor --limits tells what of them is not seen even so"


def _limits(kinds: list[dict[str, Any]]) -> Iterable[tuple[str, str, str]]:
    """What no source, or none of most, can show."""
    limits: dict[str, list[str]] = {}
    for each in kinds:
        if each["limits"] and each["seen"] != OFF:
            limits.setdefault(each["limits"], []).append(each["kind"])
    label = "limits"
    for sentence, names in limits.items():
        yield label, "", f"{', '.join(names)}: {sentence}"
        label = ""
