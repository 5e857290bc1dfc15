"""A daemon that knows threats of all kinds, and what of them stands on the page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faults_kit import storage
from playwright.sync_api import Locator, Page
from running import MAC, OTHER_MAC, Daemon, scratch
from waiting import eventually
from websocket_kit import get

HOSTILE = "<img src=x onerror=alert(1)>"
ROWS = ".threats table.list tbody:not(.spacer) tr"


def threat(kind: str = "port_scan", **fields: Any) -> dict[str, Any]:
    """A threat as another program tells it."""
    return {"type": "threat", "kind": kind, "description": f"somebody did {kind}", "device": MAC} | fields


DEVICES: list[dict[str, Any]] = [
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas", "name": "Big box"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": HOSTILE},
]
EVIDENCE = {
    "ports_tried": 1234, "bytes_out": 2_100_000, "seconds": 40.2, "start": 1795426694503,
    "examples": ["tcp/22", HOSTILE], "claims": {OTHER_MAC: 3, "192.168.1.5": 1}, "slow": False,
    "peers": [f"203.0.113.{number}" for number in range(40)],
}  # fmt: skip
THREATS = [
    threat("port_scan", severity="medium", target="192.168.1.6:22", recommendation="look at it", evidence=EVIDENCE),
    threat(
        "arp_spoof", severity="critical", device=OTHER_MAC, target="192.168.1.1", description=f"{HOSTILE} claims it"
    ),
    threat("beacon", severity="low", target="203.0.113.9:443", count=12),
    threat("inbound", severity="high", device="198.51.100.7", target="tcp/22", description="the world comes in"),
    threat("new_device", severity="info", description="a new device: Big box"),
]
OPEN = 4  # without news


def api(daemon: Daemon, name: str) -> Any:
    """What a question is answered, of threats of any status."""
    _, reply = get(daemon.port, f"/api/{name}?status=all&limit=1000")
    return json.loads(reply.partition("\r\n\r\n")[2])


def wrong(page: Page) -> Locator:
    """The rows of the overview's first section."""
    return page.locator(".wrong-row")


def heed(page: Page) -> None:
    """Keeps what screen readers are told, as `said`."""
    page.evaluate("""() => {
      window.said = [];
      const node = document.querySelector("p[role=status][aria-live=polite]");
      new MutationObserver(() => window.said.push(node.textContent)).observe(node, { childList: true });
    }""")


@contextmanager
def knowing_threats() -> Iterator[Daemon]:
    """A daemon that knows two devices and these threats."""
    with Daemon(scratch(), storage()) as daemon:
        assert daemon.emit(*DEVICES, *THREATS) == []
        eventually(lambda: len(api(daemon, "threats")) == len(THREATS))
        yield daemon
