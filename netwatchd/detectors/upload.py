"""A device that sends much more to the world than on any day before.

Counted is what a device sends to addresses elsewhere, by days (UTC); what stays at home, such as a backup to the NAS,
is none of it. It is compared with the device's own days of the last four weeks, by their maximum: a cloud that is
synced every night, or a camera that films all day, is usual. Who has no history of days has nothing to be compared
with: a new telephone sends all its pictures first.

What is more than ever before need not be bad: pictures of a holiday, a backup that is made anew, a film that is shared.
So devices that people use must send four times as much as others, and are told of as low, with where it went.

Small flows are not added up: those of less than 50 kB would have to be 10,000 to make up the least that is told, and
most flows are small.
"""

from netwatchd.addresses import Address, address_text, is_host
from netwatchd.config import Upload as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.peers import PeerNames
from netwatchd.detectors.perdevice import PerDevice
from netwatchd.detectors.telling import threat
from netwatchd.events import LIVE, Flow, Threat

SMALL = 50_000  # bytes
DAY = 86_400_000
DAYS = 28  # that are remembered: habits of a month, as a backup on each first Sunday
PEOPLES = frozenset(("phone", "tablet", "mobile", "watch", "computer", "server", "nas", "console"))
PEOPLES_FACTOR = 4  # of the floor
# Devices, peers of a device's day, and flows that are still alive: with these, some 2 MB.
MOST_DEVICES, MOST_PEERS, MOST_LIVE = 256, 32, 8192
SHOWN = 3  # peers in the evidence
MAIN = 0.8  # of the bytes: one peer got nearly all, so that it is the target
AGAIN = 2  # told again when it has become so many times as much
NOTE_EVERY = 3_600_000  # milliseconds between two notes: some 200 bytes a device


class _Sent:
    """What a device has sent to the world."""

    __slots__ = ("day", "days", "first", "peers", "target", "today", "told")

    def __init__(self, _time: int | None = None) -> None:
        self.day = -1  # number of the day since 1970
        self.today = 0  # bytes
        self.first = 0  # Unix ms
        self.days: dict[int, int] = {}  # bytes by earlier days
        self.peers: dict[Address, int] = {}
        self.told = 0  # bytes, when it was told today
        self.target: str | None = None

    @classmethod
    def of_note(cls, note: object) -> "_Sent":
        """What was kept of it: its days. What is damaged is left out."""
        sent = cls()
        for each in note if isinstance(note, list) else ():
            if isinstance(each, list) and len(each) == 2 and all(type(one) is int and one >= 0 for one in each):
                sent.keep(*each)
        return sent

    def begin(self, day: int, time: int) -> None:
        """Another day: what was sent so far is history."""
        if self.day >= 0:
            self.keep(self.day, self.today)
        self.day, self.today, self.first, self.told = day, self.days.pop(day, 0), time, 0
        self.peers.clear()

    def keep(self, day: int, sent: int) -> None:
        """Remembers a day."""
        self.days[day] = max(sent, self.days.get(day, 0))
        for old in sorted(self.days)[:-DAYS]:
            del self.days[old]

    def add(self, peer: Address, sent: int) -> None:
        """Adds to the day, and to a peer; the one that got least makes room."""
        self.today += sent
        peers = self.peers
        peers[peer] = peers.get(peer, 0) + sent
        if len(peers) > MOST_PEERS:
            del peers[min(peers, key=lambda each: (peers[each], each == peer))]

    def all_days(self) -> list[tuple[int, int]]:
        """The days with their bytes, this one too."""
        return sorted((self.days | ({self.day: self.today} if self.day >= 0 else {})).items())

    def join(self, other: "_Sent") -> None:
        """Adds what was known of the same device under another key, or by an earlier run."""
        for day, sent in other.all_days():
            if day == self.day:
                self.today += sent
            else:
                self.keep(day, sent + self.days.get(day, 0))

    def most(self) -> int:
        """Bytes of the day on which most was sent, of the days before."""
        return max((sent for day, sent in self.days.items() if self.day - DAYS <= day < self.day), default=0)


class Upload:
    """The detector `upload`."""

    wants = Wants.ANSWERED
    ports = None
    shares = ("peers",)

    def __init__(self, settings: Settings, home: Home, names: PeerNames) -> None:
        self.settings = settings
        self._home = home
        self._owner = home.owner
        self._names = names
        # Devices that somebody made up have no history.
        self._devices = PerDevice(MOST_DEVICES, NOTE_EVERY, _Sent, lambda sent: (len(sent.days), sent.today))
        self.see_device = self._devices.see_device
        self._since: int | None = None  # Unix ms, since when it is watched
        self._counted: Bounded[int, list[int]] = Bounded(MOST_LIVE, lambda: [0])  # of flows that are still alive

    @property
    def note(self) -> str | None:
        """The days of each device."""
        return self._devices.note

    def recall(self, note: str) -> None:
        """Takes in what was noted; what is damaged is left out."""
        kept = self._devices.recall(note, _Sent.of_note)
        since = kept.get("since")
        if type(since) is int and 0 <= since <= kept["time"]:
            self._since = since

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An answered flow, each time it is told."""
        # By their places, which is faster: bytes_out, bytes_in, src_ip. What comes back is sent by who was called.
        if device is None or (flow[9] < SMALL and (flow[11] < SMALL or self._owner(flow[3]) == device)):
            return ()
        return self._see_large(flow, device)

    def tick(self, time: int) -> Findings:
        """Makes a note now and then; while the clock leapt, or netwatchd was off, nobody watched."""
        leap = self._devices.tick(time)
        if self._since is None:
            self._since = time
        elif leap and time - leap - self._since < self.settings.history * 1000:
            self._since += leap
        self._devices.write_note(time, _Sent.all_days, since=self._since)
        return ()

    def set_back(self, time: int) -> None:
        """The clock was set back to `time`: the day is another one, and those after it have not come yet."""
        day = time // DAY
        for sent in self._devices.known.values():
            sent.day = min(sent.day, day)
            sent.days = {each: count for each, count in sent.days.items() if each < day}

    def _see_large(self, flow: Flow, device: str) -> Findings:
        home = self._home
        sent, peer = flow.bytes_out, flow.dst_ip
        if home.owner(flow.src_ip) != device and home.owner(flow.dst_ip) == device:
            sent, peer = flow.bytes_in, flow.src_ip
        # It stays at home.
        if peer in home.networks or not is_host(peer) or home.owner(peer) is not None:
            return ()
        # Of a flow that is told again, what it has brought since.
        counted = self._counted.get(flow.id)
        fresh = sent - (counted[0] if counted else 0)
        if flow.state in LIVE:
            self._counted.touch(flow.id)[0] = max(sent, counted[0] if counted else 0)
        elif counted:
            self._counted.drop(flow.id)
        if fresh <= 0:
            return ()
        ticked = self._devices.ticked
        # No exporter whose clock is years ahead may end the day.
        day = (flow.end if ticked is None else min(flow.end, ticked + DAY)) // DAY
        about = self._devices.about(device)
        if self._since is None:
            self._since = flow.start
        if day > about.day:
            about.begin(day, flow.start)
        elif day < about.day:
            # Exporters and logs tell late: it belongs to a day that is over.
            about.keep(day, about.days.get(day, 0) + fresh)
            return ()
        about.add(peer, fresh)
        return self._judge(flow, device, about)

    def _judge(self, flow: Flow, device: str, sent: _Sent) -> Findings:
        """Whether that is more than ever before: the usual case first."""
        settings = self.settings
        if sent.today < settings.floor or sent.today < AGAIN * sent.told:
            return ()
        before = sent.most()
        if sent.today < settings.times * before:
            return ()
        # Too little is known of it.
        about = self._home.device(device)
        since = max(self._since or 0, about.first_seen if about else flow.end)
        if flow.end - since < settings.history * 1000:
            return ()
        peoples = about is None or about.random_mac or about.kind in PEOPLES or about.kind == "unknown"
        if peoples and sent.today < PEOPLES_FACTOR * settings.floor:
            return ()
        return [self._threat(flow, device, sent, before, "low" if peoples else "medium")]

    def _threat(self, flow: Flow, device: str, sent: _Sent, before: int, severity: str) -> Threat:
        ranked = sorted(sent.peers.items(), key=lambda each: -each[1])[:SHOWN]
        if not sent.told:
            # It stays the same while the day grows, so that it is one threat.
            sent.target = address_text(ranked[0][0]) if ranked[0][1] >= MAIN * sent.today else None
        sent.told = sent.today
        to = ", ".join(f"{self._names.called(peer)}: {_size(size)}" for peer, size in ranked)
        more = f"{sent.today / before:.0f} times as much as on any day before" if before else "more than ever before"
        return threat(
            "upload", severity, sent.first, flow.end, device=device, target=sent.target,
            description=f"{called_by_key(self._home, device)} has sent {_size(sent.today)} to the world today, {more}; "
            f"most of it to {to}",
            recommendation="if nobody copies pictures, makes a backup or shares something just now, find out what "
            f"sends it (netwatchd device {device}), and cut it off until then",
            evidence={
                "bytes_out": sent.today, "most_before": before, "days": len(sent.days),
                "peers": {address_text(peer): size for peer, size in ranked},
            },
        )  # fmt: skip


def _size(count: int) -> str:
    """`1.5 GB`."""
    value, units = float(count), ["kB", "MB", "GB", "TB"]
    value /= 1000
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}" if value < 10 else f"{value:.0f} {units[0]}"
