"""Which kinds of threats can be seen with the sources that are on."""

from collections.abc import Collection
from typing import Any

from netwatchd import config
from netwatchd.catalog import KINDS, OF_ALL_PACKETS, Kind

DIRECTLY, INDIRECTLY, NOT, OFF = "directly", "indirectly", "not", "off"


def source_names() -> list[str]:
    """The sources that have a section of the configuration."""
    return [name.removeprefix("source:") for name in config.sections() if name.startswith("source:")]


def sights(on: Collection[str], settings: config.Config) -> list[dict[str, Any]]:
    """How each kind that a source can show is seen with the sources that are `on`, and what would help."""
    return [sight(kind, on, settings) for kind in KINDS.values() if kind.direct or kind.indirect]


def sight(kind: Kind, on: Collection[str], settings: config.Config) -> dict[str, Any]:
    """How threats of a kind are seen with the sources that are `on`, and what would help."""
    enabled = not kind.detector or getattr(settings, kind.detector).enabled
    some = kind.kind in OF_ALL_PACKETS and settings.capture.filter != "all"
    direct = [name for name in kind.direct if name in on and not (some and name == "capture")]
    indirect = [name for name in kind.indirect if name in on]
    known = source_names()
    return {
        "kind": kind.kind,
        "meaning": kind.meaning,
        "seen": OFF if not enabled else DIRECTLY if direct else INDIRECTLY if indirect else NOT,
        "by": direct or indirect,
        # Any of these would show it directly.
        "would_help": []
        if direct or not enabled
        else [
            f"{name} with filter = all" if some and name == "capture" else name for name in kind.direct if name in known
        ],
        "limits": kind.limits or None,
    }
