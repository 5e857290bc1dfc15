"""A healthy client and a watch over the daemon's memory, for the time that somebody else attacks it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running import Daemon, flow_line, join, until
from waiting import eventually

MEGABYTE = 1024  # kB, as the kernel counts


def memory(running: Daemon, field: str = "VmRSS") -> int:
    """What the kernel says of the daemon's memory, in kB; VmHWM is the highest since `forget_peak`."""
    assert running.process
    for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise AssertionError(f"there is no {field}")


def threads(running: Daemon) -> int:
    assert running.process
    return len(list(Path(f"/proc/{running.process.pid}/task").iterdir()))


def descriptors(running: Daemon) -> int:
    assert running.process
    return len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))


def refused(running: Daemon, word: str) -> int:
    """How often something was refused for this reason."""
    return int(running.status()["counters"].get("refused", {}).get(word, 0))


def expelled(running: Daemon, code: int) -> int:
    """How many clients were given up for a mistake that has this close code."""
    dropped = running.status()["dropped"].get("clients", {})
    return int(dropped.get(f"protocol_error_{code}", 0))


@contextmanager
def undisturbed(running: Daemon, megabytes: int) -> Iterator[None]:
    """Meanwhile a client hears everything that happens, and the daemon takes no more memory than so much.

    Afterwards its threads and descriptors are as many as before.
    """
    assert running.process
    with running.client() as client:
        seen = join(client)["seq"]
        before = memory(running), threads(running), descriptors(running)
        Path(f"/proc/{running.process.pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew
        enough = threading.Event()
        sent = [0]

        def feed() -> None:
            while not enough.wait(0.02):
                sent[0] += 1
                running.emit(flow_line(sent[0]))

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            enough.set()
            feeder.join()
        numbers: list[int] = []

        def last(message: dict[str, object]) -> bool:
            numbers.append(int(str(message["seq"])))
            flow = message.get("flow")
            return isinstance(flow, dict) and flow["src_port"] == sent[0]

        running.emit(flow_line(sent[0] + 1))
        sent[0] += 1
        until(client, last)
        assert numbers == list(range(seen + 1, numbers[-1] + 1))
        assert memory(running, "VmHWM") - before[0] < megabytes * MEGABYTE
        eventually(lambda: threads(running) <= before[1], f"there are {before[1]} threads, as before")
        eventually(lambda: descriptors(running) <= before[2], f"there are {before[2]} descriptors, as before")
    assert "Traceback" not in running.log
