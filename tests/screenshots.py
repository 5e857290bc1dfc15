"""`make screenshots`: pictures of the page for docs/ and README.md, of a daemon that watches a believable house.

Who lives there, and what they do, is the same each time; so are the names of the files.
"""

import argparse
import base64
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from faults_kit import storage
from looking import browsing, devtools, expect, finish, live, looking
from playwright.sync_api import Browser, Page
from running import Daemon, flow_line, scratch

DOCS = Path(__file__).parent.parent / "docs"
MOST = 150_000  # bytes of a picture
MINUTE = 60_000

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PICTURES = {
    "page-light.webp": WIDE | {"color_scheme": "light"}, "page-dark.webp": WIDE | {"color_scheme": "dark"},
    "page-phone.webp": PHONE | {"color_scheme": "light"},
}  # fmt: skip

# Name of the host, maker, what the user calls it, and how much it moves.
HOUSE = [
    ("fritz.box", "AVM", "Router", 0.2), ("synology-ds220", "Synology", "Photos", 3.0),
    ("Annas-iPhone", "Apple", None, 1.2), ("Pixel-8", "Google", "Ben's phone", 1.0),
    ("Annas-MacBook-Air", "Apple", None, 4.0), ("DESKTOP-7QK2", "Intel", "Study", 2.0),
    ("LG-webOS-TV", "LG Electronics", "Living room TV", 9.0), ("Sonos-Kitchen", "Sonos", None, 0.4),
    ("Sonos-Bath", "Sonos", None, 0.0), ("HP-LaserJet-M110", "HP", "Printer", 0.05),
    ("shelly-plug-01", "Shelly", "Washing machine", 0.02), ("shelly-plug-02", "Shelly", "Freezer", 0.02),
    ("hue-bridge", "Signify", "Lamps", 0.1), ("reolink-door", "Reolink", "Front door", 1.5),
    ("iPad", "Apple", "Kids' tablet", 2.5), ("nintendo-switch", "Nintendo", None, 0.8),
    ("tado-bridge", "tado", "Heating", 0.03), ("roborock-s7", "Roborock", "Vacuum", 0.05),
    ("raspberrypi", "Raspberry Pi", None, 0.3), ("espressif-4f21", "Espressif", None, 0.05),
]  # fmt: skip
AWAY = {"Annas-iPhone", "nintendo-switch", "roborock-s7"}
PEERS = ["142.250.185.78", "151.101.65.140", "17.253.144.10", "34.107.221.82", "45.57.90.1", "104.16.132.229"]


def mac(number: int) -> str:
    """The MAC of one."""
    return f"00:1a:2b:10:20:{number + 1:02x}"


def devices(now: int) -> Iterator[dict[str, Any]]:
    """Who lives there."""
    for number, (host, maker, name, _) in enumerate(HOUSE):
        about = {"mac": mac(number), "ip": f"192.168.1.{number + 1}", "hostname": host, "vendor": maker, "name": name}
        yield {"type": "device", **about, "last_seen": now - (90 * MINUTE if host in AWAY else 0)}
        if host in AWAY:
            yield {"type": "device", **about, "status": "offline", "last_seen": now - 90 * MINUTE}


def flows(begun: int, now: int) -> Iterator[dict[str, Any]]:
    """What they moved in a time: steady streams, pages now and then, a copy to the storage."""
    chance = random.Random(begun // 10_000 % 97)
    for who, (host, _, _, weight) in enumerate(HOUSE):
        if host in AWAY or chance.random() > min(weight, 0.9) + 0.1:
            continue
        # Everybody looks at something, with pauses.
        busy = weight * (0.2 + abs(begun // 10_000 % 31 - 15) / 9) * chance.random()
        up = 0.7 if "reolink" in host or "synology" in host else 0.06
        into = int(busy * 1e6)
        yield flow_line(
            chance.randrange(50_000), src_ip=f"192.168.1.{who + 1}", dst_ip=chance.choice(PEERS), start=begun, end=now,
            dst_port=chance.choice((443, 443, 443, 443, 80, 993)), bytes_in=into, bytes_out=int(into * up),
            packets_in=into // 1400 + 1, packets_out=into // 2800 + 1,
        )  # fmt: skip


def threats(now: int) -> Iterator[dict[str, Any]]:
    """What is wrong there."""
    yield {
        "type": "threat", "kind": "port_scan", "severity": "high", "device": mac(19), "target": "192.168.1.2",
        "description": "espressif-4f21 tried 212 ports of Photos",
        "recommendation": "unplug it, or block it in the router, until you know what it does",
        "evidence": {"ports": 212, "seconds": 38}, "count": 3, "first_seen": now - 41 * MINUTE,
        "last_seen": now - 4 * MINUTE,
    }  # fmt: skip
    yield {
        "type": "threat", "kind": "plaintext_login", "severity": "medium", "device": mac(13),
        "target": "203.0.113.80", "description": "Front door sends its password in the clear to 203.0.113.80",
        "recommendation": "switch on HTTPS in the camera's settings", "evidence": {"port": 80}, "count": 12,
        "first_seen": now - 600 * MINUTE, "last_seen": now - 11 * MINUTE,
    }  # fmt: skip


@contextmanager
def house(minutes: float) -> Iterator[Daemon]:
    """The daemon of the house, after so many minutes of its evening."""
    with Daemon(scratch(), storage()) as daemon:
        now = int(time.time() * 1000)
        emit(daemon, devices(now))
        emit(daemon, threats(now))
        daemon.stop()
        remember(daemon, now)
        daemon.start()
        emit(daemon, devices(now))
        for _ in range(max(round(minutes * 6), 1)):
            begun = int(time.time() * 1000)
            time.sleep(10)
            emit(daemon, flows(begun, begun + 10_000))
        emit(daemon, devices(int(time.time() * 1000)))
        yield daemon


def emit(daemon: Daemon, events: Iterator[dict[str, Any]]) -> None:
    """Hands them in."""
    refused = daemon.emit(*events)
    assert not refused, refused[:3]


def remember(daemon: Daemon, now: int) -> None:
    """Has the daemon remember the last two days: who was there when, and what they moved in each hour."""
    chance = random.Random(3)
    with closing(sqlite3.connect(daemon.state / "core.db", isolation_level=None)) as db:
        db.execute("UPDATE devices SET first_seen = first_seen - ?", (40 * 24 * 60 * MINUTE,))
        db.execute("DELETE FROM sessions")
        for number, (host, _, _, weight) in enumerate(HOUSE):
            # Phones and computers come and go, what hangs on the wall stays.
            comes = [17, 6.5] if weight >= 0.8 and "DS" not in host and "TV" not in host else [47]
            for hours in comes if host not in AWAY else [20, 9]:
                start = now - int((hours + chance.random()) * 60 * MINUTE)
                is_over = hours != comes[-1] or host in AWAY
                end = start + int(chance.uniform(2, 5) * 60 * MINUTE) if is_over else None
                db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (mac(number), start, end))
            for hour in range(2, 48):
                begin = now // (60 * MINUTE) * 60 * MINUTE - hour * 60 * MINUTE
                moved = int(weight * chance.random() * 9e7 * (1 + abs(hour % 24 - 12) / 4))
                row = (begin, mac(number), moved, moved // 9, 40)
                db.execute("INSERT OR REPLACE INTO hourly_devices VALUES (?, ?, ?, ?, ?)", row)


def take(page: Page, path: Path) -> None:
    """Takes a picture of what is seen, when all of it is there."""
    live(page)
    expect(page.locator(".loading")).to_have_count(0)
    expect(page.locator("canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    for notice in page.get_by_role("region", name="Notices").get_by_role("button", name="Close").all():
        notice.click()
    # Texts stay sharp, and it is half as large as a PNG.
    shot = devtools(page).send("Page.captureScreenshot", {"format": "webp", "quality": 90})
    path.write_bytes(base64.b64decode(shot["data"]))


def take_all(browser: Browser, into: Path, minutes: float) -> list[Path]:
    """Takes them, after so many minutes of the house's evening; returns their files."""
    taken = []
    with house(minutes) as daemon:
        for name, settings in PICTURES.items():
            with looking(browser, daemon.port, locale="en-GB", reduced_motion="reduce", **settings) as page:
                take(page, into / name)
            assert (into / name).stat().st_size < MOST, name
            taken.append(into / name)
    return taken


def main() -> None:
    """Takes them for docs/."""
    parser = argparse.ArgumentParser(prog="make screenshots", description="Takes the pictures of docs/.")
    parser.add_argument("--into", type=Path, default=DOCS)
    parser.add_argument("--minutes", type=float, default=12, help="of the house's evening, before they are taken")
    given = parser.parse_args()
    with browsing() as browser:
        for path in take_all(browser, given.into, given.minutes):
            print(f"{path}: {path.stat().st_size} bytes")
    finish()


if __name__ == "__main__":
    main()
