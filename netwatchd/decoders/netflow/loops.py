"""Writes the loop that turns the rows of one template into canonical records.

A record is what Flow has between `id` and `source`, and flags behind it:

    (start, end, src_ip, src_port, dst_ip, dst_port, protocol,
     packets_out, bytes_out, packets_in, bytes_in, state, flags)

where `flags` are those of TCP, and above them `states.HAS_DIRECTION` and what goes with it.

A generic loop that looks at each field of each record costs five times as much as one that is written for its
template, and there are few shapes of templates: so the loop is put together here, as text, from the fixed words of
`elements`, and compiled once a shape. In the loop

* what is usual is done in place: `put(key, record)` keeps a half until its other half comes, and returns what is kept
  under the key; anything but the record itself is a `hit`: the other half, or an earlier part of the same;
* what is odd (ICMP, times or counters that cannot be) goes to `odd`, to be looked at one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from netwatchd.addresses import Address
from netwatchd.decoders.netflow import clock, states
from netwatchd.decoders.netflow.clock import Clock
from netwatchd.decoders.netflow.elements import BYTES

Record = tuple[int, int, Address, int, Address, int, int, int, int, int, int, str, int]
# rows, put, hit, odd, clock, scale
Loop = Callable[[Iterable[Any], Callable[..., Any], Callable[[Any], Any], Callable[[Any], Any], Clock, int], None]
# A word of `elements`; whether it comes as bytes that are an integer; whether it has more bytes than it should.
Column = tuple[str, bool, bool]

# More than that no flow carries, and a sum of some thousands still fits into SQLite's 63 bits.
MOST_COUNT = 1 << 48
MOST_SHAPES = 256  # loops that are kept; a network has some ten

_NAMES = {
    "BY_FLAGS": states.BY_FLAGS, "BY_REASON": states.BY_REASON, "BY_FIREWALL": states.BY_FIREWALL,
    "BY_NAT": states.BY_NAT, "ntp": clock.ntp, "wrapped": clock.wrapped, "since_boot": clock.since_boot,
    "int_of": int.from_bytes, "NONE": bytes(16),
}  # fmt: skip

# The ways to say a time, the best one first. What is moved with an untrusted clock has `shift`.
_START = {
    "start_ms": "start_ms + shift",
    "start_us": "ntp(start_us) + shift",
    "start_ns": "ntp(start_ns) + shift",
    "start_s": "start_s * 1000 + shift",
    "start_before": "export - start_before // 1000",
    "first": "first + base if first <= uptime else wrapped(first, base, uptime)",
}
_END = {
    "end_ms": "end_ms + shift",
    "end_us": "ntp(end_us) + shift",
    "end_ns": "ntp(end_ns) + shift",
    "end_s": "end_s * 1000 + shift",
    "end_before": "export - end_before // 1000",
    "last": "last + base if last <= uptime else wrapped(last, base, uptime)",
}
_EVENT = {
    "event_ms": "event_ms + shift",
    "event_us": "ntp(event_us) + shift",
    "event_ns": "ntp(event_ns) + shift",
    "event_s": "event_s * 1000 + shift",
}
# What a record has, and a template need not.
_DEFAULTS = ("sport", "dport", "protocol", "packets", "octets", "packets_in", "octets_in", "flags")

_LASTED = {"lasted_ms": "lasted_ms", "lasted_us": "lasted_us // 1000"}

_OCTETS = ("octets_initiator", "octets", "octets_total", "octets_post", "octets_layer2")
_PACKETS = ("packets_initiator", "packets", "packets_total", "packets_post")
_OCTETS_BACK = ("octets_back", "octets_total_back", "octets_responder")
_PACKETS_BACK = ("packets_back", "packets_total_back", "packets_responder")

# A frame's header and check sequence are no IP: 14 and 4 bytes (IEEE 802.3).
_FRAMING = 18


def describes_flows(words: Iterable[str]) -> bool:
    """Whether records with these fields say who spoke with whom."""
    known = set(words)
    return {"src4", "dst4"} <= known or {"src6", "dst6"} <= known


def is_whole(words: Iterable[str]) -> bool:
    """Whether a record with these fields is a whole flow, so that there is no other half to wait for."""
    known = set(words)
    # Firewalls that tell each direction for itself say beside its counters what became of the session.
    is_event = bool(known & {"firewall_event", "nat_event"}) and not known & {"octets", "packets"}
    return is_event or bool(known & {*_OCTETS_BACK, *_PACKETS_BACK})


@lru_cache(MOST_SHAPES)
def loop_for(columns: tuple[Column, ...], is_large: bool, scaled: bool, joins: bool) -> Loop:
    """The loop over rows of these columns (`describes_flows`).

    `is_large` says that counters may be larger than MOST_COUNT, `scaled` that they are multiplied by `scale`, `joins`
    that `put` takes a key, too.
    """
    space: dict[str, Any] = dict(_NAMES)
    text = _Writer(columns, is_large or scaled, scaled, joins).text()
    exec(compile(text, "<netflow template>", "exec"), space)  # noqa: S102 - fixed words only, see above
    loop: Loop = space["loop"]
    return loop


class _Writer:
    """Puts one loop together from the columns of its rows."""

    def __init__(self, columns: tuple[Column, ...], checked: bool, scaled: bool, joins: bool) -> None:
        self._words = [word for word, _, _ in columns]
        self._packed = [word for word, packed, _ in columns if packed]
        self._wide = [word for word, _, wide in columns if wide]
        self._checked = checked  # the counters are compared with MOST_COUNT
        self._scaled = scaled
        self._joins = joins

    def text(self) -> str:
        """The loop as Python."""
        body = [f"{word} = int_of({word}, 'big')" for word in self._packed]
        body += [f"{word} &= {(1 << 8 * BYTES[word]) - 1}" for word in self._wide]
        body += [*self._addresses(), *self._protocol(), *self._counters(), *self._times(), *self._turned()]
        state, needed = self._state()
        usual = f"protocol != 1 and protocol != 58 and low <= start <= end <= high{needed}"
        if "octets_post" in self._words and self._joins:
            usual += " and not octets_in"  # with it the record is a whole flow
        if self._checked:
            usual += " and packets <= most >= octets and packets_in <= most >= octets_in"
        record = "(start, end, src, sport, dst, dport, protocol, packets, octets, packets_in, octets_in, state, flags)"
        keep = [f"put({record})"]
        if self._joins:
            is_lower = "src < dst or src == dst and sport < dport"
            key = f"(src, sport, dst, dport, protocol) if {is_lower} else (dst, dport, src, sport, protocol)"
            keep = [
                f"key = {key}",
                f"record = {record}",
                "if put(key, record) is not record:",
                "    hit((key, record))",
            ]
        lines = [
            "def loop(rows, put, hit, odd, clock, scale):",
            "    now, export, uptime, base, shift, _ = clock",
            f"    low, high, most = now - {clock.LONGEST}, now + {clock.TOLERANCE}, {MOST_COUNT}",
            *(f"    {name} = 0" for name in _DEFAULTS),
            f"    for {', '.join(map(self._named, self._words))}, in rows:",
            *(f"        {line}" for line in [*self._anew(), *body, f"state = {state}"]),
            f"        if {usual}:",
            *(f"            {line}" for line in keep),
            "        else:",
            *(f"            {line}" for line in [*self._icmp(), f"odd({record})"]),
        ]
        return "\n".join(lines)

    def _anew(self) -> list[str]:
        """What no column sets begins anew for each row, where the last one may have changed it."""
        missing = [name for name in _DEFAULTS if name not in self._words]
        changed = (
            missing if "biflow_direction" in self._words else [n for n in missing if n in ("sport", "dport", "flags")]
        )
        return [f"{name} = 0" for name in changed]

    def _named(self, word: str) -> str:
        """The variable of a column: addresses need no choice where there is one family only."""
        if word in ("src4", "dst4", "src6", "dst6") and not self._has_both():
            usable = ("src4", "dst4") if "src4" in self._words and "dst4" in self._words else ("src6", "dst6")
            return word[:3] if word in usable else word
        return word

    def _has_both(self) -> bool:
        return {"src4", "dst4", "src6", "dst6"} <= set(self._words)

    def _first_of(self, words: Sequence[str]) -> str | None:
        return next((word for word in words if word in self._words), None)

    def _addresses(self) -> list[str]:
        lines = []
        if self._has_both():
            is_six = "ip_version == 6" if "ip_version" in self._words else "not src4 and not dst4 and dst6 != NONE"
            lines.append(f"src, dst = (src6, dst6) if {is_six} else (src4, dst4)")
        is_four = " and type(dst) is int" if self._has_both() else ""
        is_six = " and type(dst) is bytes" if self._has_both() else ""
        if "nat_dst4" in self._words and {"src4", "dst4"} <= set(self._words):
            lines.append(f"if nat_dst4{is_four}: dst = nat_dst4")
        if "nat_dst6" in self._words and {"src6", "dst6"} <= set(self._words):
            lines.append(f"if nat_dst6 != NONE{is_six}: dst = nat_dst6")
        if "nat_dport" in self._words:
            lines.append("if nat_dport and protocol != 1: dport = nat_dport")
        return lines

    def _counters(self) -> list[str]:
        lines = []
        for name, words in (
            ("packets", _PACKETS),
            ("octets", _OCTETS),
            ("packets_in", _PACKETS_BACK),
            ("octets_in", _OCTETS_BACK),
        ):
            word = self._first_of(words)
            if word is None:
                continue
            value = f"max(octets_layer2 - {_FRAMING} * packets, 0)" if word == "octets_layer2" else word
            if value != name:
                lines.append(f"{name} = {value}")
        if "octets_post" in self._words and "octets" in self._words:
            lines += self._post()
        if "flags_back" in self._words:
            lines.append("flags |= flags_back")
        if "direction" in self._words and self._joins:
            flags = "flags" if "flags" in self._words else "0"
            lines.append(f"flags = {flags} | {states.HAS_DIRECTION} | (direction & 1) * {states.EGRESS}")
        if self._scaled:
            lines += [f"{name} *= scale" for name in ("packets", "octets", "packets_in", "octets_in")]
        return lines

    def _post(self) -> list[str]:
        """What to make of counters of what left (post...) beside those of what came.

        IANA means the same packets behind a middlebox; where traffic is counted as it leaves, the first ones are 0.
        Firewalls and probes that export whole sessions write the way back there.
        """
        post = "packets_post" if "packets_post" in self._words else "0"
        return [
            "packets_in = octets_in = 0",
            "if not octets:",
            f"    packets, octets = {post}, octets_post",
            f"elif octets_post != octets or {post} != packets:",
            f"    packets_in, octets_in = {post}, octets_post",
        ]

    def _times(self) -> list[str]:
        def said(ways: dict[str, str]) -> str | None:
            word = self._first_of(tuple(ways))
            if word in ("first", "last") and "boot" in self._words:
                return f"since_boot(boot + shift, {word}, export)"
            return ways[word] if word else None

        start, end, event, lasted = said(_START), said(_END), said(_EVENT), said(_LASTED)
        if end is None and start is not None and event is None and lasted is not None:
            return [f"start = {start}", f"end = start + {lasted}"]
        lines = [f"end = {end or event or 'export'}"]
        if start is None and lasted is not None:
            start = f"end - {lasted}"
        return [*lines, f"start = {start or event or 'end'}"]

    def _turned(self) -> list[str]:
        """RFC 5103: a biflow's source opened it, unless it says otherwise (biflowDirection 2: reverseInitiator)."""
        if "biflow_direction" not in self._words:
            return []
        return [
            "if biflow_direction == 2:",
            "    src, sport, dst, dport = dst, dport, src, sport",
            "    packets, octets, packets_in, octets_in = packets_in, octets_in, packets, octets",
        ]

    def _state(self) -> tuple[str, str]:
        """The state, and what else must hold so that the record tells of a flow."""
        if "firewall_event" in self._words:
            return "BY_FIREWALL[firewall_event & 255]", " and state"
        if "nat_event" in self._words:
            return "BY_NAT[nat_event & 255]", " and state"
        by_flags = "BY_FLAGS[flags & 255]" if {"flags", "flags_back"} & set(self._words) else repr(states.ENDED)
        return f"BY_REASON[end_reason & 255] or {by_flags}" if "end_reason" in self._words else by_flags, ""

    def _icmp(self) -> list[str]:
        """Type and code in place of ports: from fields of their own, else type * 256 + code as the port behind."""
        lines = []
        for protocol, family in ((1, "4"), (58, "6")):
            lines.append(f"if protocol == {protocol}:")
            if f"icmp_type{family}" in self._words:
                code = f"icmp_code{family}" if f"icmp_code{family}" in self._words else "0"
                lines.append(f"    sport, dport = icmp_type{family} & 255, {code} & 255")
            else:
                both = f"icmp{family} or dport" if f"icmp{family}" in self._words else "dport"
                lines += [f"    both = {both}", "    sport, dport = both >> 8 & 255, both & 255"]
        return lines

    def _protocol(self) -> list[str]:
        """Templates that are for ICMP only need not say so."""
        if "protocol" in self._words:
            return []
        four = "1" if {"icmp4", "icmp_type4"} & set(self._words) else "0"
        six = "58" if {"icmp6", "icmp_type6"} & set(self._words) else "0"
        return [f"protocol = {four} if type(src) is int else {six}"] if four != six else []
