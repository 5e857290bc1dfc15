"""The verbs about blocklists: lists shows them, lookup says what they have. Both read what is kept."""

import argparse
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.text import Text

from netwatchd import clock, config
from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.answers.found import Rows
from netwatchd.blocklists.updates import kept_lists, kept_states
from netwatchd.cli.answer import Misused, Trouble, acting, show
from netwatchd.cli.moments import ago_text
from netwatchd.cli.reach import ask
from netwatchd.cli.sheet import Column, print_sheet
from netwatchd.cli.stream import stream
from netwatchd.cli.terminal import print_page, printable
from netwatchd.decoders.lists.entry import name

NO_LISTS = "no lists: [blocklists] lists in config.ini names none"
COLUMNS = (
    Column("name", least=12), Column("purpose", spare=1), Column("entries", number=True), Column("state"),
    Column("fetched"), Column("checked", spare=2), Column("description", least=20, sentence=True),
)  # fmt: skip
# Seconds that `lists --update` waits for all of them; the daemon goes on afterwards.
LONGEST_UPDATE = 300.0
TURN = 0.5


@acting
def lists(options: argparse.Namespace, settings: config.Config) -> int:
    """The lists: how many entries they have, how old they are, and what went wrong."""
    if options.update:
        if options.state:
            raise Misused("--update is for the running daemon, --state for what lies in a directory")
        if settings.blocklists.lists:
            _update(settings)
    show(options, kept_states(settings.blocklists, _state(options, settings)), table)
    return 0


@acting
def lookup(options: argparse.Namespace, settings: config.Config) -> int:
    """Which lists have an address or a name, and whether it is told."""
    what = _what(options.what)
    kept = kept_lists(settings.blocklists, settings.devices.networks, _state(options, settings))
    found = kept.explain(what)
    allowed = next((why for _, why in found if why), None)
    if not isinstance(what, str):
        allowed = kept.view.allowance.address(what)
    answer = {
        "what": what if isinstance(what, str) else address_text(what),
        "listings": [each._asdict() for each, _ in found],
        "allowed": allowed,
        "lists": len(kept.view.lists),
    }
    show(options, answer, _explain)
    return 0


def table(rows: Rows) -> None:
    """The lists, one a row."""
    now = clock.now().wall
    cells = (
        [
            row["name"], row["purpose"], f"{row['entries']:,}", row["state"],
            *(ago_text(row[key], now) if row[key] else "never" for key in ("fetched", "checked")),
            row["error"] or row["source"],
        ]
        for row in rows
    )  # fmt: skip
    print_sheet(COLUMNS, cells, NO_LISTS)


def _update(settings: config.Config) -> None:
    """Has the daemon fetch all lists now, and waits for it; raises Trouble."""
    before = clock.now().wall
    with stream(settings.websocket) as live:
        live.act("update_lists")
    deadline = clock.now().steady + LONGEST_UPDATE
    while not all((each["tried"] or 0) >= before for each in ask(settings, "/status")["blocklists"]):
        if clock.now().steady > deadline:
            raise Trouble("the daemon is still at it; look again with: netwatchd lists")
        time.sleep(TURN)


def _state(options: argparse.Namespace, settings: config.Config) -> Path:
    return Path(options.state) if options.state else config.state_directory(settings)


def _what(text: str) -> Address | str:
    with suppress(ValueError):
        return parse_address(text)
    try:
        return str(name(text).value)
    except ValueError:
        raise Misused(f"{text!r:.80} should be an address or a name") from None


def _explain(answer: dict[str, Any]) -> None:
    what = answer["what"]
    lines = []
    if not answer["lists"]:
        lines.append(f"{NO_LISTS}, or none was fetched yet")
    elif not answer["listings"]:
        lines.append(f"{what} is in no list; {answer['lists']} were asked")
    now = clock.now().wall
    for each in answer["listings"]:
        note = f" ({each['note']})" if each["note"] else ""
        fetched = f"fetched {ago_text(each['fetched'], now)}"
        lines.append(
            f"{what} is in {each['list']}: {each['entry']}{note}, {each['purpose']}, {each['severity']}, {fetched}"
        )
    if answer["allowed"]:
        lines.append(f"never told: it is allowed as {answer['allowed']}")
    print_page(*(Text(printable(line)) for line in lines))
