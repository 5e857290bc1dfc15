"""Start-up, rest, and memory under load."""

import os
import subprocess
import time

from bench import events
from bench.figures import show
from bench.running import daemon

RUNS = 5
REST = 60.0  # seconds
FLOWS = 10_000


def startup() -> None:
    """Seconds from exec until it serves, on an empty and on a used state directory."""
    times = []
    for _ in range(RUNS):
        with daemon() as running:
            times.append(running.startup)
    show(f"start to ready, median of {RUNS}", f"{sorted(times)[RUNS // 2]:.2f} s")


def at_rest() -> None:
    """Memory, CPU and commits while nothing happens, with all sources on where they can be."""
    sources = "[source:neighbours]\nenabled = auto\n[source:conntrack]\nenabled = auto\n"
    with daemon(sources, namespace=_empty_namespace()) as running:
        time.sleep(15)  # what a start brings has been committed
        before = {file.name: file.stat().st_mtime_ns for file in running.state.iterdir()}
        cpu = running.cpu()
        time.sleep(REST)
        show("at rest: memory", f"{running.memory():.1f} MB")
        show("at rest: CPU", f"{(running.cpu() - cpu) / REST * 100:.2f} % of a core")
        after = {file.name: file.stat().st_mtime_ns for file in running.state.iterdir()}
        show("at rest: database files touched", str(sum(after[name] != before.get(name) for name in after)))
    _remove_namespace()


def with_load() -> None:
    """Memory with 250 devices and 10,000 live flows in the kernel's table."""
    name = _empty_namespace()
    if name is None:
        show("250 devices, 10,000 live flows", "needs root")
        return
    for command in (
        "ip link set lo up",
        "ip link add one type veth peer name two",
        "ip addr add 198.51.100.1/24 dev one",
        "ip link set one up",
        "ip link set two up",
        "ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev one",
    ):
        subprocess.run(["ip", "netns", "exec", name, *command.split()], check=True)
    with daemon("[source:conntrack]\nenabled = yes\n", namespace=name) as running:
        running.write(b"".join(map(events.device, range(250))))
        # A file each for the timeouts, so that unanswered datagrams stay alive while we look.
        alive = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
        send = (
            f"open('{alive}', 'w').write('300')\nimport socket\n"
            "peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"for port in range(1, {FLOWS} + 1): peer.sendto(b'x', ('198.51.100.2', port))\n"
        )
        subprocess.run(["ip", "netns", "exec", name, "python3", "-c", send], check=True)
        time.sleep(25)  # two dumps, and the commits
        show("250 devices, 10,000 live flows: memory", f"{running.memory():.1f} MB")
        cpu = running.cpu()
        time.sleep(30)
        show("250 devices, 10,000 live flows: CPU", f"{(running.cpu() - cpu) / 30 * 100:.2f} % of a core")
    _remove_namespace()


def _namespace() -> str:
    return f"netwatchd-bench-{os.getpid()}"


def _empty_namespace() -> str | None:
    if os.geteuid() != 0:
        return None
    subprocess.run(["ip", "netns", "add", _namespace()], check=True)
    subprocess.run(["ip", "netns", "exec", _namespace(), "ip", "link", "set", "lo", "up"], check=True)
    return _namespace()


def _remove_namespace() -> None:
    if os.geteuid() == 0:
        subprocess.run(["ip", "netns", "del", _namespace()], check=True)
