"""What the fields of other programs' logs hold: times, addresses, ports, counters, protocols.

A value is a text (TSV, CSV) or what JSON made of it. Each function raises Malformed with a sentence about the field
that `name` names.
"""

import re
from functools import lru_cache
from math import isfinite
from typing import Any

from netwatchd.addresses import Address, parse_address
from netwatchd.decoders.json_lines import END_OF_TIME, MOST_NAME, Malformed
from netwatchd.events import PROTOCOL_NUMBERS

ICMP, ICMP6 = 1, 58
# IANA's "Reserved": for a transport that the log itself calls unknown.
UNKNOWN_PROTOCOL = 255

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?")
# Beyond this a number of seconds would lie in the year 5138: it counts milliseconds.
_MILLISECONDS = 10**11

# IANA's keywords by number ("-" where programs write the number), and what else programs write.
_KEYWORDS = """
hopopt icmp igmp ggp ipv4 st tcp cbt egp igp bbn-rcc-mon nvp-ii pup argus emcon xnet chaos udp mux dcn-meas hmp prm
xns-idp trunk-1 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4 netblt mfe-nsp merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++ il
ipv6 sdrp ipv6-route ipv6-frag idrp rsvp gre dsr bna esp ah i-nlsp swipe narp mobile tlsp skip ipv6-icmp ipv6-nonxt
ipv6-opts - cftp - sat-expak kryptolan rvd ippc - sat-mon visa ipcv cpnx cphb wsn pvp br-sat-mon sun-nd wb-mon wb-expak
iso-ip vmtp secure-vmtp vines ttp nsfnet-igp dgp tcf eigrp ospfigp sprite-rpc larp mtp ax.25 ipip micp scc-sp etherip
encap - gmtp ifmp pnni pim aris scps qnx a/n ipcomp snp compaq-peer ipx-in-ip vrrp pgm - l2tp ddx iatp stp srp uti smp
sm ptp isis fire crtp crudp sscopmce iplt sps pipe sctp fc rsvp-e2e-ignore - udplite mpls-in-ip manet shim6 wesp rohc
ethernet
""".split()  # noqa: SIM905  # 144 quotes would hide the words
_PROTOCOLS = (
    {name: number for number, name in enumerate(_KEYWORDS) if name != "-"}
    | {"ip": 0, "icmp6": 58, "ipv6icmp": 58, "icmp-v6": 58, "udpl": 136, "udp-lite": 136, "ospf": 89, "rte6": 43,
       "frag6": 44, "nonxt6": 59, "opts6": 60, "any": 255, "unknown": 255, "unknown_transport": 255}
    | PROTOCOL_NUMBERS
)  # fmt: skip

_address = lru_cache(maxsize=8192)(parse_address)  # the same few thousand addresses come again and again


def address(value: Any, name: str) -> Address:
    """An IP address."""
    if not isinstance(value, str):
        raise Malformed(f"{name} should be an address as text")
    try:
        return _address(value)
    except ValueError as error:
        raise Malformed(f"{name}: {error}") from None


def count(value: Any, name: str, most: int = 2**53 - 1) -> int:
    """A counter from 0 to `most`."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    elif type(value) is float and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # some writers have no integers
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(f"{name} should be a whole number from 0 to {most}")
    return value


def port(value: Any, name: str) -> int:
    """A port."""
    return count(value, name, 65535)


def protocol(value: Any, name: str) -> int:
    """IANA's number of a protocol, which is written as its number or as its keyword in any case."""
    if isinstance(value, str):
        known = _PROTOCOLS.get(value) or _PROTOCOLS.get(value.strip().lower())
        if known is not None:
            return known
        value = value.strip()
    return count(value, name, 255)


def micros(value: Any, name: str, zone: int = 0) -> int:
    """A point in time in microseconds of Unix time.

    It is written in seconds (or milliseconds, where seconds would lie beyond the year 5138), or as ISO 8601 writes
    it; where that has no zone of its own, `zone` is what the writer's clock was ahead of UTC, in seconds.
    """
    if isinstance(value, str) and (parts := _ISO.fullmatch(value)):
        found = _of_iso(parts, zone)
    else:
        seconds = _number(value, name)
        found = round(seconds * (1000 if abs(seconds) >= _MILLISECONDS else 1_000_000))
    if not 0 <= found < END_OF_TIME * 1000:
        raise Malformed(f"{name} should be a time between 1970 and the year 10000")
    return found


def interval(value: Any, name: str) -> int:
    """A length of time in microseconds, written in seconds; what is below zero is none."""
    seconds = _number(value, name)
    if seconds >= END_OF_TIME / 1000:
        raise Malformed(f"{name} should be a number of seconds")
    return max(round(seconds * 1_000_000), 0)


def name_of(value: Any) -> str | None:
    """A name that can be shown: without control characters, which would act on the terminal; None where it is none."""
    if not isinstance(value, str) or not value.strip("\0. ") or len(value) > MOST_NAME:
        return None
    value = value.strip("\0 ")
    return (
        value if value.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    )


def _number(value: Any, name: str) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if type(value) not in (int, float) or not isfinite(value) or abs(value) > 1e18:
        raise Malformed(f"{name} should be a time, in seconds or as ISO 8601 writes it")
    return float(value)


def _of_iso(parts: re.Match[str], zone: int) -> int:
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    # 60: a leap second.
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        raise Malformed(f"{parts[0]!r} is no time")
    fraction, written = parts[7] or "", parts[8]
    if written == "Z":
        zone = 0
    elif written:
        zone = (int(written[1:3]) * 3600 + int(written[-2:]) * 60) * (-1 if written[0] == "-" else 1)
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone
    return seconds * 1_000_000 + int(fraction.ljust(6, "0")[:6])


@lru_cache(maxsize=64)
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is their last."""
    year -= month <= 2
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468
