"""One JSON object a line, `{"type": "device" | "flow" | "threat", ...}`, as a Sighting, Flow or Threat.

Only `mac` or `ip` (device), the 5-tuple (flow), `kind` and `description` (threat) are required; keys that mean nothing
here are passed over, so that newer writers can speak to older daemons.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any

from netwatchd.addresses import Address, is_host, parse_address, parse_mac, parse_station
from netwatchd.events import LIVE, PROTOCOL_NUMBERS, SEVERITIES, Flow, Sighting, Threat, ThreatStatus

MOST_TEXT = 2000  # characters of a description; other texts are names
MOST_NAME = 255
MOST_ADDRESSES = 16
MOST_DEPTH = 20  # of evidence: what is nested deeper than Python may descend could be read, but not written again
END_OF_TIME = 253_402_300_800_000  # Unix ms of the year 10000: calendars end there

_address = lru_cache(maxsize=8192)(parse_address)  # the same few thousand addresses come again and again


class Malformed(ValueError):
    """The line is no event; the message says what is wrong with it."""


def decode_line(line: bytes, now: int, new_id: Callable[[int], int]) -> Sighting | Flow | Threat:
    """The event of one line received at `now` (Unix ms); `new_id(now)` gives a flow its id. Raises Malformed."""
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        raise Malformed("it is nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"it is no JSON: {error}") from None
    if type(value) is not dict:
        raise Malformed("it should be an object, {...}")
    kind = value.get("type")
    decode = _DECODERS.get(kind) if isinstance(kind, str) else None
    if decode is None:
        raise Malformed('"type" should be "device", "flow" or "threat"')
    try:
        return decode(value, now, new_id)
    except Malformed:
        raise
    except KeyError as error:
        raise Malformed(f'"{error.args[0]}" is missing') from None
    except ValueError as error:
        raise Malformed(str(error)) from None


def _flow(value: dict[str, Any], now: int, new_id: Callable[[int], int]) -> Flow:
    get = value.get
    end = _time(value, "end", now)
    state = get("state") or "closed"
    if isinstance(state, str) and state in LIVE:
        raise Malformed('"state" may not be "new" or "active": a flow is told here once, with its final counters')
    return Flow(
        new_id(now),
        _time(value, "start", end),
        end,
        _ip(value, "src_ip"),
        _port(value, "src_port"),
        _ip(value, "dst_ip"),
        _port(value, "dst_port"),
        _protocol(value["protocol"]),
        _count(value, "packets_out", 0),
        _count(value, "bytes_out", 0),
        _count(value, "packets_in", 0),
        _count(value, "bytes_in", 0),
        "closed" if state == "closed" else _text(value, "state") or "closed",
        _text(value, "source") or "json",
    )


def _sighting(value: dict[str, Any], now: int, _: Callable[[int], int]) -> Sighting:
    mac = value.get("mac")
    if mac is not None and not isinstance(mac, str):
        raise Malformed('"mac" should be text')
    listed = value.get("ips") or []
    if not isinstance(listed, list) or len(listed) > MOST_ADDRESSES:
        raise Malformed(f'"ips" should be a list of at most {MOST_ADDRESSES} addresses')
    texts = [value["ip"], *listed] if value.get("ip") is not None else listed
    ips = tuple(dict.fromkeys(_host({"ip": text}) for text in texts))
    if not mac and not ips:
        raise Malformed('"mac" or "ip" is missing')
    status = value.get("status") or "online"
    if status not in ("online", "offline"):
        raise Malformed('"status" should be "online" or "offline"')
    return Sighting(
        time=_time(value, "last_seen", now),
        source=_text(value, "source") or "json",
        mac=parse_station(mac) if mac else None,
        ips=ips,
        hostname=_text(value, "hostname"),
        vendor=_text(value, "vendor"),
        name=_text(value, "name"),
        online=status == "online",
    )


def _threat(value: dict[str, Any], now: int, _: Callable[[int], int]) -> Threat:
    kind, description = _text(value, "kind"), _text(value, "description", MOST_TEXT)
    if not kind or not description:
        raise Malformed(f'"{"description" if kind else "kind"}" is missing')
    severity = value.get("severity") or "medium"
    if severity not in SEVERITIES:
        raise Malformed(f'"severity" should be one of {", ".join(SEVERITIES)}')
    evidence = value.get("evidence") or {}
    if not isinstance(evidence, dict):
        raise Malformed('"evidence" should be an object')
    check_evidence(evidence)
    last_seen = _time(value, "last_seen", now)
    return Threat(
        id=0,  # the threat worker knows whether it is a new one
        kind=kind,
        severity=severity,
        device=_device(value),
        target=_text(value, "target"),
        description=description,
        recommendation=_text(value, "recommendation", MOST_TEXT),
        evidence=evidence,
        first_seen=_time(value, "first_seen", last_seen),
        last_seen=last_seen,
        count=max(_count(value, "count", 1), 1),
        status=ThreatStatus.OPEN,
    )


_DECODERS: dict[str, Callable[..., Sighting | Flow | Threat]] = {
    "device": _sighting,
    "flow": _flow,
    "threat": _threat,
}


def _device(value: dict[str, Any]) -> str | None:
    """The device that a threat names: a MAC or an address, or else the address that did it."""
    device = _text(value, "device") or _text(value, "src_ip")
    if device is None:
        return None
    try:
        return parse_mac(device)
    except ValueError:
        return device


def _ip(value: dict[str, Any], key: str) -> Address:
    text = value[key]
    if not isinstance(text, str):
        raise Malformed(f'"{key}" should be an address as text')
    return _address(text)


def _host(value: dict[str, Any]) -> Address:
    address = _ip(value, "ip")
    if not is_host(address):
        raise Malformed(f"{value['ip']!r} is no address that a device can own")
    return address


def _port(value: dict[str, Any], key: str) -> int:
    port = value[key]
    if type(port) is not int or not 0 <= port <= 65535:
        raise Malformed(f'"{key}" should be a whole number from 0 to 65535')
    return port


def _protocol(protocol: Any) -> int:
    if isinstance(protocol, str):
        number = PROTOCOL_NUMBERS.get(protocol)
        if number is not None:
            return number
        number = PROTOCOL_NUMBERS.get(protocol.lower())
        protocol = int(protocol) if number is None and protocol.isascii() and protocol.isdecimal() else number
    if type(protocol) is not int or not 0 <= protocol <= 255:
        raise Malformed('"protocol" should be a name such as "tcp", or a number from 0 to 255')
    return protocol


def _count(value: dict[str, Any], key: str, default: int) -> int:
    count = value.get(key)
    if count is None:
        return default
    # 2**53: what JavaScript keeps exactly, and far from SQLite's 2**63.
    if type(count) is not int or not 0 <= count < 2**53:
        raise Malformed(f'"{key}" should be a whole number from 0 to 2**53')
    return count


def _time(value: dict[str, Any], key: str, default: int) -> int:
    time = _count(value, key, default)
    if time >= END_OF_TIME:
        raise Malformed(f'"{key}" should be in Unix milliseconds, before the year 10000')
    return time


def check_evidence(value: Any, depth: int = MOST_DEPTH) -> None:
    """Raises Malformed where the numbers that decided could not be written down again."""
    if depth == 0:
        raise Malformed(f'"evidence" is nested deeper than {MOST_DEPTH} levels')
    if isinstance(value, float) and not isfinite(value):  # 1e999
        raise Malformed('"evidence" holds a number that is too large')
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            check_evidence(part, depth - 1)


def _text(value: dict[str, Any], key: str, most: int = MOST_NAME) -> str | None:
    """A text without control characters, which would act on the terminal that shows it."""
    text = value.get(key)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise Malformed(f'"{key}" should be text')
    if len(text) > most:
        raise Malformed(f'"{key}" should have at most {most} characters')
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
