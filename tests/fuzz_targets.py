"""Everything that reads what others wrote: valid examples, and what must hold for any bytes whatever.

A target's `run` takes bytes and says in a few words what became of them. Only what is declared may happen: another
exception, or an assertion that fails, is a finding. Here are those that need no socket."""

import argparse
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz_checks import check_event
from mutation import pieces
from store_kit import NOON, device, flow, threat
from test_netlink_decoders import (
    DESTROYED,
    ID,
    IP,
    MAC,
    ORIGINAL,
    STATUS,
    conntrack_message,
    counters,
    neighbour_message,
    ports,
    tuple_of,
)
from test_netlink_decoders import ipv6 as ipv6_addresses
from test_spool import full_batch
from websocket_kit import split_frame

from netwatchd import config
from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast import commands, messages
from netwatchd.cli.moments import moment
from netwatchd.decoders import json_lines, neighbours, netlink
from netwatchd.decoders.conntrack import MOST_SHAPES, ConntrackDecoder, Entry
from netwatchd.sources import json_lines as json_source
from netwatchd.sources.liveflows import LiveFlows
from netwatchd.sources.netlink import check
from netwatchd.storage import hourly, queries, schema, spool, words
from netwatchd.storage.batch import Statement, flow_statements, parts_of
from netwatchd.storage.verdicts import ERRORS, Verdict, verdict

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Target:
    """One that reads: valid examples, words that mean something to it, and what it does with bytes."""

    name: str
    seeds: list[bytes]
    run: Callable[[bytes], str]
    words: tuple[bytes, ...] = ()


def in_short(error: BaseException) -> str:
    """What an error says, without what is different each time."""
    return re.sub(r"\d+|\[.*|'[^']*('|$)|\"[^\"]*$|[^ -~]+", "N", str(error))[:60]


# What the kernel says.

_seasoned = ConntrackDecoder()


def read_conntrack(data: bytes) -> str:
    """A decoder that has met all shapes reads the same as one that has met none, and what it reads can be told."""
    got = _entry(_seasoned, data)
    assert got == _entry(ConntrackDecoder(), data)
    assert _seasoned.shapes <= MOST_SHAPES
    if not isinstance(got, Entry):
        return got
    for address in (got.src_ip, got.dst_ip):
        assert parse_address(address_text(address)) == address
    flows = LiveFlows(lambda now: now << 12)
    flows.start_dump(NOON)
    told = [flows.dumped(got, NOON), *flows.finish_dump(NOON), flows.ended(got, NOON + 1), *flows.close_all(NOON + 2)]
    for each in told:
        if each is not None:
            messages.update(1, NOON, each)
            assert min(each[1:3]) >= 0, each
            assert all(abs(value) < 2**64 for value in each[6:12]), each
    return f"entry, {sum(each is not None for each in told)} flows"


def _entry(decoder: ConntrackDecoder, data: bytes) -> Entry | str:
    try:
        return decoder.decode(data)
    except netlink.Malformed as error:
        return in_short(error)


def read_datagram(data: bytes) -> str:
    """A datagram from the kernel: messages, neighbours, links, errors."""
    told = []
    try:
        for message in netlink.messages(data):
            assert len(message.data) >= netlink.HEADER.size
            try:
                check(message)
            except OSError:
                told.append("error")
            told += [_neighbour(message.data), _link(message.data)]
            if len(told) > 8:
                del told[4:]
    except netlink.Malformed as error:
        told.append(in_short(error))
    return ", ".join(told)


def _neighbour(message: bytes) -> str:
    try:
        found = neighbours.decode_neighbour(message)
    except netlink.Malformed as error:
        return in_short(error)
    sighting = neighbours.sighting_of(found, NOON, None)
    return check_event(sighting) if sighting else "neighbour"


def _link(message: bytes) -> str:
    try:
        return "link" if neighbours.decode_link(message)[1] is None else "named link"
    except netlink.Malformed as error:
        return in_short(error)


# What other programs hand in.


def read_line(data: bytes) -> str:
    """A line of JSON is an event or Malformed, with a sentence of which an answer can be made."""
    try:
        event = json_lines.decode_line(data, NOON, lambda now: now << 12)
    except json_lines.Malformed as error:
        assert str(error)
        assert len(json.dumps({"error": str(error)})) < 1000, "an answer is short"
        return in_short(error)
    return check_event(event)


def read_stream(data: bytes) -> str:
    """The lines of a stream do not depend on how it is cut, and none is longer than allowed."""
    limit = 40
    whole, cut = (json_source.Connection(None, limit) for _ in range(2))  # type: ignore[arg-type]  # none is needed
    lines = whole.lines(data + b"\n")
    assert all(line is None or len(line) <= limit for _, line in lines)
    in_pieces = [line for piece in pieces(Random(len(data)), data) for line in cut.lines(piece)]
    assert len(cut.rest) <= limit
    assert lines == in_pieces + cut.lines(b"\n")
    return f"{min(len(lines), 3)} lines, {min(sum(line is None for _, line in lines), 3)} too long"


# What clients say.


def read_command(data: bytes) -> str:
    """A message is a command or refused, in a frame that clients can read."""
    try:
        op, _ = commands.parse(data.decode(errors="replace"))
    except commands.BadCommand as error:
        frame = split_frame(messages.error(error.op, str(error)))
        assert frame is not None
        assert len(frame[1]) < 1000, "an answer is short"
        return in_short(error)
    return op


# What the user and we ourselves wrote.

MOST_WAIT = 2**31 / 1000  # seconds: poll() and epoll count milliseconds in an int


def read_config(data: bytes) -> str:
    """A config.ini is usable, or every mistake in it is told; so it is as bytes in a file, as `load` reads it."""
    with tempfile.NamedTemporaryFile(dir=_memory()) as file:
        file.write(data)
        file.flush()
        try:
            read = config.load(file.name)
        except config.ConfigError as error:
            assert all(str(mistake) for mistake in error.mistakes)
            return in_short(error.mistakes[0])
    for name in ("send_timeout", "retry_delay", "retry_timeout", "ping_interval", "handshake_timeout"):
        assert 0 <= getattr(read.websocket, name) < MOST_WAIT, name
    for seconds in (read.storage.commit_interval, read.storage.busy_timeout, read.conntrack.dump_interval,
                    read.neighbours.resync):  # fmt: skip
        assert 0 < seconds < MOST_WAIT
    for size in (read.storage.max_size, read.websocket.max_message, read.json.max_line):
        assert 0 <= size < 2**63
    assert 0 <= read.conntrack.receive_buffer < 2**31, "the kernel takes an int"
    read.websocket.host.encode("idna")
    for path in (read.storage.directory, read.storage.spool, read.websocket.tls_key):
        assert path is None or "\0" not in str(path)
    return "usable"


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def spooled() -> bytes:
    """A spool file of ours."""
    with tempfile.TemporaryDirectory(dir=_memory()) as made:
        batch = full_batch()
        batch.put_flows([flow(3, device="192.168.1.7")])
        batch.put_device(device(None, ips=(0xC0A80107,)))  # type: ignore[arg-type]  # one without MAC
        batch.put_threat(threat(2, kind="other", device=None, target="x"))
        spool.write(Path(made) / "spool", batch)
        return (Path(made) / "spool").read_bytes()


def read_spool(data: bytes) -> str:
    """Whatever the spool file holds, the start that follows can store what is read of it, and read that back."""
    with tempfile.NamedTemporaryFile(dir=_memory()) as file:
        file.write(data)
        file.flush()
        batch = spool.read(Path(file.name))
    assert batch is not None
    _db.execute("BEGIN")
    try:
        for statement in batch.core_statements():
            _execute(_db, statement)
        for delta in batch.totals:
            hourly.add(_db, delta, _execute)
        for part in parts_of(batch.flows, []):
            for statement in flow_statements("main", part.flows, words.DayNumbers(words.read(_db)), 1):
                _execute(_db, statement)
        _read_back(_db)
    finally:
        _db.execute("ROLLBACK")
    for event in [*batch.devices.values(), *batch.threats.values(), *batch.flows]:
        if event is not None:
            messages.update(1, NOON, event)
    return f"{min(len(batch.devices), 3)} {min(len(batch.threats), 3)} {min(len(batch.flows), 4)} {len(batch.meta)}"


def _read_back(db: sqlite3.Connection) -> None:
    """As the next start and the command line do."""
    queries.stored(db)
    rolled = db.execute("SELECT value FROM meta WHERE key = 'rolled'").fetchone()
    assert rolled is None or int(rolled[0]) >= 0
    known = words.read(db)
    for row in db.execute("SELECT * FROM flows"):
        messages.update(1, NOON, known.flow(row))


def _database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in [*schema.core_statements("main"), *schema.flows_statements("main")]:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {schema.CORE_VERSION}")
    return db


_db = _database()


def _execute(db: sqlite3.Connection, statement: Statement) -> None:
    """Row by row, as the store does where one is bad."""
    sql, rows = statement
    for row in rows:
        try:
            db.execute(sql, row)
        except ERRORS as error:
            assert verdict(error) is Verdict.MISTAKE, error


def read_moment(data: bytes) -> str:
    """What a user writes behind --since is a time that the database can be asked for, or refused."""
    try:
        since = moment(data.decode(errors="surrogateescape"))
    except argparse.ArgumentTypeError as error:
        return in_short(error)
    assert 0 <= since << 12 < 2**63
    return "time"


# All of them.

_V6 = tuple_of(1, ipv6_addresses("fd00::1", "2001:db8::5"), ports(17, 5353, 53))
CONNTRACK = [DESTROYED, conntrack_message(_V6, ID, STATUS), conntrack_message(ORIGINAL, ID, counters(9, 1, 2))]
DATAGRAMS = [
    neighbour_message(neighbours.INET, neighbours.REACHABLE, MAC, IP, ages=(200, 0, 0)),
    neighbour_message(neighbours.BRIDGE, neighbours.REACHABLE, MAC, ages=(0, 5, 1234)),
    neighbour_message(neighbours.INET, neighbours.STALE, MAC, IP, ages=(6100, 0, 100)) * 2 + DESTROYED,
    netlink.message(netlink.ERROR, 0, 1, b"\xff\xff\xff\xff" + bytes(16)),
]
LINES = [
    b'{"type": "flow", "src_ip": "192.168.1.5", "src_port": 4, "dst_ip": "::1", "dst_port": 5, "protocol": "tcp", '
    b'"start": 1, "end": 2, "packets_out": 3, "bytes_out": 4, "state": "reset", "source": "router"}',
    b'{"type": "device", "mac": "A4-83-E7-00-00-01", "ip": "10.0.0.1", "ips": ["10.0.0.2", "fe80::1"], '
    b'"hostname": "h", "vendor": "v", "name": "n", "last_seen": 9, "status": "offline"}',
    b'{"type": "threat", "kind": "scan", "severity": "critical", "device": "a4:83:e7:00:00:01", "description": '
    b'"it scanned", "recommendation": "r", "evidence": {"a": [1, {"b": null}], "c": 1.5e3}, "count": 4}',
]
COMMANDS = [
    b'{"op": "subscribe", "topics": ["devices", "flows", "threats", "stats"]}',
    b'{"op": "resume", "epoch": "0123456789abcdef", "since": 17}',
    b'{"op": "name", "device": "a4:83:e7:00:00:01", "name": "kitchen"}',
    b'{"op": "acknowledge", "threat": 12}',
    b'{"op": "ping"}',
]
CONFIGS = [
    re.sub(rb"^#(?=[a-z_]+ =)", b"", (ROOT / "config.ini").read_bytes(), flags=re.MULTILINE),
    b"[storage]\ncommit_interval = 250 ms\nmax_size = 1.5 GB\nretention=2 d\nspool = ~/x\n[logging]\nlevel = info\n"
    b"[websocket]\nhost = ::\ntoken = abcdefgh\nmax_message = 1 KiB\nsend_timeout = 3 s\nport = 80\n"
    b"[source:conntrack]\nset_sysctls = No\nenabled = AUTO\nreceive_buffer = 1 MiB\n[source:json]\nmax_line = 9 kB\n",
]
MOMENTS = [b"30 min", b"7 d", b"2026-11-23", b"2026-11-23 14:05", b"1795435200000", b"2026-11-23T14:05:06.5+01:00"]
_JSON_WORDS = (b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"NaN", b"1e999", b"\\u0000", b'"type":')

TARGETS = [
    Target("conntrack", CONNTRACK, read_conntrack),
    Target("neighbours", DATAGRAMS, read_datagram),
    Target("json", LINES, read_line, (*_JSON_WORDS, b'"evidence":', b'"ips":', b'"10.0.0.1"')),
    Target("lines", [b"\n".join(LINES), b"short\n\n lines\r\n" * 5], read_stream, (b"\n", b"x" * 41, b"\n" * 3)),
    Target("commands", COMMANDS, read_command, (*_JSON_WORDS, b'"op":', b'"dismiss"', b'"snapshot"')),
    Target("config", CONFIGS, read_config, (b"\n[storage]\n", b" = ", b"~", b"\0", b" d", b" GB", b"9" * 400)),
    Target("moments", MOMENTS, read_moment, (b" h", b" d", b"9" * 400, b"+23:59", b"9999-12-31")),
    Target("spool", [spooled()], read_spool, (*_JSON_WORDS, b"\n", b'{"flow": [', b'{"meta": [')),
]
