"""The sections of config.ini that are about detectors: [detector:NAME], a frozen dataclass each."""

from dataclasses import dataclass

from netwatchd.config.setting import setting
from netwatchd.values import age, duration, yes_no


@dataclass(frozen=True)
class News:
    """News of devices: new ones, those that are back after long, changed names, and two that use one address."""

    enabled: bool = setting(yes_no, "yes", "Whether news are told.")
    learning: float = setting(
        duration,
        "1 h",
        "At the first start, while no device is known: how long whatever shows up is no news. 0 s: not at all.",
    )
    absence: float = setting(age, "30 d", "How long a device must have been away for its return to be news.")
    cooldown: float = setting(age, "1 d", "How long the same news of the same device is not told again.")
