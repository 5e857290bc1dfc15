"""Events as JSON: the dicts that scripts read, and the WebSocket frames that clients receive.

Flows are written by a template, because there may be thousands a second and building a dict for each to be walked
again by json.dumps takes three times as long. Everything else goes through json.
"""

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from netwatchd import __version__
from netwatchd.addresses import address_text
from netwatchd.events import Device, Flow, Gone, Origin, Threat, protocol_name
from netwatchd.mutes import line_of

PROTOCOL = 1  # of the messages; rises when a client that reads the old ones could misread the new ones

TEXT, CLOSE, PING = 0x1, 0x8, 0x9  # opcodes, RFC 6455 section 11.8


@dataclass(frozen=True, slots=True)
class Stats:
    """The daemon's figures, as they are sent to clients every few seconds."""

    figures: dict[str, Any]


class Snapshot(NamedTuple):
    """Everything that a client which has just come needs to know."""

    devices: list[Device]
    threats: list[Threat]  # the open ones
    stats: dict[str, Any]


Message = Device | Flow | Threat | Gone | Stats

# The topics that a client may subscribe to, a bit each.
TOPICS = {"devices": 1, "flows": 2, "threats": 4, "stats": 8}
ALL_TOPICS = 15
TOPIC_OF: dict[type, int] = {Device: 1, Flow: 2, Threat: 4, Stats: 8, Gone: 1}


def device_json(device: Device) -> dict[str, Any]:
    """A device with the public names."""
    ips = [address_text(ip) for ip in device.ips]
    return {
        "mac": device.mac,
        "ips": ips,
        "ip": ips[0] if ips else None,
        "hostname": device.hostname,
        "vendor": device.vendor,
        "name": device.name,
        "first_seen": device.first_seen,
        "last_seen": device.last_seen,
        "status": device.status,
        "random_mac": device.random_mac,
        "bytes_in": device.bytes_in,
        "bytes_out": device.bytes_out,
        "sources": list(device.sources),
        "kind": device.kind,
        "model": device.model,
        "macs": list(device.macs),
        "evidence": list(device.evidence),
        "usual_silence": device.usual_silence,
    }


def flow_json(flow: Flow) -> dict[str, Any]:
    """A flow with the public names: addresses as text, the protocol by name; its origin only where it has one."""
    fields = flow._asdict() | {
        "src_ip": address_text(flow.src_ip),
        "dst_ip": address_text(flow.dst_ip),
        "protocol": protocol_name(flow.protocol),
    }
    del fields["origin"]
    return fields | _origin_json(flow.origin) if flow.origin else fields


def _origin_json(origin: Origin) -> dict[str, Any]:
    return {
        "exporter": address_text(origin.exporter),
        "domain": origin.domain,
        "sampling": origin.sampling,
        "clock_trusted": origin.clock_trusted,
    }


def threat_json(threat: Threat) -> dict[str, Any]:
    """A threat with the public names."""
    return {
        "id": threat.id,
        "kind": threat.kind,
        "severity": threat.severity,
        "device": threat.device,
        "target": threat.target,
        "description": threat.description,
        "recommendation": threat.recommendation,
        "evidence": threat.evidence,
        "first_seen": threat.first_seen,
        "last_seen": threat.last_seen,
        "count": threat.count,
        "status": threat.status,
        "mute": _mute(threat.kind, threat.device, threat.target),
    }


_mute = lru_cache(maxsize=4096)(line_of)

# ASCII only, so that a lone surrogate in a host name is still legal UTF-8 on the wire; NaN is no JSON (RFC 8259).
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_quoted = lru_cache(maxsize=4096)(_encode)

_FLOW = (
    '{"type":"flow_update","seq":%d,"time":%d,"flow":{"id":%d,"start":%d,"end":%d,"src_ip":"%s","src_port":%d,'
    '"dst_ip":"%s","dst_port":%d,"protocol":"%s","packets_out":%d,"bytes_out":%d,"packets_in":%d,"bytes_in":%d,'
    '"state":%s,"source":%s,"device":%s%s}}'
)


def update(seq: int, time: int, event: Message) -> bytes:
    """The frame that tells clients of an event. Raises ValueError or TypeError where JSON has no words for it."""
    if isinstance(event, Flow):
        text = _flow_update(seq, time, event)
    elif isinstance(event, Device):
        text = _encode({"type": "device_update", "seq": seq, "time": time, "device": device_json(event)})
    elif isinstance(event, Threat):
        text = _encode({"type": "threat_update", "seq": seq, "time": time, "threat": threat_json(event)})
    elif isinstance(event, Gone):
        text = _encode({"type": "device_removed", "seq": seq, "time": time, "key": event.device})
    else:
        text = _encode({"type": "stats", "seq": seq, "time": time, "stats": event.figures})
    return frame(text.encode())


def _flow_update(seq: int, time: int, flow: Flow) -> str:
    return _FLOW % (
        seq, time, flow.id, flow.start, flow.end, address_text(flow.src_ip), flow.src_port,
        address_text(flow.dst_ip), flow.dst_port, protocol_name(flow.protocol), flow.packets_out, flow.bytes_out,
        flow.packets_in, flow.bytes_in, _quoted(flow.state), _quoted(flow.source), _quoted(flow.device),
        _origin_text(flow.origin) if flow.origin else "",
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _origin_text(origin: Origin) -> str:
    """The fields of an origin, as they follow others in an object."""
    return "," + _encode(_origin_json(origin))[1:-1]


def hello(epoch: str, seq: int) -> bytes:
    """The first frame of every connection; `seq` is where the stream stands."""
    server = f"netwatchd/{__version__}"
    return said({"type": "hello", "server": server, "protocol": PROTOCOL, "epoch": epoch, "seq": seq})


def snapshot(seq: int, state: Snapshot) -> bytes:
    """The frame with the whole state, in which everything up to `seq` is contained."""
    message: dict[str, Any] = {
        "type": "snapshot",
        "seq": seq,
        "devices": [device_json(device) for device in state.devices],
        "threats": [threat_json(threat) for threat in state.threats],
        "stats": state.stats,
    }
    try:
        return said(message)
    except (ValueError, TypeError):  # one that JSON cannot say must not keep everybody from joining
        message["devices"] = [device for device in message["devices"] if _sayable(device)]
        message["threats"] = [threat for threat in message["threats"] if _sayable(threat)]
        message["stats"] = state.stats if _sayable(state.stats) else {}
        return said(message)


def _sayable(message: dict[str, Any]) -> bool:
    try:
        _encode(message)
    except (ValueError, TypeError):
        return False
    return True


def gap(first: int, last: int, reason: str) -> bytes:
    """The frame that says that the messages `first` to `last` were not sent to this client.

    Its `seq` is `last`: behind it the stream goes on at the next number. It is no position to resume from: what is
    missing can be asked for, by resuming since `first - 1` or by a snapshot, unless a snapshot follows by itself.
    """
    return said({"type": "gap", "seq": last, "missed": [first, last], "reason": reason})


def pong() -> bytes:
    """The answer to the op `ping`."""
    return said({"type": "pong"})


def error(op: str, message: str) -> bytes:
    """The frame that says why the client's op was not done."""
    return said({"type": "error", "op": op, "message": message})


def unstored(op: str, message: str) -> bytes:
    """The frame that says why the client's op was done, but is not stored."""
    return said({"type": "error", "op": op, "message": message, "stored": False})


def said(message: dict[str, Any]) -> bytes:
    """A message as a text frame."""
    return frame(_encode(message).encode())


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole unmasked frame, as servers send them (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return struct.pack(">BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack(">BBQ", 0x80 | opcode, 127, size) + payload


def closing(code: int, reason: str = "") -> bytes:
    """A close frame (RFC 6455 section 5.5.1)."""
    return frame(struct.pack(">H", code) + reason.encode()[:123], CLOSE)
