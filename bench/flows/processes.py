"""What a collector's processes use, as the kernel tells it, from outside and alike for all."""

import os
import signal
import subprocess
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE = 0.2  # seconds
_BUSY = 0.03  # seconds of CPU within these; the kernel counts in hundredths


class Group:
    """A process and all that it has started, which share its session."""

    def __init__(self, command: list[str], core: int, log: Path, environment: dict[str, str]) -> None:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # what is started inherits it
        try:
            with log.open("wb") as file:
                self._process = subprocess.Popen(
                    command, stdout=file, stderr=file, start_new_session=True, env=os.environ | environment
                )
        finally:
            os.sched_setaffinity(0, allowed)
        self._log = log
        self._cpu: dict[int, float] = {}
        self._memory: dict[int, int] = {}
        self._before = 0.0
        self.memory = 0  # kilobytes, the most that all had together; what they share counts for each

    def wait_for_port(self, port: int) -> None:
        """Waits until it listens on a UDP port, and from then on counts its CPU."""
        deadline = time.monotonic() + 20
        while queue_of(port) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it does not listen: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.3)
        self.sample()
        self._before = sum(self._cpu.values())

    def sample(self) -> bool:
        """Looks at all its processes; whether there are any."""
        alive = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                fields = (directory / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) != self._process.pid or fields[0] == "Z":
                    continue
                status = (directory / "status").read_text()
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            pid = int(directory.name)
            alive.append(pid)
            self._cpu[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
            self._memory[pid] = int(status.split("VmHWM:")[1].split()[0]) if "VmHWM:" in status else 0
        self.memory = max(self.memory, sum(self._memory[pid] for pid in alive))
        return bool(alive)

    @property
    def cpu(self) -> float:
        """Seconds of CPU since it listened, of all its processes, those that have ended too."""
        return sum(self._cpu.values()) - self._before

    def wait_until_idle(self, port: int, timeout: float) -> float:
        """Waits until its socket is empty and it has next to nothing to do; returns when that began (monotonic)."""
        deadline = time.monotonic() + timeout
        while True:
            began, before = time.monotonic(), self.cpu
            time.sleep(_IDLE)
            self.sample()
            queue = queue_of(port)
            if ((not queue or queue[0] == 0) and self.cpu - before < _BUSY) or time.monotonic() > deadline:
                return began

    def end(self, number: signal.Signals, timeout: float = 120.0) -> float:
        """Asks it to end, and waits until all its processes have; returns when that was (monotonic)."""
        deadline = time.monotonic() + timeout
        if self._process.poll() is None:
            self._process.send_signal(number)
        while self.sample():
            self._process.poll()
            if time.monotonic() > deadline:
                os.killpg(self._process.pid, signal.SIGKILL)
            time.sleep(0.02)
        self._process.wait(20)
        return time.monotonic()


def queue_of(port: int) -> tuple[int, int] | None:
    """Bytes that wait in the socket that listens on a UDP port of 127.0.0.1, and datagrams that it dropped."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2].endswith(":0000"):
            return int(fields[4].split(":")[1], 16), int(fields[-1])
    return None
