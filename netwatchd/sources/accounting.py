"""What the kernel notes of connections: the sysctls net.netfilter.nf_conntrack_*."""

import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

# Opened by a thread, these files are those of its network namespace.
SYSCTLS = Path("/proc/sys/net/netfilter")

# sysctl -> what is lost where it is not 1. The value 2 of nf_conntrack_events means "while somebody listens".
_LOST = {
    "acct": "flows have no packet and byte counts",
    "timestamp": "starts and ends of flows are only estimated",
    "events": "ends of flows that are older than netwatchd are noticed late",
}


def switch_on(allowed: bool, directory: Path = SYSCTLS) -> None:
    """Has the kernel count, time and tell what conntrack needs; where it may not, says once what is lost."""
    trouble: dict[str, str] = {}
    for name, loss in _LOST.items():
        why = _switch_on(directory / f"nf_conntrack_{name}", allowed)
        if why:
            trouble[f"nf_conntrack_{name}=1 ({why})"] = loss
    if trouble:
        log.warning(
            "cannot set %s: %s; set them with sysctl",
            ", ".join(trouble),
            "; ".join(trouble.values()),
            extra={"source": "conntrack"},
        )


def _switch_on(path: Path, allowed: bool) -> str | None:
    """Why the sysctl is not 1; None where it is."""
    try:
        if path.read_text().strip() == "1":
            return None
        if not allowed:
            return "set_sysctls is off"
        path.write_text("1")
    except OSError as error:
        return (error.strerror or "unknown error").lower()
    log.info("set net.netfilter.%s to 1", path.name, extra={"source": "conntrack"})
    return None


def read_timeouts(names: Iterable[str], directory: Path = SYSCTLS) -> dict[str, int]:
    """The seconds that connections in these states are kept; those that this kernel has not are left out."""
    timeouts = {}
    for name in names:
        try:
            timeouts[name] = int((directory / f"nf_conntrack_{name}").read_text())
        except (OSError, ValueError):
            continue  # a protocol that this kernel was built without: the default serves
    return timeouts
