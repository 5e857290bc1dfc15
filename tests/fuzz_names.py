"""Files and servers that know names, for `fuzz`: leases, hosts and ethers, reverse DNS; as `fuzz_targets` does it."""

from random import Random

from fuzz_checks import check_event
from fuzz_targets import Target, in_short
from leases_kit import NOON
from test_hosts import ETHERS, HOSTS
from test_leases_decoder import DNSMASQ, ISC, ISC6, KEA4, KEA6
from test_reverse_dns import ASKED, CNAME, NAS, encoded, record, reply

from netwatchd.decoders import dns, hosts, reverse_dns
from netwatchd.decoders.leases import MOST_LEASES, LeaseFile, Malformed
from netwatchd.events import LONGEST_CLUE
from netwatchd.sources.lease_file import News
from netwatchd.sources.lease_news import Macs, sightings

_MOST_LINES = 200


def read_leases(data: bytes) -> str:
    """Whatever stands in a file, its leases can be told; cut into pieces, it says the same."""
    whole = _leases(data, [len(data)])
    chance = Random(len(data))
    other = _leases(data, sorted(chance.randrange(len(data) + 1) for _ in range(3)))
    if isinstance(whole, str) or isinstance(other, str):
        return whole if isinstance(whole, str) else "refused in pieces"
    assert len(whole.leases) <= MOST_LEASES
    if not any(reason.startswith("a record is longer") for reason in whole.bad | other.bad):
        assert whole.leases == other.leases
    macs = Macs()
    macs.learn(whole.leases.values())
    for old, is_first in ((None, True), (None, False), *((each, False) for each in whole.leases.values())):
        news = [News(old, new, is_first, NOON) for new in (*whole.leases.values(), None)]
        for sighting in sightings(news[:9], macs, set, "leases", NOON):
            check_event(sighting)
            assert all(clue.value.isprintable() and 0 < len(clue.value) <= LONGEST_CLUE for clue in sighting.clues)
    reasons = ",".join(sorted(map(in_short, map(ValueError, whole.bad))))
    return f"{whole.format} {min(len(whole.leases), 9)} {whole.is_whole} {reasons[:80]}"


def _leases(data: bytes, cuts: list[int]) -> LeaseFile | str:
    file, at = LeaseFile(), 0
    try:
        for cut in (*cuts, len(data)):
            file.read(data[at:cut])
            at = cut
    except Malformed as error:
        return in_short(error)
    return file


def read_hosts(data: bytes) -> str:
    """Each line is a name, nothing, or refused."""
    told = set()
    for line in data.split(b"\n")[:_MOST_LINES]:
        try:
            named = hosts.decode_line(line)
        except ValueError as error:
            told.add(in_short(error)[:20])
            continue
        if named is not None:
            assert named.name is None or (named.name.isprintable() and 0 < len(named.name) <= LONGEST_CLUE)
            told.add(f"{named.mac is None} {named.address is None} {named.name is None}")
    return ", ".join(sorted(told)[:4])


def read_pointer(data: bytes) -> str:
    """A datagram is the answer to a question, with names that can be shown, or none."""
    try:
        answer = reverse_dns.read_answer(data, NAS, 7)
    except dns.Malformed as error:
        return in_short(error)
    assert all(name.isprintable() and 0 < len(name) <= LONGEST_CLUE for name in answer.names)
    told = [reverse_dns.tells_something(name, NAS) for name in answer.names]
    return f"{answer.code} {told[:3]} {answer.ttl > 0}"


NAMES = [
    Target(
        "leases",
        [text.encode() for text in (DNSMASQ, ISC, ISC6, KEA4, KEA6)],
        read_leases,
        (b"\n", b"{", b"}", b";", b'"', b"\\", b"# ", b"lease ", b"ia-na ", b"epoch 1", b"never", b"duid ", b" * ",
         b"06-", b"T1", b"&#x2c", b",", b"address,", b",expire", b"0 ", b"999999999999", b":"),
    ),
    Target("hosts", [HOSTS.encode(), ETHERS.encode()], read_hosts, (b"\n", b"#", b"%", b"::", b".", b"ip6-", b" ")),
    Target(
        "pointers",
        [reply(ASKED, record(encoded("nas.lan"))),
         reply(ASKED, record(encoded("5.sub.arpa"), CNAME), record(encoded("nas"), owner=encoded("5.sub.arpa"))),
         reply(ASKED, code=3)],
        read_pointer,
        (b"\xc0\x0c", b"\0\x0c\0\x01", b"\0\x05\0\x01", b"\x3f", b"\0", b"in-addr"),
    ),
]  # fmt: skip
