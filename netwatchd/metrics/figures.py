"""What is told beside the counters: how it is now, as `netwatchd status` has it, and what the line carries."""

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netwatchd.config import Config
from netwatchd.events import SEVERITIES, Device
from netwatchd.metrics.asked import Asked
from netwatchd.metrics.names import Sample, counter, gauge
from netwatchd.storage import schema
from netwatchd.storage.retention import kernel_clock_is_synchronised

BUILD = gauge("build_info", "Always 1; the labels tell which netwatchd this is.", "version", "python")
UPTIME = gauge("uptime_seconds", "How long it runs.")
CLOCK = gauge("time_seconds", "What its clock says, in Unix time.")
SYNCHRONISED = gauge("clock_synchronised", "1 where the kernel says that its clock is synchronised.")
DEVICES = gauge("devices", "Devices that are known, by whether they are here now.", "status")
THREATS = gauge("open_threats", "Threats that are open.", "severity")
FLOWS = gauge("live_flows", "Flows that live.")
CLIENTS = gauge("websocket_clients", "WebSocket clients that are connected.")
WAITING = gauge("waiting_events", "What waits: events for a worker, and messages for clients' queues.", "queue")
OK = gauge("database_ok", "1 while the databases can be written, 0 while they cannot.")
SIZE = gauge("database_bytes", "Bytes of all databases with their write-ahead logs.")
MOST = gauge("database_max_bytes", "max_size of [storage]: the oldest flows are removed before it is reached.")
WAL = gauge("database_wal_bytes", "Bytes of the write-ahead logs.")
PENDING = gauge("database_pending_events", "Events that are not committed yet.")
MOST_PENDING = gauge("database_max_pending_events", "max_pending of [storage]: newer flows are dropped beyond it.")
OLDEST = gauge("oldest_flows_timestamp_seconds", "When the oldest day (UTC) began of which flows are kept.")
WRITTEN = gauge("written_today_bytes", "Bytes written to disk since midnight (UTC), or the start.")
WRITTEN_ALL = counter("written_bytes", "Bytes written to disk since the start.")
WRITTEN_A_DAY = gauge("written_a_day_bytes", "Bytes written to disk in a day, as far as measured.")
GROWTH = gauge("database_growth_a_day_bytes", "Bytes by which the databases grow in a day; none while not known.")
LIMIT = gauge("database_limit_seconds", "Seconds until max_size or the disk is full, whichever is first.", "limit")
UNACCOUNTED = gauge("unaccounted_events", "Events that the ledger misses; 0 while nothing is worked on.", "kind")
FREE = gauge("filesystem_free_bytes", "Bytes that are free for the databases, where they lie.")
ROOM = gauge("filesystem_size_bytes", "Bytes of the file system where the databases lie.")
SOURCE_UP = gauge("source_up", "1 where a source is on; 0 where it is switched off, or does not work.", "source")
SOURCE_FAILED = gauge("source_failed", "1 where a source should be on and does not work.", "source")
EXPORTERS = gauge("exporter_streams", "Streams that exporters of flows send.")
LIST_ENTRIES = gauge("blocklist_entries", "Entries of a blocklist that are in force.", "list")
LIST_CHECKED = gauge("blocklist_checked_timestamp_seconds", "When a list was last known to be up to date.", "list")
LIST_AGE = gauge("blocklist_age_seconds", "How long ago that was.", "list")
LIST_FAILING = gauge("blocklist_failing", "1 where the last attempt to update a blocklist failed.", "list")
ALERTS_FAILING = gauge("alerts_failing", "1 where the last attempt to send by a channel failed.", "channel")
ALERTS_WAITING = gauge("alerts_waiting", "Messages that are on their way by a channel.", "channel")
LEARNING = gauge("learning", "1 while the learning period of the first start goes on.")
TRAFFIC = counter("traffic_bytes", "Bytes that came in, went out, or stayed inside, as flows tell.", "direction")
DEVICE_TRAFFIC = counter("device_traffic_bytes", "Traffic of a device, ever.", "device", "direction")
DEVICE_INFO = gauge("device_info", "Always 1; the name that the user gave a device.", "device", "name")
METRICS = [metric for metric in list(globals().values()) if type(metric) is type(BUILD)]
# Their labels are what the user has given, and are as many as he has said.
OF_DEVICES = (DEVICE_TRAFFIC, DEVICE_INFO)


def samples(asked: Asked, status: dict[str, Any]) -> Iterator[Sample]:
    """All samples but those of counters, of what `status` tells now."""
    yield Sample(BUILD, (status["version"], platform.python_version()), 1)
    yield Sample(UPTIME, (), status["uptime"])
    yield Sample(CLOCK, (), time.time())
    yield Sample(SYNCHRONISED, (), kernel_clock_is_synchronised())
    yield Sample(DEVICES, ("online",), status["online"])
    yield Sample(DEVICES, ("offline",), status["devices"] - status["online"])
    severities = Counter(threat.severity for threat in asked.threats())
    yield from (Sample(THREATS, (severity,), severities[severity]) for severity in SEVERITIES)
    yield Sample(FLOWS, (), status["live_flows"])
    yield Sample(CLIENTS, (), status["clients"])
    yield from (Sample(WAITING, (queue,), count) for queue, count in status["waiting"].items())
    yield Sample(EXPORTERS, (), len(status["exporters"]))
    yield Sample(LEARNING, (), status["learning_until"] is not None)
    yield from _of_database(status["database"], asked.settings())
    yield from _of_budget(status["budget"])
    yield from (Sample(UNACCOUNTED, (book["kind"],), book["unaccounted"]) for book in status["ledger"]["kinds"])
    yield from _of_parts(status)
    traffic = status["traffic"]
    yield from (Sample(TRAFFIC, (way,), traffic[f"bytes_{way}"]) for way in ("in", "out", "internal"))
    yield from _of_devices(asked.devices, asked.settings().metrics.devices)


def _of_database(database: dict[str, Any], settings: Config) -> Iterator[Sample]:
    yield Sample(OK, (), database["state"] == "ok")
    yield Sample(SIZE, (), database["size"])
    yield Sample(MOST, (), settings.storage.max_size)
    yield Sample(WAL, (), database["wal"])
    yield Sample(PENDING, (), database["pending"])
    yield Sample(MOST_PENDING, (), settings.storage.max_pending)
    if database["oldest_day"]:
        yield Sample(OLDEST, (), datetime.strptime(database["oldest_day"], "%Y%m%d").replace(tzinfo=UTC).timestamp())
    if database["written_today"] is not None:
        yield Sample(WRITTEN, (), database["written_today"])
    try:
        disk = os.statvfs(Path(database["directory"]))
    except OSError:
        return  # it is gone: database_ok tells
    yield Sample(FREE, (), disk.f_bavail * disk.f_frsize)
    yield Sample(ROOM, (), disk.f_blocks * disk.f_frsize)


def _of_budget(told: dict[str, Any]) -> Iterator[Sample]:
    for metric, key in ((WRITTEN_ALL, "written"), (WRITTEN_A_DAY, "written_a_day"), (GROWTH, "growth")):
        if told[key] is not None:
            yield Sample(metric, (), told[key])
    if told["days"] is not None:
        yield Sample(LIMIT, (told["first"],), told["days"] * 86400)


def _of_parts(status: dict[str, Any]) -> Iterator[Sample]:
    for source in status["sources"]:
        yield Sample(SOURCE_UP, (source["name"],), source["state"] == "on")
        yield Sample(SOURCE_FAILED, (source["name"],), source["state"] == "failed")
    for each in status["blocklists"]:
        yield Sample(LIST_ENTRIES, (each["name"],), each["entries"])
        yield Sample(LIST_FAILING, (each["name"],), each["error"] is not None)
        if each["checked"]:
            yield Sample(LIST_CHECKED, (each["name"],), each["checked"] / 1000)
            yield Sample(LIST_AGE, (each["name"],), time.time() - each["checked"] / 1000)
    for channel in status["alerts"]:
        if channel["state"] != "off":
            yield Sample(ALERTS_FAILING, (channel["name"],), channel["state"] == "failing")
            yield Sample(ALERTS_WAITING, (channel["name"],), channel["waiting"])


def _of_devices(devices: Callable[[], Iterable[Device]], most: int) -> Iterator[Sample]:
    if not most:
        return
    busiest = sorted(devices(), key=lambda device: device.bytes_in + device.bytes_out, reverse=True)[:most]
    for device in busiest:
        key = schema.key_of(device)
        yield Sample(DEVICE_TRAFFIC, (key, "in"), device.bytes_in)
        yield Sample(DEVICE_TRAFFIC, (key, "out"), device.bytes_out)
        # Not what it calls itself: that is not ours to tell, and whoever may choose it could make series without end.
        yield Sample(DEVICE_INFO, (key, device.name or ""), 1)
