"""Suricata's eve.json, followed: flows, alerts, and the devices that its DHCP events tell of."""

from typing import Any

from netwatchd.config import Eve as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.eve import EveDecoder
from netwatchd.decoders.log_lines import LogDecoder, LogEvent
from netwatchd.events import NewId
from netwatchd.sources import Emit
from netwatchd.sources.locals import Locals
from netwatchd.sources.logs import LogSource, Memory


class Eve(LogSource):
    """The source `eve`."""

    name = "eve"

    def __init__(
        self, settings: Settings, emit: Emit, new_id: NewId, locals_: Locals, memory: Memory, counters: Counters
    ) -> None:
        """`locals_` tells of devices without MAC; `memory` is where the place in the log is kept."""
        super().__init__([settings.file], emit, new_id, locals_, memory, counters)
        # One for all files: the two halves of a flow may stand on both sides of a rotation.
        self._decoder = EveDecoder(self.next_id, settings.link_header)

    def make_decoder(self) -> LogDecoder:
        """The one decoder."""
        return self._decoder

    def waiting(self) -> int:
        """Lines since the oldest half that waits for its other half."""
        return self._decoder.waiting

    def overdue(self, now: int) -> list[LogEvent]:
        """Flows whose other half has not come."""
        return self._decoder.overdue(now)

    def remark(self) -> Any:
        """Whether both kinds of flow events are written."""
        return self._decoder.has_flows

    def take_remark(self, remark: Any) -> None:
        """Takes in whether they were."""
        self._decoder.has_flows = bool(remark)
