"""The verbs that say what is made of threats: acknowledge, dismiss, reopen. The running daemon does it."""

import argparse
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from netwatchd import clock, config
from netwatchd.answers.threats import names_of
from netwatchd.cli.act import known_devices
from netwatchd.cli.answer import Misused, Trouble, Unanswered, acting, show
from netwatchd.cli.stream import Message, Refused, Stream, stream
from netwatchd.cli.terminal import printable
from netwatchd.mutes import split_port
from netwatchd.storage import queries

# Seconds until it is committed, which takes a quarter of one; on a full disk it may never be, and is done all the same.
LONGEST_COMMIT, TURN = 2.0, 0.05
STATUS = {"acknowledge": "acknowledged", "dismiss": "dismissed", "reopen": "open"}


def acknowledge(options: argparse.Namespace) -> int:
    """Notes that the user knows of threats."""
    return _judge(options, "acknowledge")


def dismiss(options: argparse.Namespace) -> int:
    """Notes that threats are none to the user."""
    return _judge(options, "dismiss")


def reopen(options: argparse.Namespace) -> int:
    """Has threats be open again."""
    return _judge(options, "reopen")


def _judge(options: argparse.Namespace, op: str) -> int:
    @acting
    def judge(options: argparse.Namespace, settings: config.Config) -> int:
        kind, device = getattr(options, "kind", None), getattr(options, "device", None)
        if not options.ids and kind is None and device is None:
            raise Misused("say which threats: their ids, or --kind, or --device" if op != "reopen" else "say which ids")
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        with stream(settings.websocket, "threats") as live:
            ids = list(dict.fromkeys(options.ids))
            told = live.catch_up()
            if kind is not None or device is not None:
                ids += _alike(_open(told), kind, device, settings)
            for each in ids:
                try:
                    done.append(_do(live, op, each))
                except Refused as error:
                    failed.append({"threat": each, "message": str(error)})
        if not ids:
            raise Trouble("no open threat is like that")
        _until_stored(config.state_directory(settings), {row["id"]: row["status"] for row in done})
        return _say(options, {"op": op, "threats": done, "failed": failed})

    return judge(options)


def _open(told: list[Message]) -> list[dict[str, Any]]:
    """The open threats of a snapshot, and what came behind it."""
    rows: dict[int, dict[str, Any]] = {}
    for message in told:
        for row in message.get("threats", [message["threat"]] if "threat" in message else []):
            rows[row["id"]] = row
    return [row for row in rows.values() if row["status"] == "open"]


def _alike(rows: list[dict[str, Any]], kind: str | None, device: str | None, settings: config.Config) -> list[int]:
    """The ids of those of the kind, and about the device."""
    sides = {row["id"]: {row["device"], split_port(row["target"] or "")[0]} for row in rows}
    names = names_of(device, known_devices(settings), set().union(*sides.values())) if device is not None else set()
    return [
        row["id"]
        for row in rows
        if kind in (None, row["kind"]) and (device is None or not names.isdisjoint(sides[row["id"]]))
    ]


def _do(live: Stream, op: str, threat: int) -> dict[str, Any]:
    """Has one be judged; returns it as it is then."""
    row: dict[str, Any] = {"id": threat, "status": STATUS[op]}

    def take(message: Message) -> bool:
        if message["type"] == "threat_update" and message["threat"]["id"] == threat:
            row.update(message["threat"])
        return "kind" in row and row["status"] == STATUS[op]

    seen = [take(message) for message in live.act(op, threat=threat)]
    # It is done. A daemon that is too busy to tell this client of it is no reason to say otherwise.
    with suppress(Unanswered):
        if not any(seen):
            live.until(take)
    return row


def _until_stored(directory: Path, judged: dict[int, str]) -> None:
    """Waits until it is in the database: `netwatchd threats` reads that, and comes next."""
    deadline = clock.now().steady + LONGEST_COMMIT
    while clock.now().steady < deadline:
        with suppress(queries.NoDatabase, sqlite3.Error):
            stored = {each.id: each.status for each in queries.read_core(directory).threats}
            if all(stored.get(each) == status for each, status in judged.items()):
                return
        time.sleep(TURN)


def _say(options: argparse.Namespace, answer: dict[str, Any]) -> int:
    def lines(answer: dict[str, Any]) -> None:
        for row in answer["threats"]:
            what = f"{row['kind']}: {row['description']}" if "kind" in row else ""
            print(printable(f"{row['id']} is {row['status']} now{': ' if what else ''}{what}"))

    show(options, answer, lines)
    if answer["failed"]:
        raise Trouble("\n".join(each["message"] for each in answer["failed"]))
    return 0
