"""What a person sees of the stream: a line an event, and no more of them in a second than can be read.

Time, what it is, who, and what there is to say, one below the other; a threat has its sentences below it. Flows are
told when they begin and when they end, not each time that they have grown; devices when they come, go, or are called
otherwise. What is too much for one second is counted, and told as a sum.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from netwatchd.budget import size_text
from netwatchd.cli.devicetable import printed_name
from netwatchd.cli.moments import counted, span_text
from netwatchd.cli.stream import Message
from netwatchd.cli.tables import SEVERITY_STYLES
from netwatchd.cli.terminal import cut, letters, printable
from netwatchd.cli.told import Row, key_of
from netwatchd.cli.wanted import Wanted
from netwatchd.events import LIVE, SEVERITIES

MOST = {"flows": 10, "devices": 10, "threats": 10}  # lines, or threats, in a tick
WHAT, WHO = 8, 18  # columns
AGAIN = 60.0  # seconds after which a threat that goes on is told again
MOST_THREATS = 10_000  # of which it is remembered when they were told
Lines = Iterable[Text]


@dataclass
class _Told:
    """A threat as it was told."""

    status: str
    severity: str
    when: float


@dataclass
class _More:
    """What there was no line for in this tick."""

    told: int = 0
    left: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    worst: int = 0


class View:
    """Makes lines of messages; `console` is what they are for."""

    def __init__(self, console: Console, wanted: Wanted, *, whole: bool) -> None:
        """`whole`: lines are as long as they are, as a pipe has them."""
        self._console = console
        self._wanted = wanted
        self._whole = whole
        self._devices: dict[str, Row] | None = None  # as they were told last; None before the first snapshot
        self._threats: OrderedDict[int, _Told] = OrderedDict()
        self._more = {topic: _More() for topic in MOST}
        self._arrows = ("\N{DOWNWARDS ARROW}", "\N{UPWARDS ARROW}") if letters("\u2193\u2191", "") else ("", "/")

    def lines(self, message: Message) -> Lines:
        """What is to be said of a message that is wanted."""
        makers: dict[str, Callable[[Message], Lines]] = {
            "snapshot": self._snapshot, "device_update": self._device, "device_removed": self._removed,
            "flow_update": self._flow, "threat_update": self._threat_update, "stats": self._stats, "gap": self._gap,
            "error": lambda message: [self._line(None, "error", "red", "", str(message.get("message")))],
        }  # fmt: skip
        maker = makers.get(message["type"])
        return maker(message) if maker else ()

    def forget(self, message: Message) -> None:
        """Takes note of devices in a message that is not wanted."""
        if self._devices is not None and message["type"] == "device_update":
            self._devices[key_of(message["device"])] = message["device"]

    def tick(self) -> Lines:
        """What there was no line for since the last tick."""
        for topic, more in self._more.items():
            if more.left:
                style = SEVERITY_STYLES[SEVERITIES[more.worst]] if topic == "threats" else "dim"
                traffic = f": {self._traffic(more.bytes_in, more.bytes_out)}" if topic == "flows" else ""
                help_text = ": netwatchd threats tells them" if topic == "threats" else ""
                yield self._line(
                    None, topic, style, "", f"{more.left:,} more{traffic}{help_text}", dim=topic != "threats"
                )
            self._more[topic] = _More()

    # Each kind of message.

    def _snapshot(self, message: Message) -> Lines:
        devices = {key_of(row): row for row in message["devices"]}
        threats = [row for row in message["threats"] if self._is_wanted(row)]
        if self._devices is None:
            here = sum(row["status"] == "online" for row in devices.values())
            for row in threats:
                self._note(row)
            yield Text(
                f"{here:,} of {counted(len(devices), 'device')} here, {counted(len(threats), 'open threat')};"
                " from now on, until Ctrl-C:", "dim",
            )  # fmt: skip
        else:
            # What was missed: it may be told twice, but nothing stays untold.
            for row in devices.values() if "devices" in self._wanted.topics else ():
                yield from self._changed(row, None)
            for row in threats if "threats" in self._wanted.topics else ():
                yield from self._threat(row, None)
        self._devices = devices

    def _device(self, message: Message) -> Lines:
        return self._changed(message["device"], message["time"])

    def _changed(self, row: Row, when: int | None) -> Lines:
        assert self._devices is not None
        before = self._devices.get(key_of(row))
        self._devices[key_of(row)] = row
        told = [*_news(row, before)]
        if told and self._may_tell("devices"):
            what, style, text = told[0]
            yield self._line(when, what, style, printed_name(row), "; ".join([text, *(each[2] for each in told[1:])]))

    def _removed(self, message: Message) -> Lines:
        before = self._devices.pop(message["key"], None) if self._devices is not None else None
        if before and self._may_tell("devices"):
            name = printed_name(before)
            yield self._line(message["time"], "gone", "dim", name, f"{message['key']} is no device of its own any more")

    def _flow(self, message: Message) -> Lines:
        flow = message["flow"]
        if flow["state"] == "active" or not self._may_tell("flows", flow):
            return
        key = flow["device"]
        owner = self._wanted.known.get(key or "")
        opened = not owner or flow["dst_ip"] not in owner["ips"]
        local, peer = (flow["src_ip"], flow["dst_ip"]) if opened else (flow["dst_ip"], flow["src_ip"])
        sent, got = (flow["bytes_out"], flow["bytes_in"]) if opened else (flow["bytes_in"], flow["bytes_out"])
        live = flow["state"] in LIVE
        service = f"{flow['protocol']}/{flow['dst_port']}"
        rest = "" if live else f" {self._traffic(got, sent)}"
        room = self._rest - len(service) - len(rest) - 3
        peer = peer if self._whole else cut(peer, max(room, 8))
        text = f"{'>' if opened else '<'} {peer} {service}{rest}"
        name = printed_name(owner) if owner else key or local
        yield self._line(message["time"], "opened" if live else "flow", "" if live else "blue", name, text, dim=live)

    def _threat_update(self, message: Message) -> Lines:
        row = message["threat"]
        return self._threat(row, message["time"]) if self._is_wanted(row) else ()

    def _threat(self, row: Row, when: int | None) -> Lines:
        before = self._threats.get(row["id"])
        now = time.monotonic()
        same = before is not None and (before.status, before.severity) == (row["status"], row["severity"])
        if (before and same and (when is None or now - before.when < AGAIN)) or not self._may_tell("threats", row):
            return
        self._note(row)
        name = self._name(row["device"])
        again = before and same
        text = f"{row['kind']}  #{row['id']}" + (f"  {row['count']:,} times" if row["count"] > 1 else "")
        if row["status"] != "open":
            text += f"  {row['status']}"
        yield self._line(when, row["severity"], SEVERITY_STYLES[row["severity"]], name, text)
        if row["status"] == "open" and not again:
            yield from self._below(row["description"], "")
            yield from self._below(row["recommendation"] or "", "dim")

    def _stats(self, message: Message) -> Lines:
        stats = message["stats"]
        text = (
            f"{stats['online']:,} of {stats['devices']:,} here, {stats['live_flows']:,} flows,"
            f" {stats['open_threats']:,} threats, up {span_text(stats['uptime'])}"
        )
        return [self._line(message["time"], "stats", "dim", "netwatchd", text, dim=True)]

    def _gap(self, message: Message) -> Lines:
        first, last = message["missed"]
        text = f"{last - first + 1:,} messages were not sent: {message['reason']}"
        return [self._line(None, "missed", "yellow", "", text)]

    # How lines are made.

    @property
    def _rest(self) -> int:
        """Columns that are left for what there is to say."""
        return max(self._console.width - 8 - WHAT - WHO - 6, 20)

    def _line(self, when: int | None, what: str, style: str, who: str, text: str, dim: bool = False) -> Text:
        moment = time.strftime("%H:%M:%S", time.localtime(None if when is None else when / 1000))
        name = printable(who)
        name = name if self._whole and cell_len(name) > WHO else set_cell_size(cut(name, WHO), WHO)
        rest = printable(text) if self._whole or not who else cut(printable(text), self._rest)
        if not who:
            name, rest = "", rest if self._whole else cut(rest, self._rest + WHO + 2)
        line = Text().append(f"{moment}  ", "dim").append(f"{printable(what):<{WHAT}}  ", style or "default")
        line.append(f"{name}  " if who else "", "dim" if dim else "bold")
        return line.append(rest, "dim" if dim else "default")

    def _below(self, text: str, style: str) -> Lines:
        body = Text(printable(text), style or "default")
        for line in body.wrap(self._console, max(self._console.width - 10, 20)) if text else ():
            line.rstrip()
            yield Text(" " * 10).append_text(line)

    def _traffic(self, bytes_in: int, bytes_out: int) -> str:
        down, up = self._arrows
        return f"{down}{size_text(bytes_in)} {up}{size_text(bytes_out)}"

    def _name(self, key: str | None) -> str:
        row = self._wanted.known.get(key or "")
        return printed_name(row) if row else key or "nobody in particular"

    # What is told.

    def _is_wanted(self, threat: Row) -> bool:
        return self._wanted.is_bad_enough(threat) and self._wanted.is_about(threat)

    def _note(self, row: Row) -> None:
        self._threats[row["id"]] = _Told(row["status"], row["severity"], time.monotonic())
        self._threats.move_to_end(row["id"])
        if len(self._threats) > MOST_THREATS:
            self._threats.popitem(last=False)

    def _may_tell(self, topic: str, row: Row | None = None) -> bool:
        """Whether there is a line left in this tick; else it is counted."""
        more = self._more[topic]
        more.told += 1
        if more.told <= MOST[topic]:
            return True
        more.left += 1
        if row and topic == "flows":
            more.bytes_in += row["bytes_in"]
            more.bytes_out += row["bytes_out"]
        elif row:
            more.worst = max(more.worst, SEVERITIES.index(row["severity"]))
        return False


def _news(row: Row, before: Row | None) -> Iterable[tuple[str, str, str]]:
    """What has changed of a device: the word for it, its style, and the rest."""
    where = ", ".join(filter(None, (row["ip"], row["mac"])))
    if before is None:
        yield "new", "bold green", f"{where}, {row['kind']}" if row["kind"] != "unknown" else where
        return
    if row["status"] != before["status"]:
        here = row["status"] == "online"
        yield ("online", "green", where) if here else ("offline", "dim", where)
    if (name := printed_name(row)) != (old := printed_name(before)):
        yield "named", "cyan", f"was {old}" if name else where
    if row["ip"] != before["ip"] and row["ip"] and row["ip"] not in before["ips"]:
        yield "address", "", f"{row['ip']}, was {before['ip'] or 'not known'}"
