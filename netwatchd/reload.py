"""What of a configuration that is read again takes effect at once, and what needs a restart."""

import dataclasses

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
    "logging": ("level",),
    "detector:news": ("enabled", "learning", "absence", "cooldown"),
}


def merge_reloadable(old: config.Config, new: config.Config) -> tuple[config.Config, list[str]]:
    """The old configuration with those new settings that may change while running, and the names of the others."""
    merged, waiting = {}, []
    for name, section in config.sections().items():
        before, after = getattr(old, section.name), getattr(new, section.name)
        changed = [key for key in config.settings_of(type(after)) if getattr(before, key) != getattr(after, key)]
        taken = [key for key in changed if key in RELOADABLE.get(name, ())]
        merged[section.name] = dataclasses.replace(before, **{key: getattr(after, key) for key in taken})
        waiting += [f"[{name}] {key}" for key in changed if key not in taken]
    return dataclasses.replace(old, **merged), waiting
