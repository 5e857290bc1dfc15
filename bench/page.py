"""The page in a browser: what it weighs, how soon it is there, and what a busy house costs it.

The browser is on the same machine as the daemon. A slower one is imitated: the browser's CPU by its own throttling, the
daemon's by a quota of a control group, where we may make one, else not at all.
"""

import argparse
import contextlib
import itertools
import json
import platform
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from looking import browsing, devtools, finish, live, looking, version
from playwright.sync_api import Browser, CDPSession
from running import Daemon, flow_line, scratch

DEVICES, RATE = 500, 100
GROUP = Path("/sys/fs/cgroup")
WATCH = """
  window.frames = []; window.tasks = [];
  const step = (time) => { window.frames.push(time); requestAnimationFrame(step); };
  requestAnimationFrame(step);
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((each) => each.duration)))
    .observe({ type: "longtask" });
"""


def mac(number: int) -> str:
    """One of many MACs."""
    return f"a4:83:e7:00:{number >> 8:02x}:{number & 255:02x}"


def devices(count: int) -> Iterator[dict[str, Any]]:
    """A house with so many devices."""
    for number in range(count):
        address = f"192.168.{number >> 8}.{number & 255}"
        yield {"type": "device", "mac": mac(number), "ip": address, "hostname": f"device-{number}", "vendor": "Acme"}


def updates(rate: int) -> Iterator[list[dict[str, Any]]]:
    """A tenth of a second each: mostly flows, a few sightings of devices, now and then a threat."""
    for turn in itertools.count():
        now: list[dict[str, Any]] = []
        for number in range(turn * rate // 10, (turn + 1) * rate // 10):
            of = number * 7 % DEVICES
            if number % 5 == 0:
                name = f"device-{of}-{number // 5 % 9}"
                now.append({"type": "device", "mac": mac(of), "ip": f"192.168.{of >> 8}.{of & 255}", "hostname": name})
            elif number % 100 == 1:
                now.append({"type": "threat", "kind": "odd", "device": mac(of), "description": f"odd thing {of}"})
            else:
                source = f"192.168.{of >> 8}.{of & 255}"
                now.append(flow_line(number, src_ip=source, dst_ip=f"203.0.{number % 99}.9", bytes_in=9000))
        yield now


class Feed(threading.Thread):
    """Hands in so many updates a second until it is told to end."""

    def __init__(self, daemon: Daemon, rate: int) -> None:
        super().__init__(daemon=True)
        self._daemon, self._rate = daemon, rate
        self.sent = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Writes, a tenth of a second at a time."""
        due = time.monotonic()
        with self._daemon.connect() as peer:
            for batch in updates(self._rate):
                peer.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in batch))
                self.sent += len(batch)
                due += 0.1
                if self.over.wait(max(due - time.monotonic(), 0)):
                    return


@contextlib.contextmanager
def limited(pid: int, share: float | None) -> Iterator[bool]:
    """A process has so much of one core, where control groups can be had; yields whether it is so."""
    if share is None:
        yield False
        return
    # Version 1 has a directory a controller, version 2 one for all.
    root = GROUP / "cpu" if (GROUP / "cpu").is_dir() else GROUP
    group = root / f"netwatchd-bench-{pid}"
    quota = int(share * 100_000)
    try:
        group.mkdir()
        if root == GROUP:
            (group / "cpu.max").write_text(f"{quota} 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        print(f"no control group for the daemon: {error}")
        yield False
        return
    try:
        yield True
    finally:
        (root / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()


def first_view(browser: Browser, daemon: Daemon, slower: int, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds until something is seen, and until it is live, with nothing kept from before."""
    found = []
    for _ in range(rounds):
        with looking(browser, daemon.port, None) as page:
            tools = devtools(page)
            tools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
            page.add_init_script("""
              window.liveAt = 0;
              new MutationObserver(() => {
                if (!window.liveAt && document.querySelector(".state[data-state=live]")) {
                  requestAnimationFrame(() => { window.liveAt ||= performance.now(); });
                }
              }).observe(document, { subtree: true, childList: true, attributes: true });
            """)
            page.goto(f"http://127.0.0.1:{daemon.port}/")
            while not page.evaluate("window.liveAt"):  # the policy lets nobody else wait in the page
                page.wait_for_timeout(50)
            paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
            found.append((page.evaluate(paint), page.evaluate("window.liveAt")))
    return found


def spent(tools: CDPSession) -> tuple[float, float]:
    """Seconds that the page's thread has worked, and megabytes of its heap after a collection of garbage."""
    tools.send("HeapProfiler.collectGarbage")
    figures = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return figures["TaskDuration"], figures["JSHeapUsedSize"] / 1e6


def under_load(browser: Browser, daemon: Daemon, view: str, seconds: float, slower: int) -> str:
    """Frames, long tasks, CPU and heap of a view while updates come."""
    with looking(browser, daemon.port, view) as page:
        live(page)
        page.wait_for_timeout(2000)
        tools = devtools(page)
        tools.send("Performance.enable")
        tools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        worked, heap = spent(tools)
        page.evaluate(WATCH)
        begun = time.monotonic()
        feed = Feed(daemon, RATE)
        feed.start()
        page.wait_for_timeout(seconds * 1000)
        feed.over.set()
        took = time.monotonic() - begun
        frames = page.evaluate("window.frames")
        tasks = page.evaluate("window.tasks")
        worked_after, heap_after = spent(tools)
        gaps = sorted(after - before for before, after in itertools.pairwise(frames))
    late = sum(1 for gap in gaps if gap > 50)
    share = (worked_after - worked) / took
    return (
        f"{feed.sent / took:.0f} updates/s, {len(frames) / took:.0f} frames/s, p99 {gaps[int(len(gaps) * 0.99)]:.0f} "
        f"ms, longest {gaps[-1]:.0f} ms, {late} over 50 ms; long tasks {len(tasks)}, longest "
        f"{max(tasks, default=0):.0f} ms; {share * 100:.0f} % of a core; heap {heap:.1f} -> {heap_after:.1f} MB"
    )


def main() -> None:
    """Measures, and prints a line for each."""
    parser = argparse.ArgumentParser(prog="make bench-page", description="Measures the page in a browser.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--long", type=float, default=300, help="seconds of the run that looks for growth; 0: none")
    given = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Linux {platform.release()}, {version()}\n")
    with browsing() as browser, Daemon(scratch()) as daemon:
        assert daemon.process
        daemon.emit(*devices(20), *(flow_line(number) for number in range(200)))
        for slower, share in ((1, None), (4, None), (6, None), (1, 0.25), (4, 0.25)):
            with limited(daemon.process.pid, share) as is_so:
                if share and not is_so:
                    continue
                first_view(browser, daemon, slower, 1)
                found = first_view(browser, daemon, slower, given.rounds)
            paint, whole = (statistics.median(each) for each in zip(*found, strict=True))
            of = f"daemon with {share * 100:.0f} % of a core, " if share else ""
            print(
                f"first view, {of}browser {slower} times slower: seen {paint:.0f} ms, live {whole:.0f} ms", flush=True
            )
        daemon.emit(*devices(DEVICES))
        for view in ("", "?view=devices", "?view=flows", "?view=threats", "?view=traffic"):
            for slower in (1, 4):
                line = under_load(browser, daemon, view, given.seconds, slower)
                print(f"{view or 'overview'}, browser {slower} times slower: {line}", flush=True)
        if given.long:
            print(f"overview, {given.long:.0f} s: {under_load(browser, daemon, '', given.long, 1)}")
    finish()


if __name__ == "__main__":
    sys.exit(main())
