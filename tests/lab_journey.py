"""netwatchd on the router of a home where people come, go and change: exactly the news that each should yield.

    python tests/lab_journey.py [--minutes 5] [--capture | --no-capture] [--markdown FILE]

Twice, without and with the capture of packets. The table says how long after the packet that told of it each was told
to a client; then nothing happens for some minutes, of which nothing may be told.
"""

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_kit import Lab, Listener, Wire, why_not
from running import Daemon
from waiting import eventually

LEARNING = 20  # seconds: everybody who lives there has shown himself by then
SETTLED = 3.0  # seconds in which nothing more may be told of something that was told
SOON = 15.0  # seconds after which what was not told will not be
PROMISE = 2.0  # seconds from the packet to the message
OFFLINE_AFTER = 30  # seconds of silence, so that one who left without a word is missed while we look

CONFIG = f"""
[storage]
commit_interval = 500 ms
[devices]
offline_after = {OFFLINE_AFTER} s
[detector:news]
learning = {LEARNING} s
[source:neighbours]
enabled = yes
[source:conntrack]
enabled = yes
[source:dhcp]
enabled = yes
"""
CAPTURE = """
[source:capture]
enabled = yes
interface = br-lan
"""


@dataclass
class Line:
    """One line of the table."""

    what: str
    news: list[str]  # what was told
    wanted: list[str]
    seconds: float | None  # from the packet to the message that shows it; None: nothing is to be shown
    wrong: str = ""  # what else is not as it should be

    @property
    def right(self) -> bool:
        """Whether it is as it should be, in time."""
        return self.news == self.wanted and not self.wrong and (self.seconds is None or self.seconds <= PROMISE)


class Journey:
    """One daemon in one lab."""

    def __init__(self, lab: Lab, daemon: Daemon, listener: Listener, wire: Wire) -> None:
        self.lab, self.daemon, self.listener, self.wire = lab, daemon, listener, wire
        self.lines: list[Line] = []
        self.begun = time.time()

    # Each of these is one line of the table.

    def join(self, what: str, wanted: list[str], **options: str) -> str:
        """Somebody comes; returns the MAC."""
        since = time.time()
        mac: str = self.lab.run("join", **options)["event"]["device"]["mac"]
        told = self._told(since, lambda news: news["device"] == mac) if wanted else None
        packet = self.wire.last(mac, since, told or time.time(), "dhcp-discover", "dhcp-request")
        self._line(what, since, wanted, packet, told)
        return mac

    def leave(self, what: str, mac: str, *, release: bool, name: str = "guest") -> None:
        """Somebody goes; told or not."""
        since = time.time()
        self.lab.run("leave", name=name, release=int(release))
        patience = SOON if release else OFFLINE_AFTER * 4.0
        gone = self._shown(since, lambda device: device["mac"] == mac and device["status"] == "offline", patience)
        if release or gone is None:
            self._line(what, since, [], self.wire.first(mac, since, "dhcp-release"), gone)
        else:
            silent = gone - (self.wire.last(mac, 0, gone) or since)
            self._line(f"{what}: offline after {silent:.0f} s of silence", since, [], None, None)
        flips = self.listener.flips(mac, since)
        if flips != ["offline"]:
            self.lines[-1].wrong = f"the status went {flips}"

    def ip_change(self, host: str, ip: str, mode: str) -> None:
        """A device takes another address."""
        since = time.time()
        mac = self.lab.run("ip_change", host=host, ip=ip, mode=mode)["event"]["device"]["mac"]
        shown = self._shown(since, lambda device: device["mac"] == mac and device["ip"] == ip)
        # dnsmasq enters the address into the neighbour table when it offers it.
        discover = self.wire.first(mac, since, "dhcp-discover", "dhcp-request") if mode == "dhcp" else None
        self._line(f"ip_change mode={mode}", since, [], discover or self.wire.first(mac, since, ip=ip), shown)

    def mac_change(self) -> None:
        """A phone comes back with another private MAC, and then with its old one."""
        since = time.time()
        event = self.lab.run("mac_change", host="phone")["event"]
        old, new = event["from"]["mac"], event["to"]["mac"]
        # The new MAC stays for a moment, its lease for a tenth of a second: only DHCP's packets have its name then.
        seen = self._shown(since, lambda device: device["mac"] == old and new in device["macs"])
        self._line("mac_change", since, [], self.wire.first(new, since, "dhcp-request"), seen)
        phones = [key for key, each in self.listener.devices().items() if each["hostname"] == event["hostname"]]
        if phones != [old]:
            self.lines[-1].wrong = f"the devices {phones} are called {event['hostname']}"

    def discovery(self, wanted: tuple[str, ...]) -> None:
        """A device announces itself."""
        since = time.time()
        mac = self.lab.run("discovery", host="tv")["event"]["device"]["mac"]
        known: list[str] = []

        def is_known() -> bool:
            about = self.daemon.cli("device", mac).stdout
            known[:] = [word for word in wanted if word in about]
            return len(known) == len(wanted)

        with contextlib.suppress(AssertionError):
            eventually(is_known)
        self._line("discovery", since, [], None, None)
        if missing := set(wanted) - set(known):
            self.lines[-1].wrong = f"it is not known that it has shown {', '.join(sorted(missing))}"

    def mixed(self) -> None:
        """Everybody does something ordinary."""
        since = time.time()
        self.lab.run("mixed", seconds=15)
        self._line("mixed", since, [], None, None)

    def idle(self, minutes: float) -> None:
        """Nothing happens, for so long."""
        since = time.time()
        threading.Event().wait(minutes * 60)
        self._line(f"idle, {minutes:g} min", since, [], None, None)
        here = {name: each["mac"] for name, each in self.lab.hosts().items()}
        flips = {name: found for name, mac in here.items() if (found := self.listener.flips(mac, since))}
        if flips:
            self.lines[-1].wrong = f"the status went {flips}"

    def whole(self, wanted: list[str]) -> None:
        """All that was told since the learning period, late news too."""
        told = [news["kind"] for _, news in self.listener.news()]
        taken_back = [news for _, news in self.listener.news() if "taken_back" in news["evidence"]]
        self.lines.append(Line("all together", told, wanted, None, f"{taken_back}" if taken_back else ""))

    # How they are measured.

    def _line(self, what: str, since: float, wanted: list[str], packet: float | None, told: float | None) -> None:
        threading.Event().wait(SETTLED)
        news = [news["kind"] for _, news in self.listener.news(since)]
        seconds = told - packet if told is not None and packet is not None else None
        line = Line(what, news, wanted, seconds)
        if packet is None and told is not None:
            line.wrong = "the packet was not seen"
        self.lines.append(line)
        print(_row(line), flush=True)

    def _told(self, since: float, wanted: Callable[[dict[str, Any]], object]) -> float | None:
        return _first(lambda: next((when for when, each in self.listener.news(since) if wanted(each)), None), SOON)

    def _shown(self, since: float, wanted: Callable[[dict[str, Any]], object], patience: float = SOON) -> float | None:
        def look() -> float | None:
            found = self.listener.first_device(since, wanted)
            return found[0] if found else None

        found = _first(look, patience)
        if found is None:
            print("  it was never shown", flush=True)
        return found


def _first(look: Callable[[], float | None], patience: float) -> float | None:
    """What is found within so many seconds; None where nothing is, which the table then says."""
    deadline = time.monotonic() + patience
    while (found := look()) is None and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return found


@contextlib.contextmanager
def journey(*, capture: bool) -> Iterator[Journey]:
    """A daemon in a lab of its own that has learnt who lives there."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        wire = Wire(lab)
        stack.callback(wire.close)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nw-")))
        config = CONFIG + f"[source:leases]\nenabled = yes\nfiles = {lab.leases}\n" + (CAPTURE if capture else "")
        daemon = stack.enter_context(Daemon(directory, config, inside=lab.inside()))
        lab.run("mixed", seconds=5)
        listener = Listener(lab, daemon.client)
        stack.callback(listener.close)
        known = {each["mac"] for each in lab.hosts().values()}
        eventually(lambda: known <= set(listener.devices()), "all who live there are known")
        eventually(lambda: "learning is over" in daemon.log, "the learning period is over")
        made = Journey(lab, daemon, listener, wire)
        yield made
        daemon.stop()
        print(daemon.log if "--log" in sys.argv else "", end="")


def travel(*, capture: bool, minutes: float) -> list[Line]:
    """The whole journey; returns its lines."""
    with journey(capture=capture) as on:
        guest = on.join("join", ["new_device"])
        on.discovery(("Samsung-TV", "Linux/4.1 UPnP/1.0 Samsung/1.0"))
        on.ip_change("tv", "192.168.77.150", "dhcp")
        on.ip_change("laptop", "192.168.77.51", "static")
        on.mac_change()
        on.leave("leave release=1", guest, release=True)
        on.join("join of one who is known", [])
        on.leave("leave release=0", guest, release=False)
        on.join("join of one with a private MAC", ["new_device"], name="twin", hostname="Galaxy-S23")
        on.join("join of another one with that name", ["new_device"], name="double", hostname="Galaxy-S23")
        twins = [each for each in on.listener.devices().values() if each["hostname"] == "Galaxy-S23"]
        if len(twins) != 2:
            on.lines[-1].wrong = f"{len(twins)} devices are called so"
        on.mixed()
        on.idle(minutes)
        on.whole(["new_device"] * 3)
        return on.lines


def _row(line: Line) -> str:
    took = "" if line.seconds is None else f"{line.seconds:.2f} s"
    news = ", ".join(line.news) or "none"
    right = "yes" if line.right else f"no: {line.wrong or 'wanted ' + (', '.join(line.wanted) or 'none')}"
    return f"| {line.what} | {news} | {took} | {right} |"


def table(lines: dict[str, list[Line]]) -> str:
    """The lines as Markdown, a table a run."""
    head = "| what happens | news | packet to message | as it should be |\n|---|---|--:|---|\n"
    return "\n".join(
        f"{title}\n\n{head}" + "".join(f"{_row(line)}\n" for line in found) for title, found in lines.items()
    )


def main() -> int:
    """Returns 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long nothing happens at the end (5)")
    parser.add_argument("--capture", action=argparse.BooleanOptionalAction, help="only with capture, or only without")
    parser.add_argument("--markdown", type=Path, help="a file for the tables")
    parser.add_argument("--log", action="store_true", help="show what the daemon has said")
    options = parser.parse_args()
    if reason := why_not():
        print(f"there can be no lab here: it {reason}", file=sys.stderr)
        return 1
    runs = [False, True] if options.capture is None else [options.capture]
    lines = {}
    for capture in runs:
        title = "Kernel tables, DHCP, leases and announcements" + (", and packets" if capture else "")
        print(f"\n{title}", flush=True)
        lines[title] = travel(capture=capture, minutes=options.minutes)
    text = table(lines)
    print(f"\n{text}")
    if options.markdown:
        options.markdown.write_text(text)
    return 0 if all(line.right for found in lines.values() for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
