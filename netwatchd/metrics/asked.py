"""Whom the metrics are made of; apart, because the daemon knows them long before anybody asks."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from netwatchd.config import Config
from netwatchd.events import Device, Threat


class Asked(NamedTuple):
    """The functions that tell how it is now."""

    settings: Callable[[], Config]
    status: Callable[[], dict[str, Any]]
    threats: Callable[[], Sequence[Threat]]  # the open ones
    devices: Callable[[], Sequence[Device]]
