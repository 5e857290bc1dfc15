"""Zeek's logs, followed where it writes them: flows, devices, what is asked of DNS, and what Zeek has recognised."""

from netwatchd.config import Zeek as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.log_lines import LogDecoder
from netwatchd.decoders.zeek import ZeekDecoder
from netwatchd.events import NewId
from netwatchd.sources import Emit
from netwatchd.sources.locals import Locals
from netwatchd.sources.logs import LogSource, Memory


class Zeek(LogSource):
    """The source `zeek`."""

    name = "zeek"
    header_mark = b"#separator"

    def __init__(
        self, settings: Settings, emit: Emit, new_id: NewId, locals_: Locals, memory: Memory, counters: Counters
    ) -> None:
        """`locals_` tells of devices without MAC; `memory` is where the place in the logs is kept."""
        # Devices first: what the other logs tell then finds them.
        names = ("dhcp.log", "dns.log", "conn.log", "notice.log")
        paths = [settings.directory / name for name in names]
        super().__init__(paths, emit, new_id, locals_, memory, counters)

    def make_decoder(self) -> LogDecoder:
        """A decoder a file: each has its own header."""
        return ZeekDecoder(self.next_id)
