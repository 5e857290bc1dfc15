"""What a soak is to be like."""

from dataclasses import dataclass


@dataclass
class Options:
    """What a soak is to be like."""

    minutes: float = 60.0
    producers: int = 8
    rate: float = 0.0  # flows a second in all; 0: at full speed
    full_minutes: float = 10.0  # after these, the rate is `later_rate`, so that an hour fits on a disk
    later_rate: float = 1000.0
    pause: float = 5.0  # seconds between two faults
    kills: bool = False
    disk: str = ""  # size of the small disk, such as 4g; empty: none, and it is never full
    faults: bool = True
    only: str = ""  # the one fault that is made; empty: all
