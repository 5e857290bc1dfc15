"""config.ini: one frozen dataclass a section; every mistake is reported at once, with section, key and line."""

from netwatchd.config.detectors import News
from netwatchd.config.file import DEFAULT_PATH, LOOPBACK, ConfigError, Mistake, load, parse, search_path
from netwatchd.config.sections import (
    Config,
    Devices,
    Ingest,
    Logging,
    Storage,
    Websocket,
    runtime_directory,
    sections,
    settings_of,
    state_directory,
)
from netwatchd.config.sources import Capture, Conntrack, Eve, Hosts, Json, Leases, Neighbours, Netflow, Rdns, Zeek

__all__ = [
    "DEFAULT_PATH",
    "LOOPBACK",
    "Capture",
    "Config",
    "ConfigError",
    "Conntrack",
    "Devices",
    "Eve",
    "Hosts",
    "Ingest",
    "Json",
    "Leases",
    "Logging",
    "Mistake",
    "Neighbours",
    "Netflow",
    "News",
    "Rdns",
    "Storage",
    "Websocket",
    "Zeek",
    "load",
    "parse",
    "runtime_directory",
    "search_path",
    "sections",
    "settings_of",
    "state_directory",
]
