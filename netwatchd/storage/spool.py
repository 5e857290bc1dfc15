"""What could not be committed at exit: JSON lines, fsynced, read back when the database can be written again.

The file appears whole or not at all, because half of it would hold the totals of flows that it does not hold. It is
removed, for good, after the commit of what it held and before any other. Since every row is written whole under its
own key, a crash between that commit and the removal makes the next start write the same rows once more: nothing is
lost or doubled. Rows of an hour ago would take back what came since.
"""

import contextlib
import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from netwatchd.addresses import Address, address_text, parse_address, parse_mac
from netwatchd.counters import Counters
from netwatchd.decoders.json_lines import check_evidence
from netwatchd.events import Alias, Clue, Device, Flow, Origin, Record, Session, Threat, ThreatStatus, Trait
from netwatchd.storage import rows, schema
from netwatchd.storage.batch import Batch
from netwatchd.storage.durable import sync_directory
from netwatchd.storage.queries import FOLLOWED
from netwatchd.storage.records import Erasure, Join, Key, Records
from netwatchd.storage.records import Rows as Layer
from netwatchd.storage.rollups import OTHER_PEERS, OTHER_PORTS, Delta, Hour

log = logging.getLogger(__name__)

NAME = "spool.jsonl"


def write(path: Path, batch: Batch) -> None:
    """Saves a batch, beside what the file may hold already; raises OSError, and then the file is as it was."""
    new = _unfinished(path)
    try:
        with new.open("wb") as file:
            if path.exists():
                with path.open("rb") as old:
                    shutil.copyfileobj(old, file)
                file.write(b"\n")  # the last line that is there may be torn
            file.writelines(line.encode("ascii") for line in _written(batch))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_directory(path.parent)
    except OSError:
        with contextlib.suppress(OSError):  # the first error says more
            new.unlink(missing_ok=True)
        raise


def save(paths: Sequence[Path], batch: Batch, counters: Counters) -> None:
    """Saves a batch in the first place that takes it, and says so, or counts what is lost."""
    for path in paths if len(batch) else ():
        try:
            write(path, batch)
        except OSError as error:
            log.error("saving pending events to %s failed: %s", path, error)
        else:
            log.warning("%d pending events were saved to %s for the next start", batch.events, path)
            for kind, count in batch.stored().items():
                counters.add(f"saved.{kind}", count)
            return
    if batch.events:
        counters.add("dropped.events.no_spool", batch.events)
        for kind, count in batch.stored().items():
            counters.add(f"unsaved.{kind}", count)
        log.critical(
            "%d events could neither be stored nor spooled and are lost", batch.events, extra={"event": "loss"}
        )


def say_full(most: int, what: str) -> None:
    """Says that nothing more of `what` is kept, as `most` events wait and cannot be written."""
    text = "the database cannot be written and %d events wait already (max_pending): newer %s are not kept"
    log.error(text, most, what, extra={"repeat": f"storage.full.{what}", "event": "loss"})


def read(path: Path) -> Batch | None:
    """What the file holds, None where there is no file or it cannot be read.

    A line that a power cut left torn is skipped and said.
    """
    with contextlib.suppress(OSError):  # it is in nobody's way
        _unfinished(path).unlink(missing_ok=True)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        log.error("reading the spool %s failed: %s", path, error, extra={"repeat": "spool.read"})
        return None
    batch = Batch()
    for line in filter(None, lines):
        try:
            _put(batch, json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            why = str(error).encode(errors="backslashreplace").decode()  # it may repeat what the line says
            log.error("skipped a broken line of the spool %s: %.300s", path, why, extra={"repeat": "spool.line"})
    log.info("read %d events back from the spool %s", batch.events, path)
    return batch


def forget(path: Path) -> None:
    """Removes the file, after what it held was committed."""
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        log.warning("removing the spool %s failed: %s", path, error, extra={"repeat": "spool.forget"})


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _written(batch: Batch) -> Iterator[str]:
    for line in _lines(batch):
        try:
            yield json.dumps(line) + "\n"
        except (TypeError, ValueError) as error:  # what the database would have rejected, too
            log.error("one event cannot be spooled: %s: %.300r", error, line, extra={"repeat": "spool.rejected"})


def _lines(batch: Batch) -> list[dict[str, Any]]:
    # Acts first: what they leave of devices stands behind them.
    devices: list[dict[str, Any]] = _record_lines(batch.records)
    devices += [{"device": rows.device_json(device)} for device in batch.devices.values() if device]
    devices += [{"forgotten": key} for key, device in batch.devices.items() if device is None]
    threats = [{"threat": dataclasses.asdict(threat)} for threat in batch.threats.values()]
    flows: list[dict[str, Any]] = [{"flow": _flow_json(flow)} for flow in batch.flows]
    for delta in reversed(batch.totals):
        flows.insert(delta.at, {"total": _delta_json(delta)})  # behind the flows that it holds
    rollups = [{"rollup": [*key, *counts]} for key, counts in batch.rollups.items()]
    meta = [{"meta": list(item)} for item in batch.meta.items()]
    return [*devices, *threats, *flows, *rollups, *meta]


def _record_lines(records: Records) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for act in records.acts:
        lines += _layer_lines(act.sessions)
        if isinstance(act.what, Join):
            lines.append({"joined": [act.what.loser, act.what.winner, act.token]})
        else:
            lines.append({"erased": [act.what.device, sorted(act.what.stations), act.token]})
    return [*lines, *_layer_lines(records.sessions), *_layer_lines(records.others)]


def _layer_lines(layer: Layer) -> Iterator[dict[str, Any]]:
    for key, record in layer.items():
        if record is None:
            yield {"dropped": list(key)}
        elif isinstance(record, Alias):
            before = record.before and rows.device_json(record.before)
            yield {"alias": dataclasses.asdict(record) | {"before": before}}
        else:
            yield (
                {"trait": rows.trait_row(record)}
                if isinstance(record, Trait)
                else {"session": rows.session_row(record)}
            )


# A line that JSON can read may still be damaged, in a digit or a name. What is read must be as fit for the store as
# what was written, or else every start would fail on it anew.


def _put(batch: Batch, line: dict[str, Any]) -> None:
    ((kind, value),) = line.items()
    if kind == "device":
        batch.put_device(_device(value))
    elif kind == "forgotten":
        batch.forget_device(_checked_key(value))
    elif kind in _RECORDS:
        batch.keep(_RECORDS[kind](value))
    elif kind in ("dropped", "joined", "erased"):
        _put_act(batch, kind, value)
    elif kind == "threat":
        batch.put_threat(_threat(value))
    elif kind == "flow":
        batch.put_flows([_flow(value)])
    elif kind == "total":
        batch.put_total(_delta(value))
    elif kind == "rollup":
        bucket, device, bytes_in, bytes_out, flows = value
        _check(int, bucket, bytes_in, bytes_out, flows)
        batch.rollups[bucket, _checked_key(device) if device else ""] = (bytes_in, bytes_out, flows)
    else:
        name, number = value
        _check(str, name, number)
        if not name.startswith(FOLLOWED):
            _checked_id(int(number))
        batch.meta[name] = number


def _check(kind: Any, *values: Any) -> None:
    """Raises TypeError or ValueError where a value is of another type, or a text that cannot be written."""
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{value!r:.60} is of the wrong type")
        if isinstance(value, str):
            value.encode()


def _checked_id(number: int) -> int:
    _check(int, number)
    # Beyond 2**53 no clock gives any; the ids that follow would soon be more than SQLite can take.
    if not 0 <= number < 2**53:
        raise ValueError(f"{number!r:.60} is no id")
    return number


def _checked_key(key: str) -> str:
    """What tells a device from others, as `Device` has it: a MAC or an address."""
    if key != (parse_mac(key) if _is_mac(key) else address_text(parse_address(key))):
        raise ValueError(f"{key!r:.60} is no device")
    return key


def _is_mac(key: str) -> bool:
    return len(key) == 17 and key[2] == ":" and "::" not in key and key.count(":") == 5


def _device(value: dict[str, Any]) -> Device:
    device = rows.device_of_json(value)
    _check(str | None, device.mac, device.hostname, device.vendor, device.name, device.model)
    _check(int, device.first_seen, device.last_seen, device.bytes_in, device.bytes_out, device.usual_silence)
    _check(str, *device.sources, *device.evidence, device.kind)
    _checked_key(schema.key_of(device))
    for mac in device.macs:
        _checked_key(mac)
    return device


def _trait(value: list[Any]) -> Trait:
    station, kind, text, source, first_seen, last_seen = value
    _check(str, kind, text, source)
    _check(int, first_seen, last_seen)
    return Trait(_checked_key(station), Clue(kind, text), source, first_seen, last_seen)


def _session(value: list[Any]) -> Session:
    device, start, end = value
    _check(int, start)
    _check(int | None, end)
    return Session(_checked_key(device), start, end)


def _alias(value: dict[str, Any]) -> Alias:
    before = None if value["before"] is None else _device(value["before"])
    alias = Alias(**value | {"evidence": tuple(value["evidence"]), "before": before})
    _checked_key(alias.mac)
    _checked_key(alias.device)
    _check(int, alias.time)
    _check(int | None, alias.undone)
    _check(str, alias.by, *alias.evidence)
    return alias


_RECORDS: dict[str, Callable[[Any], Record]] = {"trait": _trait, "session": _session, "alias": _alias}


def _put_act(batch: Batch, kind: str, value: list[Any]) -> None:
    if kind == "dropped":
        batch.records.put(_record_key(*value), None)
        return
    device, others, token = value
    _check(str, token)
    act = (
        Join(device, _checked_key(others))
        if kind == "joined"
        else Erasure(device, frozenset(map(_checked_key, others)))
    )
    batch.forget_device(_checked_key(device))
    batch.records.act(act, token)


def _record_key(table: str, first: str, *others: Any) -> Key:
    _checked_key(first)
    if table == "traits":
        kind, text = others
        _check(str, kind, text)
        return table, first, kind, text
    (other,) = others
    if table == "sessions":
        _check(int, other)
    elif table != "aliases":
        raise ValueError(f"{table!r:.60} has no such rows")
    else:
        _checked_key(other)
    return table, first, other


def _threat(value: dict[str, Any]) -> Threat:
    threat = Threat(**value | {"status": ThreatStatus(value["status"])})
    _check(str, threat.kind, threat.severity, threat.description)
    _check(str | None, threat.device, threat.target, threat.recommendation)
    _check(int, threat.id, threat.first_seen, threat.last_seen, threat.count)
    _check(dict, threat.evidence)
    check_evidence(threat.evidence)
    _checked_id(threat.id)
    return threat


def _flow_json(flow: Flow) -> list[Any]:
    values: list[Any] = list(flow)
    values[3], values[5] = address_text(flow.src_ip), address_text(flow.dst_ip)
    if flow.origin is not None:
        values[14] = [address_text(flow.origin.exporter), *flow.origin[1:]]
    return values


def _flow(value: list[Any]) -> Flow:
    if len(value) == 15:  # written by netwatchd 0.1: flows had no origin
        value.insert(14, None)
    if len(value) != 16:
        raise ValueError("a flow has 16 fields")
    flow = Flow(*value)
    flow = flow._replace(src_ip=parse_address(value[3]), dst_ip=parse_address(value[5]), origin=_origin(value[14]))
    _check(int, *flow[:3], flow.src_port, *flow[6:12])
    _check(str, flow.state, flow.source)
    _checked_id(flow.id)
    if flow.device is not None:
        _checked_key(flow.device)
    return flow


def _delta_json(delta: Delta) -> dict[str, Any]:
    hours = [
        [
            begun,
            hour.devices,
            [[_peer_text(peer), counts] for peer, counts in hour.peers.items()],
            list(hour.ports.items()),
        ]
        for begun, hour in delta.hours.items()
    ]
    return {"token": delta.token, "after": delta.after, "mark": delta.mark, "hours": hours}


def _delta(value: dict[str, Any]) -> Delta:
    _check(str, value["token"])
    hours = {}
    for begun, devices, peers, ports in value["hours"]:
        hour = Hour(
            {_checked_key(key) if key else "": _counts(counts) for key, counts in devices.items()},
            {parse_address(text) if text else OTHER_PEERS: _counts(counts) for text, counts in peers},
            {_port(port): _counts(counts) for port, counts in ports},
        )
        hours[_checked_id(begun)] = hour
    return Delta(value["token"], _checked_id(value["after"]), _checked_id(value["mark"]), hours)


def _peer_text(peer: Address) -> str:
    return address_text(peer) if peer != OTHER_PEERS else ""


def _port(port: int) -> int:
    _check(int, port)
    if not OTHER_PORTS <= port < 2**24:
        raise ValueError(f"{port!r:.60} is no protocol and port")
    return port


def _counts(counts: list[int]) -> list[int]:
    bytes_in, bytes_out, flows = counts
    _check(int, bytes_in, bytes_out, flows)
    if min(counts) < 0:
        raise ValueError(f"{counts!r:.60} counts less than nothing")
    return counts


def _origin(value: list[Any] | None) -> Origin | None:
    if value is None:
        return None
    exporter, domain, sampling, clock_trusted = value
    _check(int, domain, sampling)
    return Origin(parse_address(exporter), domain, sampling, bool(clock_trusted))
