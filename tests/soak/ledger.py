"""What was sent, compared with what is in the files: every flow once, every threat counted, every device up to date."""

from dataclasses import dataclass, field
from typing import Any

from running import Daemon, rows

from soak.faults import COMMIT_INTERVAL, PLANTED
from soak.producers import BYTES_IN, BYTES_OUT, DEVICES, mac_of

# Seconds by which what a kill loses may be older than the commit interval: a line waits in the socket and in the
# inbox first, and a commit takes its time.
SLACK = 5.0


@dataclass
class Ledger:
    """The books of one soak. `mistakes` is what does not balance."""

    daemon: Daemon
    sent: list[dict[str, Any]]  # the summary of each producer
    dropped: int  # flows that the daemon says to have dropped, in all its lives
    others: int  # flows that no producer has written, of no device
    mistakes: list[str] = field(default_factory=list)
    stored: int = 0
    missing: int = 0
    others_stored: int = 0

    def balance(self) -> None:
        """Fills in the books."""
        missing = self._flows()
        killed = any(one["breaks"] for one in self.sent)
        for number, one in enumerate(self.sent):
            for first, end in missing[number]:
                self._judge(number, one, first, end)
            if not one["answered"]:
                self.mistakes.append(f"producer {number}: the bad lines were not all answered")
        self.missing = sum(end - first for gaps in missing for first, end in gaps)
        if not killed and self.missing != self.dropped:
            self.mistakes.append(f"{self.missing} flows are missing, but {self.dropped} were counted as dropped")
        if self.others_stored != self.others:
            self.mistakes.append(f"of {self.others} flows before and after the load {self.others_stored} are stored")
        self._threats_and_devices(killed)
        self._totals()

    def _flows(self) -> list[list[tuple[int, int]]]:
        """The flows that are missing, of each producer, as ranges; says which come twice or out of order."""
        following = [0] * len(self.sent)
        missing: list[list[tuple[int, int]]] = [[] for _ in self.sent]
        for path in sorted(self.daemon.state.glob("flows-*.db")):
            if path.name.startswith(PLANTED):
                continue
            for number, flow in rows(path, "SELECT packets_in, packets_out FROM flows ORDER BY id"):
                if number >= len(self.sent):
                    self.others_stored += 1
                    continue
                if flow < following[number]:
                    self.mistakes.append(f"flow {flow} of producer {number} is there twice")
                elif flow > following[number]:
                    missing[number].append((following[number], flow))
                following[number] = flow + 1
                self.stored += 1
        for number, one in enumerate(self.sent):
            if following[number] < one["flows"]:
                missing[number].append((following[number], one["flows"]))
        return missing

    def _judge(self, number: int, one: dict[str, Any], first: int, end: int) -> None:
        """What a kill loses was the last before it, and young."""
        for broken in one["breaks"]:
            if broken["end"] != end:
                continue
            sent = [time for time, flows in broken["sent"] if flows <= first]
            age = broken["at"] - max(sent) if sent else 0.0
            if age > COMMIT_INTERVAL + SLACK:
                self.mistakes.append(f"a kill lost flows of producer {number} that were {age:.1f} s old")
            return
        if not self.dropped:
            self.mistakes.append(f"flows {first} to {end - 1} of producer {number} are missing")

    def _threats_and_devices(self, killed: bool) -> None:
        found = dict(self.daemon.core("SELECT device, hostname FROM devices"))
        counts = dict(self.daemon.core("SELECT device, sum(count) FROM threats WHERE kind = 'soak' GROUP BY 1"))
        for number, one in enumerate(self.sent):
            count = counts.get(mac_of(number, 0), 0)
            if count > one["threats"] or (count < one["threats"] and not killed):
                self.mistakes.append(f"{one['threats']} threats of producer {number} were sent, {count} are counted")
            for device in range(DEVICES):
                told, known = one["hostnames"][device], found.get(mac_of(number, device)) or ""
                if told != known and not killed:
                    self.mistakes.append(f"device {device} of producer {number} is {known!r}, and was told as {told!r}")

    def _totals(self) -> None:
        """Totals of devices and roll-ups hold all flows that are stored, and beyond them at most the dropped ones."""
        (bytes_in, bytes_out), = self.daemon.core("SELECT sum(bytes_in), sum(bytes_out) FROM devices")  # fmt: skip
        (rolled,), = self.daemon.core("SELECT sum(flows) FROM rollups")  # fmt: skip
        least, most = self.stored, self.stored + self.dropped
        for what, count in (("in", bytes_in / BYTES_IN), ("out", bytes_out / BYTES_OUT)):
            if not least <= count <= most:
                self.mistakes.append(f"devices have the bytes {what} of {count:,.1f} flows, and {least:,} are stored")
        if not least <= rolled - self.others <= most:
            self.mistakes.append(f"the roll-ups count {rolled:,} flows, and {least:,} are stored")
