"""What is looked for in flows is found, all of it and nothing else, in bounded time."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC
from store_kit import DAY, NOON, device, flow, storing, threat

from netwatchd.addresses import address_text, parse_address
from netwatchd.answers import Misasked, NotFound
from netwatchd.answers.flows import Like, flows, part
from netwatchd.answers.terms import of_protocol, of_text
from netwatchd.answers.threats import threats
from netwatchd.storage import search
from netwatchd.storage.search import Bounds, Either, Search, Wanted

PHONE, TV6 = 0xC0A80106, parse_address("fd00::5")


def ids(directory: Path, **like: Any) -> list[int]:
    """The numbers of the flows that are like that, in their order."""
    return [row["id"] & 4095 for row in flows(directory, Like(**like), None).rows]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two devices with a few flows; all are of one millisecond, so that the numbers tell them apart."""
    with storing(tmp_path) as kept:
        kept.add_flows([
            flow(1),  # the laptop, tcp to 93.184.216.34 port 443
            flow(2, dst_ip=0x01010101, dst_port=53, protocol=17),
            flow(3, src_ip=TV6, dst_ip=parse_address("2001:db8::1"), device=OTHER_MAC, state="active"),
            flow(4, src_ip=PHONE, dst_ip=0xC0A80105, dst_port=8, src_port=0, protocol=1, device=OTHER_MAC),
            flow(5, src_ip=0x5DB8D822, src_port=443, dst_ip=PHONE, dst_port=50000, device=OTHER_MAC, state="new"),
            flow(6, dst_ip=0x0A010203, protocol=47, src_port=0, dst_port=0, device=None),
        ])  # fmt: skip
        kept.upsert_device(device())
        kept.upsert_device(device(OTHER_MAC, ips=(PHONE, TV6), hostname="tv.lan", name="Living room TV", vendor="Acme"))
        kept.upsert_threat(threat())
    return tmp_path


@pytest.mark.parametrize(
    ("like", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"device": MAC}, [2, 1]),
        ({"device": "living room tv"}, [5, 4, 3]),
        ({"peer": "93.184.216.34"}, [5, 1]),
        ({"peer": "93.184.0.0/16"}, [5, 1]),
        ({"peer": "0.0.0.0/0"}, [6, 5, 4, 2, 1]),
        ({"peer": "2001:db8::/32"}, [3]),
        ({"peer": "::/0"}, [3]),
        ({"peer": "2001:0db8:0::0001"}, [3]),
        ({"peer": "tv"}, [5, 4, 3]),
        ({"peer": "9.9.9.9"}, []),
        ({"port": "443"}, [5, 3, 1]),
        ({"port": "tcp/443"}, [5, 3, 1]),
        ({"port": "udp/443"}, []),
        ({"port": "8"}, []),
        ({"port": "icmp/8"}, [4]),
        ({"protocol": "UDP"}, [2]),
        ({"protocol": "47"}, [6]),
        ({"protocol": "icmp"}, [4]),
        ({"state": "active"}, [3]),
        ({"state": "active, new"}, [5, 3]),
        ({"state": "no such state"}, []),
        ({"text": "443"}, [5, 3, 1]),
        ({"text": "93.184.216.34"}, [5, 1]),
        ({"text": "93.18"}, [5, 1]),
        ({"text": "93.18."}, []),
        ({"text": "192.168.1"}, [6, 5, 4, 2, 1]),
        ({"text": "1.1.1.1"}, [2]),
        ({"text": "10.0.0.0/8"}, [6]),
        ({"text": "fd00:"}, [3]),
        ({"text": "2001:db8::"}, [3]),
        ({"text": "2001:d"}, [3]),
        ({"text": "TV"}, [5, 4, 3]),
        ({"text": "living ROOM"}, [5, 4, 3]),
        ({"text": "acme tcp"}, [5, 3]),
        ({"text": OTHER_MAC[-8:]}, [5, 4, 3]),
        ({"text": "udp"}, [2]),
        ({"text": "icmp"}, [4]),
        ({"text": "gre"}, [6]),
        ({"text": "udp/53"}, [2]),
        ({"text": "new"}, [5]),
        ({"text": "tv 443 active"}, [3]),
        ({"text": "nothing is called so"}, []),
        ({"text": "tv", "protocol": "icmp"}, [4]),
        ({"text": "   "}, [6, 5, 4, 3, 2, 1]),
        ({"before": (NOON << 12) + 3}, [2, 1]),
        ({"until": NOON - 1}, []),
        ({"until": NOON}, [6, 5, 4, 3, 2, 1]),
        ({"since": NOON + 1}, []),
        ({"since": 5, "until": 4}, []),
    ],
)  # fmt: skip
def test_what_is_looked_for_is_found_the_newest_first(home: Path, like: dict[str, Any], found: list[int]) -> None:
    assert ids(home, **like) == found


@pytest.mark.parametrize(
    ("like", "error"),
    [
        ({"device": "nobody"}, NotFound),
        ({"peer": "nobody"}, NotFound),
        ({"peer": "1.2.3.4/33"}, NotFound),
        ({"port": "https"}, Misasked),
        ({"port": "65536"}, Misasked),
        ({"port": "-1"}, Misasked),
        ({"port": "abc/443"}, Misasked),
        ({"protocol": "http"}, Misasked),
        ({"protocol": "256"}, Misasked),
        ({"text": "x" * 201}, Misasked),
        ({"text": "a b c d e f g h i"}, Misasked),
    ],
)
def test_what_cannot_be_meant_is_said(home: Path, like: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"\w+ \w+"):
        flows(home, Like(**like))


def test_beginnings_of_addresses_mean_what_their_text_begins_with(tmp_path: Path) -> None:
    drawn = random.Random(8)
    kept = [
        flow(n, NOON, src_ip=drawn.getrandbits(32), dst_ip=drawn.getrandbits(128).to_bytes(16)) for n in range(4000)
    ]
    with storing(tmp_path) as store:
        store.add_flows(kept)
    texts = [address_text(each.src_ip) for each in kept[:40]] + [address_text(each.dst_ip) for each in kept[:40]]
    for text in texts:
        signs = [at for at, sign in enumerate(text) if sign in ".:"]
        beginning = text[: drawn.randint(signs[0] + 1, signs[-1] + 1)]
        expected = [
            each.id & 4095
            for each in reversed(kept)
            if address_text(each.src_ip).startswith(beginning) or address_text(each.dst_ip).startswith(beginning)
        ]
        assert ids(tmp_path, text=beginning) == expected, beginning


def test_pages_by_before_have_everything_once(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flows([flow(n, NOON - day * DAY, protocol=6 if n % 3 else 17) for day in range(3) for n in range(40)])
    everything = [row["id"] for row in flows(tmp_path, Like(protocol="udp"), None).rows]
    found: list[int] = []
    before = None
    while True:
        page = part(tmp_path, Like(protocol="udp", before=before), 7, Bounds())
        found += [each.id for each in page]
        assert not page.stopped
        if page.before is None:
            break
        before = page.before
    assert len(found) == 42
    assert found == everything


def test_a_search_that_may_look_no_further_says_where_it_stopped_and_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PIECE", 100)
    with storing(tmp_path) as store:
        store.add_flows([flow(n, NOON - day * DAY, protocol=6 if n else 17) for day in range(2) for n in range(1000)])
    udp = Wanted(terms=(Either(protocols=frozenset((17,))),))
    found: list[int] = []
    before, searches = None, 0
    while True:
        some = Search(tmp_path, Wanted(before=before, terms=udp.terms), 10, Bounds(rows=300))
        found += [each.id for each in some]
        searches += 1
        if some.before is None:
            break
        assert some.stopped
        before = some.before
    assert found == [NOON << 12, NOON - DAY << 12]
    assert searches == 8  # of 300 rows each, the last of a day of fewer
    late, newest = (Search(tmp_path, wanted, 5, Bounds(end=time.monotonic())) for wanted in (udp, Wanted()))
    assert (list(late), late.stopped) == ([], True)
    assert (len(list(newest)), newest.stopped) == (5, False)  # these cost nothing


def test_a_name_of_more_addresses_than_a_statement_takes_is_found(tmp_path: Path) -> None:
    many = [
        device(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", ips=tuple(n << 8 | m for m in range(16))) for n in range(99)
    ]
    with storing(tmp_path) as store:
        store.add_flows([flow(1, dst_ip=98 << 8 | 15, device=None), flow(2, device=None, src_ip=0x99999999)])
        for each in many:
            store.upsert_device(each)
    assert ids(tmp_path, text="laptop") == [1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("scan", 1),
        ("LAPTOP", 1),
        ("port scan high", 1),
        ("it scanned", 1),
        ("192.168", 0),
        ("", 1),
        ("scan elephant", 0),
    ],
)
def test_threats_are_found_by_what_they_say_and_by_whom_they_are_about(home: Path, text: str, found: int) -> None:
    assert len(threats(home, text=text).rows) == found


@pytest.mark.parametrize(("severity", "found"), [("info", 1), ("high", 1), ("critical", 0)])
def test_threats_are_found_that_are_so_bad_or_worse(home: Path, severity: str, found: int) -> None:
    assert len(threats(home, severity=severity).rows) == found


def test_who_types_icmp_means_that_of_both_address_families() -> None:
    for word in ("icmp", "icmpv6"):
        assert of_text(word, ())[0].protocols == {1, 58}
    assert of_protocol("icmp").protocols == {1}
