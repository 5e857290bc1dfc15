"""config.ini: one frozen dataclass a section; every mistake is reported at once, with section, key and line."""

from netwatchd.config.file import DEFAULT_PATH, LOOPBACK, ConfigError, Mistake, load, parse, search_path
from netwatchd.config.sections import (
    Config,
    Conntrack,
    Devices,
    Ingest,
    Json,
    Logging,
    Neighbours,
    Netflow,
    Storage,
    Websocket,
    runtime_directory,
    sections,
    settings_of,
    state_directory,
)

__all__ = [
    "DEFAULT_PATH",
    "LOOPBACK",
    "Config",
    "ConfigError",
    "Conntrack",
    "Devices",
    "Ingest",
    "Json",
    "Logging",
    "Mistake",
    "Neighbours",
    "Netflow",
    "Storage",
    "Websocket",
    "load",
    "parse",
    "runtime_directory",
    "search_path",
    "sections",
    "settings_of",
    "state_directory",
]
