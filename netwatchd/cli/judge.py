"""The verbs that say what is made of threats: acknowledge, dismiss, reopen. The running daemon does it."""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from netwatchd import config
from netwatchd.answers.threats import names_of
from netwatchd.cli.act import known_devices
from netwatchd.cli.answer import Misused, Trouble, Unanswered, acting, show
from netwatchd.cli.stream import Message, Stream, stream, unstored
from netwatchd.cli.terminal import printable
from netwatchd.mutes import split_port

# So many are judged before it is waited until they are stored: each time is a writing to the card.
AT_ONCE = 100
STATUS = {"acknowledge": "acknowledged", "dismiss": "dismissed", "reopen": "open"}


@dataclass
class Judged:
    """What became of the threats that are judged."""

    op: str
    threats: list[dict[str, Any]] = field(default_factory=list)  # as they are then
    failed: list[dict[str, Any]] = field(default_factory=list)
    unstored: str | None = None  # why it would be lost with the daemon

    def have_done(self, live: Stream, ids: Sequence[int]) -> None:
        """Has the daemon judge some more."""
        rows: dict[int, dict[str, Any]] = {each: {"id": each, "status": STATUS[self.op]} for each in ids}

        def take(message: Message) -> bool:
            row = message["threat"] if message["type"] == "threat_update" else {}
            if row.get("status") == STATUS[self.op] and row["id"] in rows:
                rows[row["id"]] = row
            return all("kind" in row for row in rows.values())

        told, refused = live.act_all(self.op, [{"threat": each} for each in ids])
        for index, why in refused.items():
            del rows[ids[index]]
            self.failed.append({"threat": ids[index], "message": why})
        for message in told:
            take(message)
        self.unstored = unstored(told) or self.unstored
        # It is done. A daemon that is too busy to tell this client of it is no reason to say otherwise.
        with suppress(Unanswered):
            if not all("kind" in row for row in rows.values()):
                live.until(take)
        self.threats += rows.values()


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
        judged = Judged(op)
        with stream(settings.websocket, "threats") as live:
            ids = list(dict.fromkeys(options.ids))
            told = live.catch_up()
            if kind is not None or device is not None:
                ids = list(dict.fromkeys([*ids, *_alike(_open(told), kind, device, settings)]))
            for at in range(0, len(ids), AT_ONCE):
                judged.have_done(live, ids[at : at + AT_ONCE])
        if not ids:
            raise Trouble("no open threat is like that")
        return _say(options, judged)

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


def _say(options: argparse.Namespace, judged: Judged) -> int:
    def lines(answer: dict[str, Any]) -> None:
        for row in answer["threats"]:
            what = f"{row['kind']}: {row['description']}" if "kind" in row else ""
            print(printable(f"{row['id']} is {row['status']} now{': ' if what else ''}{what}"))

    show(options, {"op": judged.op, "threats": judged.threats, "failed": judged.failed}, lines)
    if wrong := [each["message"] for each in judged.failed] + ([judged.unstored] if judged.unstored else []):
        raise Trouble("\n".join(wrong))
    return 0
