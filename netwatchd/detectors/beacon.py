"""Small conversations of a device here with a service elsewhere, that begin at regular intervals.

So malware asks its command server for orders; and so do most smart things call their maker, telephones their mail and
computers their updates. What is regular is therefore no news by itself. It is told where it is also new, for a device
whose habits are known:

* its first days are its baseline, and what it called then is usual (`usual`);
* so is a network that it called a day before, and a rhythm that it has towards another one: services move;
* so is what another device of the same maker does: that is the maker's service;
* on a device that people use, where programs and pages come and go, it must go on for hours.

One thing is told from the first day: what goes to a port of TLS, and is too small to be TLS. No service of any maker
does that, and what says nothing (who only looks whether the port is open) or is refused (TLS sends 7 bytes then) is not
counted. In a recording there is no baseline: other regular conversations of hours are told as mere information.

Not looked at: UDP other than QUIC, which keeps holes in firewalls open by regular packets (STUN, VPNs, games, NTP);
resolvers and mail, which are asked regularly by design; what nobody answers. DNS is the detector dns_tunnel's.
"""

from typing import Literal

from netwatchd.addresses import Address, address_text, is_host
from netwatchd.config import Beacon as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.peers import PeerNames
from netwatchd.detectors.perdevice import PerDevice
from netwatchd.detectors.rhythm import SAME, Measure, Rhythm
from netwatchd.detectors.telling import threat
from netwatchd.detectors.usual import MOST_DEVICES, Habit, Usual, network_of
from netwatchd.events import Device, Flow, Threat

TCP, HTTPS = 6, 443
# DNS (RFC 7766), DNS over TLS (RFC 7858), and mail that is fetched every few minutes: POP3 and IMAP, also with TLS.
REGULAR_PORTS = frozenset((53, 853, 110, 143, 993, 995))
# Ports on which nothing but TLS is spoken: HTTPS, its usual second one, SMTP and IMAP with TLS are not for beacons.
TLS_PORTS = frozenset((443, 8443))
# A server that completes a TLS handshake and answers has sent more than this, in bytes: the shortest, of a session that
# is resumed (RFC 5246 section 7.3), has a ServerHello of 86, 6 and 45 to finish, and 60 of an answer; most send 1,500
# and more, with their certificates. Headers are counted as the least there can be, so that no doubt is told.
TLS_IN = 200
LEAST_HEADERS, HEADERS = {4: 40, 6: 60}, {4: 52, 6: 72}  # bytes of IP and TCP: without options, and with those of Linux
SAID = 24  # bytes beyond the headers: 8 are options of the SYN, and the alert of a TLS server that refuses has 7
# What a question for orders and its answer have at most, with a TLS handshake and its certificates.
MOST_OUT, MOST_IN = 5_000, 20_000
ALIKE = 0.1  # half of the conversations differ by less than this part of their size
# A new service must be called so often and for so long: things that are set up, or have lost their cloud, ask every few
# seconds, and that ends within the hour. People's devices: a page that is left open, a program that waits for
# something.
BEATS, SPAN = 12, 3_600_000
PEOPLES_BEATS, PEOPLES_SPAN = 60, 6 * 3_600_000
PEOPLES = frozenset(("phone", "tablet", "mobile", "watch", "computer", "server", "nas", "console", "tv", "media"))
# Services that are remembered of a device, and of these, rhythms: one that calls thousands of others forgets, first,
# those that it called once.
MOST_SERVICES, MOST_RHYTHMS = 256, 64
ONCE = 511  # one less than there are places for services that were called once: the bits of their numbers
NOTE_EVERY = 3 * 3_600_000  # milliseconds between two notes: some 30 kB in a large home
SELDOM = 512  # calls after which what was irregular for long is looked at again, at the latest
# Of flows of devices for which there is no room, one of so many makes room for its device: of one that beats once a
# minute, within the hour.
REFUSED = 32
AGAIN = 2  # told again when it has come this many times as often
USUAL = "usual"
Service = int  # address and port in a number


class Beacon:
    """The detector `beacon`."""

    wants = Wants.ANSWERED
    ports = None
    shares = ("peers",)

    def __init__(self, settings: Settings, home: Home, names: PeerNames) -> None:
        self.settings = settings
        self._home = home
        self._names = names
        self._devices = PerDevice(MOST_DEVICES, NOTE_EVERY, _Caller, lambda caller: len(caller.called))
        self._callers = self._devices.known
        self.see_device = self._devices.see_device
        self._changed = False
        self._refused = 0  # flows of devices for which there is no room

    @property
    def note(self) -> str | None:
        """What devices are used to."""
        return self._devices.note

    def recall(self, note: str) -> None:
        """Takes in what was noted."""
        self._devices.recall(note, _Caller.of_note)

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An answered flow, each time it is told."""
        # By their places, which is faster: dst_port, protocol, dst_ip, start, bytes_out, bytes_in.
        port = flow[6]
        if device is None or (flow[7] != TCP and port != HTTPS):
            return ()
        caller = self._callers.get(device)
        if caller is None:
            # There are too many: they must not push one another out with each flow, or nobody's habits would be known.
            if len(self._callers) >= MOST_DEVICES:
                self._refused = refused = (self._refused + 1) % REFUSED
                if refused:
                    return ()
            caller = self._devices.about(device)
        address = flow[5]
        # A number, and not a tuple: the garbage collector does not look at it.
        service = port << 32 | address if address.__class__ is int else _service(address, port)
        rhythm = caller.called.get(service)
        if rhythm is None:
            # Most services are called once: that is noted where the next one is noted over it.
            once, at = caller.once, (service ^ service >> 10) & ONCE
            if once[at] != service:
                once[at] = service
                network = service >> 16 if address.__class__ is int else network_of(address, port)
                if network not in caller.networks:
                    caller.usual.meet(network, flow[1])
                    self._changed = True
                return ()
            if len(caller.called) >= MOST_SERVICES:
                _forget(caller.called)
            caller.called[service] = flow[1]
            return ()
        return self._again(flow, device, caller, service, rhythm) if rhythm is not False else ()

    def tick(self, time: int) -> Findings:
        """Makes a note now and then; where the clock leapt, or netwatchd was off, nobody has learnt meanwhile."""
        learning = self._learning
        if leap := self._devices.tick(time):
            for caller in self._callers.values():
                caller.usual.shift(leap, time, learning)
        if self._changed:
            noted = self._devices.write_note(time, lambda caller: caller.usual.to_note(time, learning))
            self._changed = not noted
        return ()

    def set_back(self, time: int) -> None:
        """The clock was set back to `time`: rhythms begin anew, and what was learnt stays."""
        for caller in self._callers.values():
            caller.called.clear()

    @property
    def _learning(self) -> int:
        return int(self.settings.learning * 1000)

    def _again(self, flow: Flow, device: str, caller: "_Caller", service: Service, rhythm: Rhythm | int) -> Findings:
        """A service that is called again and again."""
        if not isinstance(rhythm, Rhythm):
            if abs(flow.start - rhythm) > SAME:
                caller.called[service] = self._begun(flow, caller, rhythm)
            return ()
        if not rhythm.add(flow.start, flow.bytes_out, flow.bytes_in) or rhythm.total < rhythm.due:
            return ()
        return self._judge(flow, device, caller, rhythm)

    def _begun(self, flow: Flow, caller: "_Caller", before: int) -> Rhythm | Literal[False]:
        """A service is called again and again: what is followed from now on, or False where it need not be."""
        address, port, time = flow.dst_ip, flow.dst_port, min(flow.start, before)
        home, usual, learning = self._home, caller.usual, self._learning
        if port in REGULAR_PORTS or address in home.networks or not is_host(address) or home.owner(address):
            return False
        # What is usual need not be looked at; but on a port of TLS it may turn out to be none.
        if port not in TLS_PORTS and not usual.learns(time, learning) and usual.knows(address, port, time, learning):
            return False
        return Rhythm(time, max(flow.start, before), flow.bytes_out, flow.bytes_in)

    def _judge(self, flow: Flow, device: str, caller: "_Caller", rhythm: Rhythm) -> Findings:
        """As many beats have come as make it worth a look."""
        measure = rhythm.measure()
        # It costs 20 microseconds: what is irregular is looked at ever more seldom.
        rhythm.due = rhythm.total + min(max(rhythm.total * 2 // 5, 2), SELDOM)
        if not measure.regular or measure.bytes_out > MOST_OUT or measure.bytes_in > MOST_IN:
            return ()
        if measure.alike > ALIKE:
            return ()
        if rhythm.told and rhythm.total < AGAIN * rhythm.told:
            return ()
        strange = _is_strange(flow, measure)
        severity = self._severity(flow, device, rhythm, measure, strange)
        if severity is None:
            rhythm.due = rhythm.total + max(rhythm.total // 8, 1)
            return ()
        if severity == USUAL:
            caller.called[_service(flow.dst_ip, flow.dst_port)] = False  # it need not be looked at any more
            return ()
        rhythm.told = rhythm.total
        return [self._threat(flow, device, rhythm, measure, severity, strange)]

    def _severity(self, flow: Flow, device: str, rhythm: Rhythm, measure: Measure, strange: bool) -> str | None:
        """How bad it is; USUAL where it is a habit, None where it is not told yet: the usual cases first."""
        listed = self._list(flow.dst_ip)
        # It speaks something else on a port of TLS.
        if strange:
            return "high" if listed else "medium"
        about = self._home.device(device)
        if not listed and self._is_usual(flow, device, about, rhythm, measure):
            return USUAL
        # It has not gone on for long enough.
        peoples = about is None or about.random_mac or about.kind in PEOPLES
        beats, span = (PEOPLES_BEATS, PEOPLES_SPAN) if peoples else (BEATS, SPAN)
        if not listed and (rhythm.total < beats or measure.last - rhythm.begun < span):
            return None
        if listed:
            return "high"
        # A recording has no time before it: whether it is new is not known.
        return "info" if not self._learning else "low" if peoples else "medium"

    def _list(self, address: Address) -> str | None:
        """The blocklist in which an address stands, if one of threats has it."""
        return next((each.list for each in self._home.listed(address) if each.purpose == "threat"), None)

    def _is_usual(self, flow: Flow, device: str, about: Device | None, rhythm: Rhythm, measure: Measure) -> bool:
        """Whether the device, or another one of its maker, is used to it."""
        learning, usual = self._learning, self._devices.about(device).usual
        habit = Habit(flow.dst_port, measure.period, measure.bytes_out)
        # Its first days are the baseline.
        if not (learning and usual.learns(measure.last, learning)):
            # It called that network before this began, or does the same towards another one.
            if usual.knows(flow.dst_ip, flow.dst_port, rhythm.begun, learning) or usual.has(habit):
                return True
            # What another device of its maker does is the maker's service.
            if not (about and about.vendor and self._is_makers(device, about, flow, habit)):
                return False
        usual.add(habit)
        self._changed = True
        return True

    def _is_makers(self, device: str, about: Device, flow: Flow, habit: Habit) -> bool:
        """Whether another device of the same maker has the same habit, or calls the same service."""
        for key, caller in self._callers.items():
            other = self._home.device(key) if key != device else None
            if other is None or other.vendor != about.vendor:
                continue
            met = caller.called.get(_service(flow.dst_ip, flow.dst_port))
            if caller.usual.has(habit) or (isinstance(met, Rhythm) and not met.told):
                return True
        return False

    def _threat(
        self, flow: Flow, device: str, rhythm: Rhythm, measure: Measure, severity: str, strange: bool
    ) -> Threat:
        peer = address_text(flow.dst_ip)
        target = f"[{peer}]:{flow.dst_port}" if ":" in peer else f"{peer}:{flow.dst_port}"
        every, called = _period_text(measure.period), self._names.called(flow.dst_ip, flow.dst_port)
        size = measure.bytes_out + measure.bytes_in
        what = f"{called_by_key(self._home, device)} calls {called} every {every}, {rhythm.total} times so far"
        listed = self._list(flow.dst_ip)
        return threat(
            "beacon", severity, rhythm.begun, measure.last, device=device, target=target,
            description=f"{what}, with {size} bytes each time"
            + (", which is too little to be the TLS that belongs on this port" if strange else "")
            + (f"; the address stands in {listed}" if listed else ""),
            recommendation=f"find out what on it does that, and whether {peer} belongs to its maker or to a program "
            f"you know (netwatchd device {device} shows whom else it talks to); if not, cut it off and set it up anew",
            evidence={
                "period": round(measure.period / 1000, 1), "beats": rhythm.total, "missed": measure.missed,
                "jitter": round(measure.jitter, 3), "regular": round(measure.share, 2), "bytes_out": measure.bytes_out,
                "bytes_in": measure.bytes_in, "no_tls": strange, "confidence": measure.confidence, "list": listed,
                "name": self._names.name(flow.dst_ip),
            },
        )  # fmt: skip


class _Caller:
    """A device that calls services elsewhere."""

    __slots__ = ("called", "networks", "once", "usual")

    def __init__(self, since: int | None) -> None:
        """`since` is when that is, as our own clock has it (Unix ms); None where it is not known."""
        self.once = [0] * (ONCE + 1)  # services that were called once
        # Those that were called again, at first only when that was; False: it need not be looked at.
        self.called: dict[Service, Rhythm | int] = {}
        self.usual = Usual()
        self.usual.since = since
        self.networks = self.usual.networks

    @classmethod
    def of_note(cls, note: list[object]) -> "_Caller":
        """What was kept of it: what it is used to. Raises ValueError or TypeError where that is damaged."""
        caller = cls(None)
        caller.usual.join(Usual.of_note(note))
        return caller

    def join(self, other: "_Caller") -> None:
        """Takes in what the same device is used to."""
        self.usual.join(other.usual)


def _service(address: Address, port: int) -> Service:
    if isinstance(address, int):
        return port << 32 | address
    return hash(address + port.to_bytes(2, "big"))


def _is_strange(flow: Flow, measure: Measure) -> bool:
    """Whether both sides say something on a port of TLS, and it is not TLS."""
    version = 4 if isinstance(flow.dst_ip, int) else 6
    return (
        flow.dst_port in TLS_PORTS
        and flow.protocol == TCP
        and measure.bytes_in - LEAST_HEADERS[version] * flow.packets_in < TLS_IN
        and measure.bytes_in - HEADERS[version] * flow.packets_in >= SAID
        and measure.bytes_out - HEADERS[version] * flow.packets_out >= SAID
    )


def _forget(called: dict[Service, Rhythm | int]) -> None:
    """Makes room: the rhythms with the most beats stay, and a few of the latest."""
    rhythms = [(each.total, service) for service, each in called.items() if isinstance(each, Rhythm)]
    keep = {service for _, service in sorted(rhythms, key=lambda each: -each[0])[:MOST_RHYTHMS]}
    keep.update(list(called)[-MOST_SERVICES // 4 :])
    for service in [service for service in called if service not in keep]:
        del called[service]


def _period_text(milliseconds: int) -> str:
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
