"""More connections or packets than anybody needs, to one target: floods of SYN, of UDP, of ICMP, of whole connections.

Two things are counted, by target alone, because whoever floods may make up any number of sources:

* **Flows that begin** to one target within a window, by what has become of them: unanswered, not known yet (connection
  tracking tells of a flow before its answer), answered. Nothing that a home does opens hundreds a second to one port.
* **Packets of one flow** that nobody answers, a second. A video call, a game, a download, a VPN are answered, if only
  now and then; so is a speed test. What is not answered, such as the picture of a camera, has a pace of its own.

Few sources are named as who does it. Many are a crowd, real or made up, and the target alone is told. What is kept is a
counter a target, with a sketch of its sources from some hundred on, so that a million packets take no more room than
a thousand, and are told once in ten seconds at most. A target that is flooded is touched all the time, so that others
cannot push it out of memory.
"""

from netwatchd.addresses import Address, address_text, is_host
from netwatchd.config import Flood as Settings
from netwatchd.detectors import Finding, Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.distinct import Distinct
from netwatchd.detectors.naming import called_at, called_by_key, key_at
from netwatchd.detectors.saying import amount, span
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.telling import threat
from netwatchd.events import Flow

KIND = "flood"
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
ECHO = {ICMP: 8, ICMPV6: 128}  # types of a ping, RFC 792 and RFC 4443
NAMES = {ICMP: "ICMP", TCP: "SYN", UDP: "UDP", ICMPV6: "ICMPv6"}
SAID = {"SYN": "connection attempts (SYN)", "ICMP": "pings (ICMP)", "ICMPv6": "pings (ICMPv6)", "UDP": "UDP packets"}

WINDOW = 10_000  # milliseconds in which flows are counted
# A target is counted by itself from so many flows on, a small part of a flood. Most targets are met a few times: those
# share counters of one byte each.
SHARED, COUNTERS = 32, 8192
# Flows that are counted so, after which all of these begin anew: by flows and not by time, as logs tell in any order.
MOST_SHARED = 65_536
# How many times the setting of `connections` (50 a second) there must be. Unanswered: a program that cannot connect
# tries some times a second, BitTorrent up to 30 times, but each time another target; scanners take port after port.
# Not known: those that browse, and build, open some dozens at once. Answered: a test of a web server makes thousands;
# if it is one of ours that tests another one, it is his business.
UNKNOWN, ANSWERED = 4, 6
# Datagrams are sent again sooner than connections are. While the line is down, all that a house asks its resolver for
# is unanswered, again and again (of 50 devices some 100 a second; of a browser that opens sixty tabs again 400 names,
# each asked for once a second).
DATAGRAMS, QUESTIONS, DNS = 2, 12, 53
UNKNOWN_DATAGRAMS = 10
# UDP to any port of one target: a scan of all 65,535 ports within a minute is no flood yet.
ANY_PORT = 40
MOST_TARGETS = 2048
NOTED = 100  # flows of a target within a window, from which on its sources are counted
FEW = 3  # sources that are still told by name
LOCAL_CROWD = 8  # clients here at once, which is no test any more
# Times either setting for UDP in the LAN: programs report to a collector there without being answered, hundreds of
# times a second, and sound, pictures and screens make some thousand packets a second. To the world, the largest stream
# that a home sends makes 1000 (10 Mbit/s).
IN_LAN = 10
# Packets of a flow, at least: less is over before anybody would notice. What is sent on while a line fails, is less.
LEAST_PACKETS = {UDP: 10_000, ICMP: 2_000, ICMPV6: 2_000}
AGAIN = 10_000  # milliseconds between two tellings while it goes on

# Packets and bytes of somebody who has not opened a connection, or says nothing in it: SYN and RST, or SYN and ACK.
OPENING, BARE = 2, 140
# What has become of a flow: nobody answered; it is not known; a SYN was answered, and nothing followed; any other
# answer.
SILENCE, UNKNOWN_YET, HALF, ANSWER = range(4)

Target = tuple[Address, int, int]  # address, protocol, port; 0: any


class _Count:
    """Flows to one target, in one window."""

    __slots__ = ("begun", "first", "flows", "last", "sketch", "sources", "told_at", "total")

    def __init__(self) -> None:
        self.begun = -1  # of the window
        self.first = self.last = 0  # of the flood
        self.flows = [0, 0, 0, 0]  # by their fate
        self.total = 0  # of the flood so far, with windows before this
        self.told_at = 0
        self.sources: set[Address] = set()  # a few
        self.sketch: Distinct | None = None

    def begin(self, start: int) -> None:
        """Another window."""
        # One that follows a window in which there was a flood goes on with it.
        if not 0 <= start - self.begun < 2 * WINDOW or not self.told_at:
            self.first, self.total, self.told_at = start, 0, 0
            self.sources.clear()
            self.sketch = None
        self.begun = self.last = start
        self.flows = [0, 0, 0, 0]


class Flood:
    """The detector `flood`."""

    wants = Wants.ATTEMPTS | Wants.KNOCKED | Wants.ICMP
    ports = None

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._shared = bytearray(COUNTERS)
        self._left = MOST_SHARED
        self._targets: Bounded[Target, _Count] = Bounded(MOST_TARGETS, _Count)
        self._told: Bounded[tuple[Address, Address, int], list[int]] = Bounded(MOST_TARGETS, lambda: [0])

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow of which little or nothing has come back, or of ICMP, each time that it is told."""
        protocol = flow[7]
        if flow[8] >= 2_000 and flow[8] >= LEAST_PACKETS.get(protocol, flow[8] + 1):
            return self._many_packets(flow)
        if not new or protocol not in NAMES or (protocol in ECHO and flow[4] != ECHO[protocol]):
            return ()
        return self._begins(flow, None if flow[10] < 2 or flow[8] < 2 else ANSWER, 1)

    def see_sample(self, flow: Flow, weight: int) -> Findings:
        """A flow in use that begins: they are nearly all that there is, so that a sample must do."""
        return self._begins(flow, ANSWER, weight) if flow.protocol in NAMES else ()

    def _begins(self, flow: Flow, fate: int | None, weight: int) -> Findings:
        """A flow has begun, or as many as `weight`; what became of it, None where that is to be looked at."""
        address, protocol, port = flow[5], flow[7], flow[6]
        number = hash((address, port))
        found = self._count(number, (address, protocol, port if protocol not in ECHO else 0), flow, fate, weight)
        if protocol == UDP:
            # To a port of its own each: only the target is the same.
            found = found or self._count(hash(address), (address, UDP, 0), flow, fate, weight)
        return found

    def _count(self, number: int, target: Target, flow: Flow, fate: int | None, weight: int) -> Findings:
        """One more flow to the target, or as many as `weight`; `number` is where the counter is that it shares."""
        # The usual case: it is met seldom.
        shared, at = self._shared, number & COUNTERS - 1
        met = shared[at]
        if met < SHARED:
            shared[at] = met + weight
            self._left -= 1
            if not self._left:
                self._shared, self._left = bytearray(COUNTERS), MOST_SHARED
            return ()
        if not is_host(target[0]):
            return ()
        count = self._targets.touch(target)
        start = flow.start
        # Logs tell late: what is older than the window counts in it, too.
        if count.begun < 0 or abs(start - count.begun) >= WINDOW:
            count.begin(start)
        count.flows[_fate(flow) if fate is None else fate] += weight
        count.total += weight
        return self._look(target, flow, count) if count.total >= NOTED else []

    def _look(self, target: Target, flow: Flow, count: _Count) -> list[Finding]:
        """There are many: who sends them, and are they too many?"""
        if count.sketch is None:
            count.sketch = Distinct()
        if flow.src_ip not in count.sources:
            count.sketch.add(flow.src_ip)
            if len(count.sources) <= FEW:
                count.sources.add(flow.src_ip)
        count.last = max(count.last, flow.start)
        if count.told_at and count.last - count.told_at < AGAIN:
            return []
        return self._tell(target, flow, count) if self._is_flood(target, flow, count) else []

    def _is_flood(self, target: Target, flow: Flow, count: _Count) -> bool:
        assert count.sketch is not None
        limit = self.settings.connections * WINDOW // 1000
        unanswered, unknown, half, answered = count.flows
        both_here = is_here(self._home, flow.src_ip) and is_here(self._home, flow.dst_ip)
        if target[1] != TCP:
            if target[1] == UDP:
                limit *= ANY_PORT if not target[2] else QUESTIONS if target[2] == DNS else DATAGRAMS
                limit *= IN_LAN if both_here else 1
            # Of what nobody has answered yet, most will be: names are asked for, and players look for each other.
            return unanswered + unknown // UNKNOWN_DATAGRAMS >= limit
        if unanswered >= limit or unknown + unanswered >= UNKNOWN * limit:
            return True
        crowd = len(count.sketch) >= LOCAL_CROWD
        if crowd and unanswered + half >= limit:
            return True
        return answered + half >= ANSWERED * limit and (not both_here or crowd)

    def _tell(self, target: Target, flow: Flow, count: _Count) -> list[Finding]:
        assert count.sketch is not None
        count.told_at = count.last
        sources, lasted = len(count.sketch), max(count.last - count.first, 1)
        _, protocol, port = target
        few = len(count.sources) <= FEW
        device = key_at(self._home, flow.src_ip) if few else None
        unanswered, unknown, half, answered = count.flows
        whole = protocol == TCP and answered > unanswered + unknown + half
        name = "connections" if whole else NAMES[protocol]
        who = called_by_key(self._home, device) if device is not None else f"about {sources} addresses"
        where = f", port {port}" if port else ""
        return [
            threat(
                KIND, "medium" if whole else "high", count.first, count.last, device=device,
                target=address_text(flow.dst_ip) + (f":{port}" if port else ""),
                description=f"a flood of {SAID.get(name, name)}: {who} began {count.total:,} of them to "
                f"{called_at(self._home, flow.dst_ip)}{where} in {span(lasted)}",
                recommendation=self._advice(flow, few),
                evidence={
                    "flood": name, "flows": count.total, "per_second": count.total * 1000 // max(lasted, 1000),
                    "in_window": {
                        "unanswered": unanswered, "unknown": unknown, "half_open": half, "answered": answered,
                    },
                    "sources": min(sources, count.total),
                    "examples": sorted(map(address_text, count.sources)),
                },
            )
        ]  # fmt: skip

    def _many_packets(self, flow: Flow) -> Findings:
        """One flow with very many packets."""
        protocol = flow.protocol
        lasted = max(flow.end - flow.start, 1)
        rate = flow.packets_out * 1000 // max(lasted, 1000)
        limit = self.settings.packets
        if protocol in ECHO:
            if flow.src_port != ECHO[protocol]:
                return ()
        elif protocol != UDP or flow.packets_in:
            return ()
        elif is_here(self._home, flow.src_ip) and is_here(self._home, flow.dst_ip):
            limit *= IN_LAN
        if rate < limit or not is_host(flow.dst_ip):
            return ()
        told = self._told.touch((flow.src_ip, flow.dst_ip, protocol))
        if told[0] and 0 <= flow.end - told[0] < AGAIN:
            return ()
        told[0] = flow.end
        who = key_at(self._home, flow.src_ip)
        answered = bool(flow.packets_in)
        return [
            threat(
                KIND, "low" if answered else "high", flow.start, flow.end,
                device=who, target=address_text(flow.dst_ip),
                description=f"a flood of {SAID[NAMES[protocol]]}: {called_by_key(self._home, who)} sent "
                f"{flow.packets_out:,} packets ({amount(flow.bytes_out)}) to {called_at(self._home, flow.dst_ip)} "
                f"in {span(lasted)}, "
                + (f"of which {flow.packets_in:,} were answered" if answered else "and none was answered"),
                recommendation=self._advice(flow, True),
                evidence={
                    "flood": NAMES[protocol], "packets": flow.packets_out, "per_second": rate,
                    "bytes": flow.bytes_out, "answered": flow.packets_in, "port": flow.dst_port,
                },
            )
        ]  # fmt: skip

    def _advice(self, flow: Flow, few: bool) -> str:
        if few and is_here(self._home, flow.src_ip):
            return "see what runs on it: malware that takes part in an attack, or a test"
        if is_here(self._home, flow.dst_ip):
            return (
                "let the firewall or the provider drop it; a port that need not be open to the world is better closed"
            )
        return "somebody here sends under addresses that are not his, or attacks together: look for who sends so much"


def _fate(flow: Flow) -> int:
    """What has become of a flow that has one packet at most in one direction.

    A host whose address was not made up breaks off what it has not opened, with a RST: SYN, SYN-ACK, RST. One whose
    address was made up is silent. But where only SYN and FIN are captured, every connection looks like that in its
    first seconds. A refusal is an answer.
    """
    if not flow.packets_in:
        return SILENCE if flow.packets_out else UNKNOWN_YET
    if flow.protocol != TCP or flow.state == "rejected" or flow.packets_out > OPENING or flow.bytes_out > BARE:
        return ANSWER
    return HALF if flow.packets_out < OPENING else SILENCE
