"""config.ini: one frozen dataclass a section; every mistake is reported at once, with section, key and line."""

from netwatchd.config.file import DEFAULT_PATH, LOOPBACK, ConfigError, Mistake, load, parse, search_path
from netwatchd.config.sections import (
    Capture,
    Config,
    Conntrack,
    Devices,
    Ingest,
    Json,
    Logging,
    Neighbours,
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
    "Capture",
    "Config",
    "ConfigError",
    "Conntrack",
    "Devices",
    "Ingest",
    "Json",
    "Logging",
    "Mistake",
    "Neighbours",
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
