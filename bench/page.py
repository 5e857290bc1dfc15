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
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from looking import browsing, devtools, finish, live, looking, version
from playwright.sync_api import Browser, CDPSession
from running import Daemon, flow_line, scratch

DEVICES, RATE = 500, 100
GROUP = Path("/sys/fs/cgroup")
THREATS = 300
VIEWS = {
    "overview": "",
    "devices": "?view=devices",
    "flows": "?view=flows",
    "threats": "?view=threats",
    "traffic": "?view=traffic",
    "device": "?view=device&device=a4:83:e7:00:00:07",
}
FRAMES = """
  window.frames = [];
  const step = (time) => { window.frames.push(time); requestAnimationFrame(step); };
  requestAnimationFrame(step);
"""
# It is there when it is live, the first question is answered, and devices stand there.
FIRST_VIEW = """
  window.liveAt = window.wholeAt = 0;
  const find = (what) => document.querySelector(what);
  new MutationObserver(() => {
    if (!find(".state[data-state=live]")) return;
    if (!window.liveAt) requestAnimationFrame(() => { window.liveAt ||= performance.now(); });
    const answer = find(".wrong .answer")?.textContent ?? "";
    if (window.wholeAt || !find(".who-row") || !answer || answer.startsWith("Looking")) return;
    requestAnimationFrame(() => { window.wholeAt ||= performance.now(); });
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def mac(number: int) -> str:
    """One of many MACs."""
    return f"a4:83:e7:00:{number >> 8:02x}:{number & 255:02x}"


def devices(count: int) -> Iterator[dict[str, Any]]:
    """A house with so many devices."""
    for number in range(count):
        address = f"192.168.{number >> 8}.{number & 255}"
        yield {"type": "device", "mac": mac(number), "ip": address, "hostname": f"device-{number}", "vendor": "Acme"}


def threats(count: int) -> Iterator[dict[str, Any]]:
    """So many of them, of four severities."""
    for number in range(count):
        severity = ("info", "low", "medium", "high")[number % 4]
        said = f"odd thing number {number}"
        yield {"type": "threat", "kind": "odd", "device": mac(number), "description": said, "severity": severity}


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


def value(tools: CDPSession, expression: str) -> Any:
    """What an expression is in the page; without playwright's own scripts, which take their time there."""
    return tools.send("Runtime.evaluate", {"expression": expression, "returnByValue": True})["result"].get("value")


def figures(tools: CDPSession) -> dict[str, float]:
    """The browser's own figures of the page."""
    return {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}


def first_view(browser: Browser, daemon: Daemon, slower: int, rounds: int) -> list[list[float]]:
    """Milliseconds until something is seen, it is live, it is whole, with nothing kept; and of CPU in the page."""
    found = []
    for _ in range(rounds):
        with looking(browser, daemon.port, None) as page:
            tools = devtools(page)
            tools.send("Performance.enable", {"timeDomain": "threadTicks"})
            tools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
            page.add_init_script(FIRST_VIEW)
            page.goto(f"http://127.0.0.1:{daemon.port}/", wait_until="commit")
            while not value(tools, "window.wholeAt"):
                page.wait_for_timeout(100)
            cpu = figures(tools)["TaskDuration"] * 1000
            found.append([value(tools, each) for each in (PAINTED, "window.liveAt", "window.wholeAt")] + [cpu])
    return found


def longest_task(trace: bytes) -> tuple[float, float, int]:
    """Of the tasks of the page's thread: the most CPU of one and the longest, in ms; how many over 50 ms."""
    events = json.loads(trace)["traceEvents"]
    pages = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        thread = event["pid"], event["tid"]
        if event["name"] == "ThreadControllerImpl::RunTask" and thread in pages and "tdur" in event:
            threads.setdefault(thread, []).append((event["tdur"] / 1000, event["dur"] / 1000))
    # Of those of other pages, none has as much to do.
    tasks = max(threads.values(), key=lambda each: sum(cpu for cpu, _ in each))
    spent, took = zip(*tasks, strict=True)
    return max(spent), max(took), sum(1 for each in took if each > 50)


def under_load(browser: Browser, daemon: Daemon, view: str, seconds: float, slower: int) -> str:
    """Frames, the longest task, CPU and heap of a view while updates come; times are of the thread's CPU."""
    with looking(browser, daemon.port, VIEWS[view]) as page:
        live(page)
        page.wait_for_timeout(2000)
        tools = devtools(page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        feed = Feed(daemon, RATE)
        feed.start()
        page.wait_for_timeout(2000)
        tools.send("HeapProfiler.collectGarbage")
        tools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        browser.start_tracing(page=page, categories=["toplevel"])
        value(tools, FRAMES)
        before, begun, sent = figures(tools), time.monotonic(), feed.sent
        page.wait_for_timeout(seconds * 1000)
        took = time.monotonic() - begun
        after, sent = figures(tools), feed.sent - sent
        frames = value(tools, "window.frames")
        cpu, whole, long = longest_task(browser.stop_tracing())
        feed.over.set()
        tools.send("HeapProfiler.collectGarbage")
        heap = figures(tools)["JSHeapUsedSize"] / 1e6
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(frames))

    def share(*names: str) -> str:
        return f"{sum(after[name] - before[name] for name in names) / took * 1000:.0f}"

    return (
        f"{sent / took:.0f} updates/s, {len(frames) / took:.0f} frames/s, p99 {gaps[int(len(gaps) * 0.99)]:.0f} ms; "
        f"longest task {cpu:.0f} ms of CPU, {whole:.0f} ms by the clock, {long} over 50 ms; "
        f"a second: script {share('ScriptDuration')} ms, layout and style "
        f"{share('LayoutDuration', 'RecalcStyleDuration')} ms, all {share('TaskDuration')} ms; heap {heap:.1f} MB"
    )


def growth(browser: Browser, daemon: Daemon, minutes: int) -> None:
    """Prints what two views keep, minute by minute, while updates come."""
    with ExitStack() as stack:
        pages = {}
        for view in ("overview", "flows"):
            page = stack.enter_context(looking(browser, daemon.port, VIEWS[view]))
            live(page)
            pages[view] = (page, devtools(page))
            pages[view][1].send("Performance.enable")
        feed = Feed(daemon, RATE)
        feed.start()
        for minute in range(1, minutes + 1):
            page.wait_for_timeout(60_000)
            for view, (_, tools) in pages.items():
                tools.send("HeapProfiler.collectGarbage")
                found = figures(tools)
                heap, nodes, heard = (found[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners"))
                print(
                    f"{view} after {minute} min: heap {heap / 1e6:.2f} MB, {nodes:.0f} nodes, {heard:.0f} listeners",
                    flush=True,
                )
        feed.over.set()


def main() -> None:
    """Measures, and prints a line for each."""
    parser = argparse.ArgumentParser(prog="make bench-page", description="Measures the page in a browser.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--minutes", type=int, default=5, help="of the run that looks for growth; 0: none")
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
            paint, at, whole, cpu = (statistics.median(each) for each in zip(*found, strict=True))
            of = f"daemon with {share * 100:.0f} % of a core, " if share else ""
            print(
                f"first view, {of}browser {slower} times slower: seen {paint:.0f} ms, live {at:.0f} ms, "
                f"whole {whole:.0f} ms; {cpu:.0f} ms of CPU in the page",
                flush=True,
            )
        daemon.emit(*devices(DEVICES), *threats(THREATS))
        for view in VIEWS:
            for slower in (1, 4):
                line = under_load(browser, daemon, view, given.seconds, slower)
                print(f"{view}, browser {slower} times slower: {line}", flush=True)
        growth(browser, daemon, given.minutes)
    finish()


if __name__ == "__main__":
    sys.exit(main())
