"""What of a configuration that is read again takes effect at once, and what needs a restart."""

import dataclasses
from collections.abc import Collection

from netwatchd import config

# Everything else needs a restart.
RELOADABLE = {
    "storage": (
        "commit_interval",
        "commit_rows",
        "max_pending",
        "retention",
        "max_size",
        "hourly_retention",
        "daily_retention",
    ),
    "devices": ("offline_after", "probe_rate", "merge"),
    "blocklists": ("lists", "interval", "formats", "severities", "trackers", "allow", "max_size"),
    "metrics": ("devices",),
    "threats": ("cooldown", "mute", "retention"),
    "logging": ("level",),
}


def reloadable(section: str) -> Collection[str]:
    """The keys of a section that take effect at once: all of a detector or of alerts, which get their settings anew."""
    if section.startswith(("detector:", "alert")):
        return config.settings_of(type(getattr(config.Config(), config.sections()[section].name)))
    return RELOADABLE.get(section, ())


def merge_reloadable(old: config.Config, new: config.Config) -> tuple[config.Config, list[str]]:
    """The old configuration with those new settings that may change while running, and the names of the others."""
    merged, waiting = {}, []
    for name, section in config.sections().items():
        before, after = getattr(old, section.name), getattr(new, section.name)
        changed = [key for key in config.settings_of(type(after)) if getattr(before, key) != getattr(after, key)]
        taken = [key for key in changed if key in reloadable(name)]
        merged[section.name] = dataclasses.replace(before, **{key: getattr(after, key) for key in taken})
        waiting += [f"[{name}] {key}" for key in changed if key not in taken]
    return dataclasses.replace(old, **merged), waiting
