"""Questions of DNS and their answers as other programs log them: Zeek's dns.log, and the dns events of Suricata.

Neither says how long a message was. It is made up from what they tell: the header, the question, and of each record its
data and the 12 bytes before it. What they log of mDNS, LLMNR and NetBIOS, which is asked of everybody on the link, is
left out.

* **Zeek** (docs.zeek.org, `DNS::Info`) writes a line when a question was answered, or will not be any more: a query
  and, where there is an `rcode`, an answer.
* **Suricata** (docs.suricata.io, "Eve JSON Format") has three formats. Version 1 writes an answer's records one by one,
  version 2 the whole answer, with its records as a list or `grouped` by type, version 3 calls them `request` and
  `response` and has the questions in a list. The server is the side with port 53, as an event has its addresses either
  in the direction of the packet or in that of the flow.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from netwatchd.addresses import Address, parse_address
from netwatchd.decoders import log_values
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.questions import MOST_RECORDS, name_of
from netwatchd.observations import DnsMessage

# The fields of a line of Zeek, in the order in which `of_zeek` takes their values.
ZEEK_FIELDS = ("ts", "rtt", "id.orig_h", "id.resp_h", "id.resp_p", "trans_id", "query", "qtype", "rcode", "answers")
ZEEK_NEEDED = ("ts", "id.orig_h", "id.resp_h", "id.resp_p", "query")

_DNS = 53
_ON_LINK = frozenset((137, 5353, 5355))  # NetBIOS, mDNS, LLMNR
_HEAD = 18  # bytes of a message with one question, without the name's own
_LONGEST_TEXT = 1024  # characters of a name with 255 bytes, all of them escaped
_RECORD = 12  # bytes of a record before its data, where its owner is a pointer
_ADDRESS_KINDS = (1, 28)
_MOST_QUESTIONS = 8  # of one event; more than one is nobody's

# What IANA's registry "Domain Name System (DNS) Parameters" calls the types and codes that are met.
_KINDS = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "KEY": 25,
    "AAAA": 28, "SRV": 33, "NAPTR": 35, "DNAME": 39, "DS": 43, "SSHFP": 44, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48,
    "NSEC3": 50, "TLSA": 52, "CDS": 59, "OPENPGPKEY": 61, "SVCB": 64, "HTTPS": 65, "SPF": 99, "TKEY": 249, "TSIG": 250,
    "IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257,
}  # fmt: skip
_CODES = {
    "NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "YXDOMAIN": 6, "YXRRSET": 7,
    "NXRRSET": 8, "NOTAUTH": 9, "NOTZONE": 10,
}  # fmt: skip
_NUMBERED = re.compile(r"(?:TYPE|RCODE|UNKNOWN\(|)([0-9]{1,5})\)?").fullmatch
_QUERY, _ANSWER = ("query", "request"), ("answer", "response")

_PLAIN = re.compile(r"[!-\[\]-~]*").fullmatch
_ESCAPED = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-9]{3}))")


def of_zeek(values: tuple[Any, ...], source: str) -> list[DnsMessage]:
    """What a line of dns.log tells; raises Malformed."""
    ts, rtt, orig, resp, port, number, query, kind, code, answers = values
    if query is None or log_values.port(port, "id.resp_p") in _ON_LINK:
        return []
    client, server = log_values.address(orig, "id.orig_h"), log_values.address(resp, "id.resp_h")
    name = _name(query, "query")
    time = log_values.micros(ts, "ts")
    asked = DnsMessage(
        time // 1000, source, client, server, name, _count(kind, "qtype"), False, 0, _size(name),
        _count(number, "trans_id"),
    )  # fmt: skip
    if code is None:
        return [asked]
    later = 0 if rtt is None else log_values.interval(rtt, "rtt")
    told = answers.split(",") if isinstance(answers, str) else answers if isinstance(answers, list) else []
    return [asked, _answer(asked, (time + later) // 1000, _count(code, "rcode"), told)]


def of_eve(value: dict[str, Any], source: str) -> list[DnsMessage]:
    """What a dns event tells; raises Malformed."""
    told = value.get("dns")
    if not isinstance(told, dict):
        raise Malformed('a dns event should have an object "dns"')
    source_ip, other = (log_values.address(value.get(name), name) for name in ("src_ip", "dest_ip"))
    ports = [log_values.port(value.get(name) or 0, name) for name in ("src_port", "dest_port")]
    direction = told.get("type")
    if direction not in (*_QUERY, *_ANSWER) or not _ON_LINK.isdisjoint(ports) or told.get("opcode") not in (None, 0):
        return []
    client, server = (other, source_ip) if ports[0] == _DNS != ports[1] else (source_ip, other)
    time = log_values.micros(value.get("timestamp"), "timestamp") // 1000
    found = []
    for question in _questions(told):
        name = _name(question.get("rrname"), "rrname")
        kind = _number(question.get("rrtype"), _KINDS)
        asked = DnsMessage(
            time, source, client, server, name, kind, False, 0, _size(name), _count(told.get("id"), "id")
        )  # fmt: skip
        answered = direction in _ANSWER
        found.append(_answer(asked, time, _number(told.get("rcode"), _CODES), _data(told)) if answered else asked)
    return found


def _answer(asked: DnsMessage, time: int, code: int, told: Iterable[Any]) -> DnsMessage:
    """The answer to a question, with what is told of its records."""
    addresses: list[Address] = []
    size = asked.size
    for data in told:
        address = _address(data) if asked.kind in _ADDRESS_KINDS else None
        if address is None:
            size += _RECORD + (len(data) if isinstance(data, str) else 0)
        else:
            size += _RECORD + (4 if isinstance(address, int) else 16)
            addresses.append(address)
    return asked._replace(time=time, answer=True, code=code, size=size, addresses=tuple(addresses[:MOST_RECORDS]))


def _questions(told: dict[str, Any]) -> list[dict[str, Any]]:
    listed = told.get("queries")
    if not isinstance(listed, list):
        return [told] if "rrname" in told else []
    return [each for each in listed[:_MOST_QUESTIONS] if isinstance(each, dict)]


def _data(told: dict[str, Any]) -> Iterator[Any]:
    """The data of an answer's records, however the version has them."""
    if isinstance(answers := told.get("answers"), list):
        yield from (each.get("rdata") for each in answers if isinstance(each, dict))
    elif isinstance(grouped := told.get("grouped"), dict):
        yield from (data for each in grouped.values() if isinstance(each, list) for data in each)
    elif "rdata" in told:
        yield told["rdata"]


def _name(value: Any, field: str) -> str:
    r"""A name as in DnsMessage; the logs write odd bytes as \xhh, \ddd or as UTF-8."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise Malformed(f"{field} should be a name")
    text = value.rstrip(".")
    if _PLAIN(text):
        return text.lower()
    # What was an escaped byte has become a character with that number; others are beyond these.
    latin = max(text) < "\u0100"
    raw = _ESCAPED.sub(_byte, text.encode("latin-1") if latin else text.encode(errors="surrogatepass"))
    return name_of(raw.split(b"."))


def _byte(match: re.Match[bytes]) -> bytes:
    number = int(match[1], 16) if match[1] else int(match[2])
    return bytes((number,)) if number < 256 else match[0]


def _size(name: str) -> int:
    return _HEAD + len(name) - 3 * name.count("\\")


def _count(value: Any, field: str) -> int:
    return 0 if value is None else log_values.count(value, field, 65535)


def _number(value: Any, names: dict[str, int]) -> int:
    """A type or code by its name or number; what has neither is 0."""
    if isinstance(value, int):
        return value if 0 <= value <= 65535 else 0
    if not isinstance(value, str):
        return 0
    known = names.get(value.upper())
    if known is not None:
        return known
    match = _NUMBERED(value.upper())
    return min(int(match[1]), 65535) if match else 0


def _address(value: Any) -> Address | None:
    try:
        return parse_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
