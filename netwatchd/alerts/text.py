"""What an alert says: a title and a text for people, who read it on a telephone, and JSON for programs."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.alerts import Message
from netwatchd.alerts.held import LONGEST_NAME as LONGEST_KEPT
from netwatchd.alerts.held import Held, rank
from netwatchd.events import Device, Threat
from netwatchd.mutes import line_of

LONGEST_NAME, LONGEST_TITLE, LONGEST_TEXT = 60, 200, 1500  # characters
# Characters of a line that is to be copied. In a longer one there may be a name that was cut while it waited (`held`),
# and that line would mute another threat: `netwatchd threat` shows it.
LONGEST_LINE = LONGEST_KEPT
MOST_TOLD = 5  # threats that a digest tells one by one: what is read at a glance
# Kinds that say what happened to the device, and not what it did.
_HAPPENED = frozenset(("new_device", "device_back", "name_changed", "ip_conflict"))

# Kinds whose own word would not do in a sentence.
_SAID = {
    "blocklist": "contact with a blocklisted host",
    "dga": "made-up domain names",
    "inbound": "connections from outside",
    "iot": "unusual behaviour of a simple device",
    "plaintext": "passwords in plain text",
    "upload": "unusual upload",
}
_ACRONYMS = {"arp": "ARP", "dhcp": "DHCP", "dns": "DNS", "icmp": "ICMP", "ids": "IDS", "ip": "IP", "nd": "ND"}

AsJson = Callable[[Threat], dict[str, Any]]
Find = Callable[[str], Device | None]


def plain(text: str, most: int = LONGEST_TEXT) -> str:
    """The text in one line, without what would act on whoever shows it, and not too long."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 2 * most]).split())
    return text if len(text) <= most else text[: most - 1] + "…"


class Author:
    """Writes messages. `find` knows devices by key, `as_json` is the public object of a threat."""

    def __init__(self, host: str, find: Find, as_json: AsJson, zone: tzinfo | None = None) -> None:
        """`host` is the name of this machine; `zone` that of the times (None: of this machine)."""
        self.host = plain(host, LONGEST_NAME) or "localhost"
        self._find = find
        self._as_json = as_json
        self._zone = zone

    def alert(self, id_: str, threat: Threat, time: int) -> Message:
        """A message about one threat; `time` (Unix ms) is when it became worth it."""
        title = self.title(threat)
        seen = f"Seen {self._moment(threat.last_seen)}."
        if threat.count > 1:
            seen = (
                f"Seen {threat.count:,} times, {self._moment(threat.first_seen)} to {self._moment(threat.last_seen)}."
            )
        paragraphs = [
            plain(threat.description),
            plain(threat.recommendation or ""),
            seen,
            "\n".join(filter(None, (f"More: netwatchd threat {threat.id}", _to_mute(threat)))),
        ]
        body = "\n\n".join(filter(None, paragraphs))
        value = self._as_json(threat)
        try:
            json.dumps(value, allow_nan=False)
        except (ValueError, TypeError):  # evidence of another program, for which JSON has no words
            value = value | {"evidence": {}}
        environment = {
            "NETWATCHD_THREAT": str(threat.id),
            "NETWATCHD_KIND": plain(threat.kind),
            "NETWATCHD_DEVICE": plain(threat.device or ""),
            "NETWATCHD_TARGET": plain(threat.target or ""),
            "NETWATCHD_DESCRIPTION": plain(threat.description),
            "NETWATCHD_RECOMMENDATION": plain(threat.recommendation or ""),
            "NETWATCHD_COUNT": str(threat.count),
            "NETWATCHD_MUTE": _line(threat),
        }
        more = {"threat": value}
        message = Message(id_, "threat", threat.severity, title, body, more, threat.kind, environment)
        return self._addressed(message, time)

    def digest(self, id_: str, held: Held, threats: Sequence[Threat], time: int) -> Message:
        """A message about all that was held back; `threats` are those of it that are known one by one, and open."""
        counts = Counter((plain(threat.kind, LONGEST_NAME), threat.severity) for threat in threats) + Counter(held.more)
        ordered = sorted(counts.items(), key=lambda each: (-rank(each[0][1]), -each[1], each[0][0]))
        total = sum(counts.values())
        severity = max((severity for _, severity in counts), key=rank)
        told = sorted(threats, key=lambda threat: (-rank(threat.severity), -threat.last_seen))[:MOST_TOLD]
        what = f"{total:,} more threat" + ("s" if total > 1 else "")
        title = plain(f"{severity.upper()}: {what} on {self.host}", LONGEST_TITLE)
        lines = [f"{count:,} × {_words(kind)} ({each})" for (kind, each), count in ordered[:10]]
        if len(ordered) > len(lines):
            lines.append(f"{sum(count for _, count in ordered[10:]):,} × others")
        reasons = _reasons(held)
        body = "\n\n".join(
            [
                f"{what[0].upper()}{what[1:]}, from {self._moment(held.since)} to {self._moment(held.until)}"
                f"{f' ({reasons})' if reasons else ''}:",
                "\n".join(lines),
                *(["The worst of them:"] if len(told) < total and told else []),
                *(self._in_short(threat) for threat in told),
                "All of them: netwatchd threats",
            ]
        )
        value = {
            "count": total,
            "since": held.since,
            "until": held.until,
            "reasons": sorted(held.reasons),
            "kinds": [{"kind": kind, "severity": each, "count": count} for (kind, each), count in ordered],
            "threats": [self._as_json(threat) | {"evidence": {}} for threat in told],
        }
        environment = {"NETWATCHD_COUNT": str(total)}
        message = Message(id_, "digest", severity, title, body, {"digest": value}, "digest", environment)
        return self._addressed(message, time)

    def test(self, id_: str, time: int) -> Message:
        """A message that says that messages arrive."""
        title = f"TEST: alerts of netwatchd on {self.host}"
        body = f"Alerts of netwatchd on {self.host} arrive here.\n\nSent by netwatchd alert-test, {self._moment(time)}."
        return self._addressed(Message(id_, "test", "info", title, body, {}, "test"), time)

    def title(self, threat: Threat) -> str:
        """`HIGH: port scan by kali (192.168.77.60)`."""
        whom = self._called(threat.device)
        kind = plain(_words(threat.kind), LONGEST_NAME)
        by = f"{': ' if threat.kind in _HAPPENED else ' by '}{whom}" if whom else ""
        return plain(f"{threat.severity.upper()}: {kind}{by}", LONGEST_TITLE)

    def _in_short(self, threat: Threat) -> str:
        said = f"{self.title(threat)}. {plain(threat.description, 300)}"
        return "\n".join(filter(None, (said, _to_mute(threat))))

    def _called(self, key: str | None) -> str:
        device = self._find(key) if key else None
        if device is None:
            return plain(key or "", LONGEST_NAME)
        name = plain(device.name or device.hostname or device.model or device.vendor or "", LONGEST_NAME)
        # The address that people know: IPv4 before IPv6.
        address = next((ip for ip in device.ips if isinstance(ip, int)), device.ip)
        where = address_text(address) if address is not None else device.mac or ""
        return f"{name} ({where})" if name and where else name or where

    def _moment(self, time: int) -> str:
        try:
            return datetime.fromtimestamp(time / 1000, self._zone).strftime("%Y-%m-%d %H:%M:%S")
        except (OverflowError, ValueError, OSError):  # another program's, such as one of the year 50,000
            return str(time)

    def _addressed(self, message: Message, time: int) -> Message:
        """The message with what all of them tell: of which machine, and of when (Unix ms)."""
        head = {"event": message.event, "id": message.id, "host": self.host, "time": time}
        head |= {"severity": message.severity, "title": message.title, "text": message.body}
        environment = {
            "NETWATCHD_EVENT": message.event,
            "NETWATCHD_ID": message.id,
            "NETWATCHD_HOST": self.host,
            "NETWATCHD_SEVERITY": message.severity,
            "NETWATCHD_TITLE": message.title,
        }
        return replace(message, json=head | message.json, environment=environment | message.environment)


def _line(threat: Threat) -> str:
    """The line of config.ini that mutes it; nothing where that cannot be copied as it is shown."""
    line = line_of(threat.kind, threat.device, threat.target)
    return line if plain(line, LONGEST_LINE) == line else ""


def _to_mute(threat: Threat) -> str:
    line = _line(threat)
    return line and f"To mute it, in [threats]: {line}"


def _words(kind: str) -> str:
    """A kind as people say it."""
    return _SAID.get(kind) or " ".join(_ACRONYMS.get(word, word) for word in kind.replace("_", " ").split(" "))


def _reasons(held: Held) -> str:
    said = {
        "budget": "more than the budget of an hour",
        "quiet_hours": "quiet hours",
        "backlog": "they could not be sent",
        "late": "they could not be sent",
    }
    return " and ".join(dict.fromkeys(said[reason] for reason in sorted(held.reasons) if reason in said))
