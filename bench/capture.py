"""What reading packets costs: a wire between two namespaces, packets at a given rate, the daemon at one end."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.running import Running, daemon

SECONDS = 5.0
RATES = {"control": (50_000, 200_000, 500_000), "all": (50_000, 100_000, 200_000, 400_000)}
SENDER = Path(__file__).with_name("sender.py")


def captured() -> None:
    """CPU, and packets lost, by filter and packets a second."""
    if os.geteuid() != 0:
        show("capturing packets", "needs root")
        return
    for chosen, rates in RATES.items():
        with _wire() as (near, far):
            config = f"[source:capture]\nenabled = yes\ninterface = eth0\nfilter = {chosen}\n"
            with daemon(config, namespace=near) as running:
                for rate in rates:
                    _measure(running, near, far, chosen, rate)
                show(f"filter {chosen}: memory afterwards", f"{running.memory():.1f} MB")


def _measure(running: Running, near: str, far: str, chosen: str, rate: int) -> None:
    before, cpu = _counters(running, near), running.cpu()
    command = ["ip", "netns", "exec", far, sys.executable, str(SENDER), str(rate), str(SECONDS)]
    sent, took = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    after, counted = before, None
    while after != counted:  # the last packets wait in the ring for a moment
        time.sleep(0.5)
        after, counted = _counters(running, near), after
    used = running.cpu() - cpu
    show(f"filter {chosen}, {sent / took:,.0f} packets/s sent", f"{100 * used / took:.1f} % of a core")
    show("  CPU seconds per million packets sent", f"{1e6 * used / sent:.2f}")
    show("  read, and dropped by the kernel", f"{after[0] - before[0]:,}, {after[1] - before[1]:,}")


def _counters(running: Running, near: str) -> tuple[int, int]:
    """Packets read and packets lost."""
    config = running.state.parent / "config.ini"
    command = ["ip", "netns", "exec", near, sys.executable, "-m", "netwatchd", "status", "--json", "--config"]
    answer = subprocess.run([*command, str(config)], capture_output=True, text=True, check=True)
    counters: dict[str, Any] = json.loads(answer.stdout)["counters"]
    lost = counters.get("lost", {}).get("capture", {}).get("kernel", 0)
    return counters.get("packets", {}).get("capture", 0), lost


@contextlib.contextmanager
def _wire() -> Iterator[tuple[str, str]]:
    """Two namespaces with a wire, `eth0` at both ends, without IPv6, which would chatter."""
    near, far = (f"nb{os.getpid()}-{end}" for end in "ab")
    try:
        for name in (near, far):
            _ip(f"netns add {name}")
            _ip(f"-n {name} link set lo up")
            quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"
            subprocess.run(["ip", "netns", "exec", name, "sh", "-c", quiet], check=True)
        _ip(f"-n {near} link add eth0 type veth peer name eth0 netns {far}")
        for name in (near, far):
            _ip(f"-n {name} link set eth0 up")
        yield near, far
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False)


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)
