"""Data in names is found, fast and slow, and so are names made up in masses; what only looks like it is not."""

import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, kinds, panel, told
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.dns_names import is_label_random, registered
from netwatchd.detectors.dns_tunnel import FEW, ZONES
from netwatchd.detectors.panel import Panel
from netwatchd.events import Threat
from netwatchd.observations import DnsMessage

A, NULL, TXT, AAAA, HTTPS = 1, 10, 16, 28, 65
LOTS = random.Random(7)
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
WORDS = """
    about account active album api app archive art assets auction audio auth author auto baby bank beauty best
    bike blog blue book business calendar camera canada car career cart center chat cinema city class client cloud
    club code coffee college computer contact cook corner country craft creative dance data daily design digital
    direct doctor download dream drive easy education energy english europe event family farm fashion film finance
    fitness flower food forum france free friend fun future gallery game garden gift global gold golf green group
    guide hair happy health help history holiday home hotel house ideas image india info internet island italy
    jobs journal kids kitchen lab language law library life light list live local london love magazine mail market
    marketing media medical member mobile money motor movie museum music nature network news night office online
    open orange paper park partner people phone photo picture planet player poker portal power press price product
    project property radio real recipe record red research review river rock school science search security server
    service shop simple site social software sound source space sport star start station stock store story stream
    street student studio style summer support system talk team tech test ticket time today tools top tour town
    toy trade travel tree video village vision voice water weather wedding west white wiki wine winter woman wood
    word work world write yellow young
""".split()  # noqa: SIM905  # so many quotes would hide the words


def data(length: int, alphabet: str = BASE32) -> str:
    return "".join(LOTS.choice(alphabet) for _ in range(length))


def asked(
    name: str, at: float = 0.0, kind: int = A, *, client: str = AT[LAPTOP], server: str = AT[ROUTER], size: int = 0
) -> DnsMessage:
    """A question, so many seconds after noon."""
    return DnsMessage(
        NOON + int(at * 1000), "capture", parse_address(client), parse_address(server), name, kind, False, 0,
        size or 18 + len(name),
    )  # fmt: skip


def answered(question: DnsMessage, code: int = 0, size: int = 0) -> DnsMessage:
    return question._replace(time=question.time + 20, answer=True, code=code, size=question.size + size)


def exchange(
    names: Iterable[str], every: float, kind: int = A, code: int = 0, size: int = 16, **ends: str
) -> Iterator[DnsMessage]:
    """Each name is asked for and answered, one each `every` seconds."""
    for number, name in enumerate(names):
        question = asked(name, number * every, kind, **ends)  # type: ignore[arg-type]
        yield question
        yield answered(question, code, size)


def lab() -> Iterator[str]:
    return (f"{data(56)}.{data(56)}.{number}.t.exfil.example" for number in range(200))


# What is found.


def found(messages: Iterable[DnsMessage], watching: Panel | None = None) -> list[Finding]:
    return (watching or panel()).observe(list(messages))


TUNNELS: dict[str, Callable[[], Iterable[DnsMessage]]] = {
    "as fast as it goes, by TXT": lambda: exchange(lab(), 0.02, TXT, size=200),
    "by addresses": lambda: exchange((f"{data(60)}.{data(60)}.x.exfil.example" for _ in range(200)), 0.1),
    "one way, and nothing exists": lambda: exchange(
        (f"{data(60)}.{data(60)}.exfil.example" for _ in range(200)), 0.1, code=3
    ),
    "without answers": lambda: (asked(f"{data(63)}.{data(63)}.exfil.example", n / 5, TXT) for n in range(100)),
    "raw bytes": lambda: exchange(
        (data(30, "\\").replace("\\", r"\200") + f"{n}.exfil.example" for n in range(200)), 0.1, NULL
    ),
    "short, often": lambda: exchange((f"{data(20)}.exfil.example" for _ in range(1000)), 1.0, TXT),
    "one in a minute": lambda: exchange((f"{data(60)}.{data(60)}.exfil.example" for _ in range(200)), 60.0),
    "one in ten minutes": lambda: exchange(
        (f"{data(63)}.{data(63)}.{data(40)}.exfil.example" for _ in range(140)), 600.0
    ),
    "hexadecimal": lambda: exchange((f"{data(62, '0123456789abcdef')}.exfil.example" for _ in range(300)), 1.0),
    "below a registry's domain": lambda: exchange((f"{data(60)}.exfil.co.uk" for _ in range(250)), 1.0),
    "with another name in it": lambda: exchange((f"{data(60)}.com.exfil.example" for _ in range(300)), 1.0),
}


@pytest.mark.parametrize("what", TUNNELS)
def test_a_tunnel_is_found(what: str) -> None:
    domain = "exfil.co.uk" if "registry" in what else "exfil.example"
    assert ("dns_tunnel", LAPTOP, domain) in told(found(TUNNELS[what]()))
    assert {each[2] for each in told(found(TUNNELS[what]()))} == {domain}


def test_a_tunnel_is_told_with_what_it_carried_and_once() -> None:
    threats = [each for each in found(exchange(lab(), 0.02, TXT, size=200)) if isinstance(each, Threat)]
    assert [(each.kind, each.severity) for each in threats] == [("dns_tunnel", "high")]
    (threat,) = threats
    assert threat.last_seen - threat.first_seen < 2_000
    assert threat.description.startswith("laptop (Apple, 192.168.1.20") or "laptop" in threat.description
    assert "below t.exfil.example" in threat.description
    assert threat.evidence["types"] == {"TXT": threat.evidence["queries"]}
    assert threat.evidence["longest_label"] == 56
    assert 4.0 < threat.evidence["bits_per_character"] < 5.0
    assert len(threat.evidence["examples"]) == 5
    assert threat.evidence["bytes_down"] == 200 * threat.evidence["answers"]


def test_of_hours_it_is_told_as_it_grows_and_not_a_thousand_times() -> None:
    names = (f"{data(60)}.{data(60)}.t.exfil.example" for _ in range(9_000))
    assert 2 < len(found(exchange(names, 0.5, TXT))) < 40


def test_a_slow_one_is_less_certain() -> None:
    threats = found(TUNNELS["one in ten minutes"]())
    assert {each.severity for each in threats if isinstance(each, Threat)} == {"medium"}


def test_it_is_found_in_a_log_that_tells_out_of_order() -> None:
    messages = list(exchange(lab(), 0.2, TXT))
    LOTS.shuffle(messages)
    assert "dns_tunnel" in kinds(found(messages))


def test_made_up_names_below_one_domain_are_told() -> None:
    lots = exchange((f"{data(10)}.victim.example" for _ in range(60)), 0.1, code=0)
    assert told(found(lots)) == [("dns_anomaly", LAPTOP, "victim.example")]
    counted = (asked(f"s{number}.victim.example", number / 10) for number in range(40))
    assert told(found(counted)) == [("dns_anomaly", LAPTOP, "victim.example")]
    missing = exchange((f"nx{number}.victim.example" for number in range(25)), 1.0, code=3)
    threats = found(missing)
    assert told(threats) == [("dns_anomaly", LAPTOP, "victim.example")]
    assert "none of them exists" in threats[0].description  # type: ignore[union-attr]
    listed = exchange((f"{word}.victim.example" for word in WORDS), 0.05, code=3)
    assert ("dns_anomaly", LAPTOP, "victim.example") in told(found(listed))


@pytest.mark.parametrize("every", [0.1, 10.0, 60.0])
def test_domains_drawn_by_lot_that_do_not_exist_are_told(every: float) -> None:
    domains = (f"{data(14, BASE32[:26])}.{LOTS.choice(('com', 'net', 'ru'))}" for _ in range(200))
    threats = found(exchange(domains, every, code=3))
    assert set(told(threats)) == {("dga", LAPTOP, None)}
    assert len(threats) < 6


# Who asks for whom.

WAN, UPSTREAM = "203.0.113.2", "198.51.100.53"


def through(names: Iterable[str], asker: str, first: float = 0.0) -> Iterator[DnsMessage]:
    """A device asks the router, and that its provider, under another address."""
    for number, name in enumerate(names):
        at = first + number * 0.05
        mine, its = asked(name, at, TXT, client=asker), asked(name, at + 0.002, TXT, client=WAN, server=UPSTREAM)
        yield from (mine, its, answered(its, size=90), answered(mine, size=90))


def home() -> Street:
    return Street(
        device(LAPTOP, AT[LAPTOP], hostname="laptop"), device(NAS, AT[NAS], hostname="nas", kind="nas"),
        device(ROUTER, AT[ROUTER], WAN, kind="router"),
    )  # fmt: skip


def test_the_device_is_named_and_not_the_resolver_that_asks_for_it() -> None:
    for street in (home(), Street()):
        assert set(told(found(through(lab(), AT[NAS]), panel(street)))) == {("dns_tunnel", NAS, "exfil.example")}


def test_nor_where_the_capture_of_the_outer_interface_is_told_first() -> None:
    messages = list(through(lab(), AT[NAS]))
    batches = [messages[at : at + 60] for at in range(0, len(messages), 60)]
    swapped = [each for batch in batches for each in sorted(batch, key=lambda one: one.client != parse_address(WAN))]
    assert set(told(found(swapped, panel(home())))) == {("dns_tunnel", NAS, "exfil.example")}


def test_where_only_the_resolver_is_seen_it_is_told_and_said() -> None:
    messages = [each for each in through(lab(), AT[NAS]) if each.client == parse_address(WAN)]
    threats = found(messages, panel(home()))
    assert set(told(threats)) == {("dns_tunnel", ROUTER, "exfil.example")}
    assert "it asks for others" in threats[0].description  # type: ignore[union-attr]


def test_two_devices_with_a_tunnel_each_are_two() -> None:
    both = [*exchange(lab(), 0.05, TXT), *exchange(lab(), 0.05, TXT, client=AT[NAS])]
    assert {each[1] for each in told(found(both))} == {LAPTOP, NAS}


# What only looks like it.


def hour(names: Iterable[str], **options: object) -> Iterator[DnsMessage]:
    names = list(names)
    return exchange(names, 3600 / len(names), **options)  # type: ignore[arg-type]


def address() -> str:
    return ".".join(str(LOTS.randrange(256)) for _ in range(4))


def nibbles() -> str:
    return ".".join(data(32, "0123456789abcdef"))


HONEST: dict[str, Callable[[], Iterable[DnsMessage]]] = {
    "a cloud's unreadable names": lambda: hour(f"d{data(13)}.cloudfront.net" for _ in range(2000)),
    "the same of a cloud that nobody knows": lambda: hour(f"d{data(13)}.delivery.example" for _ in range(200)),
    "video": lambda: hour(f"rr{n % 9}---sn-{data(8)}.googlevideo.com" for n in range(2000)),
    "blogs whose links are looked up": lambda: exchange((f"{word}blog.blogs.example" for word in WORDS[:90]), 0.02),
    "antivirus": lambda: hour(f"{data(30)}.{data(26)}.avqs.mcafee.com" for _ in range(3000)),
    "a mail server's blocklists": lambda: hour(
        (f"{address()}.bl.lists.example" for _ in range(5000)), kind=TXT, code=3
    ),
    "the same of IPv6": lambda: hour((f"{nibbles()}.bl.lists.example" for _ in range(2000)), code=3),
    "reverse DNS": lambda: hour((f"{address()}.in-addr.arpa" for _ in range(3000)), kind=12, code=3),
    "reverse DNS of IPv6": lambda: exchange((f"{nibbles()}.ip6.arpa" for _ in range(3000)), 0.01, 12, 3),
    "keys of mail": lambda: hour((f"s{n}._domainkey.{WORDS[n]}.example" for n in range(200)), kind=TXT),
    "certificates": lambda: hour((f"_acme-challenge.{word}.home.example" for word in WORDS), kind=TXT),
    "a domain's controllers": lambda: exchange(
        (f"_ldap._tcp.{w}._sites.dc._msdcs.corp.example" for w in WORDS), 0.05, 33, 3
    ),
    "a search domain": lambda: hour((f"www.{a}{b}.com.home.example" for a in WORDS[:60] for b in WORDS[:60]), code=3),
    "a search domain, at once": lambda: exchange((f"{word}.org.home.example" for word in WORDS), 0.01, code=3),
    "local names": lambda: exchange((f"{data(12)}.lan" for _ in range(500)), 0.02, code=3),
    "a browser's probes": lambda: exchange((data(12, BASE32[:26]) for _ in range(300)), 0.1, code=3),
    "its probes with a search domain": lambda: hour(
        (f"{data(12, BASE32[:26])}.corp.example" for _ in range(12)), code=3
    ),
    "one page again and again": lambda: exchange((f"{WORDS[n % 60]}.shop.example" for n in range(20_000)), 0.1, HTTPS),
    "sixty tabs": lambda: exchange(
        (f"{c}.{a}{b}.com" for a in WORDS[:30] for b in WORDS[30:60] for c in ("www", "cdn", "api")), 0.02
    ),
    "the uplink is down": lambda: exchange(
        (f"{WORDS[n % 200]}.{WORDS[n % 50]}site.com" for n in range(9000)), 0.05, code=2
    ),
    "a filter that says that nothing exists": lambda: hour(
        (f"ads.{a}{b}.com" for a in WORDS[:40] for b in WORDS[50:70]), code=3
    ),
    "dead trackers": lambda: exchange((f"tracker.{word}torrent.net" for word in WORDS), 0.05, code=3),
    "a farm of numbered servers": lambda: exchange((f"us{n}.vpn.example" for n in range(900)), 0.05),
    "measurements": lambda: hour(f"{data(40)}-s1-i.metrics.example" for _ in range(120)),
    "a mail's images": lambda: hour(f"{data(32)}.track.example" for _ in range(100)),
    "a device's name": lambda: hour(["192-168-1-5.0123456789abcdef0123456789abcdef.plex.direct"] * 500),
    "the same identity at many hosts": lambda: hour(
        f"{w}.0123456789abcdef0123456789abcdef0123456789.id.example" for w in WORDS
    ),
    "files by their hash": lambda: exchange((f"bafy{data(55)}.ipfs.dweb.link" for _ in range(300)), 0.05),
    "sensors that are asked all day": lambda: exchange((f"{data(8)}.dyn.example" for _ in range(600)), 140.0),
}


@pytest.mark.parametrize("what", HONEST)
def test_what_is_honest_is_not_told(what: str) -> None:
    assert told(found(HONEST[what]())) == []


def test_what_a_person_knows_is_not_told() -> None:
    known = panel(dns_tunnel=config.DnsTunnel(ignored=("exfil.example",)))
    assert not found(exchange(lab(), 0.02, TXT), known)
    assert not found(exchange(lab(), 0.02, TXT), panel(dns_tunnel=config.DnsTunnel(enabled=False)))
    much = panel(dns_tunnel=config.DnsTunnel(hourly=1 << 20))
    assert "dns_tunnel" not in kinds(found(exchange(lab(), 0.02), much))


# Names.


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.b.example.com", ("example.com", "a.b")), ("example.com", ("example.com", "")), ("com", None),
        ("a.example.co.uk", ("example.co.uk", "a")), ("co.uk", ("co.uk", "")), ("x.t.co", ("t.co", "x")), ("", None),
        ("tv.local", None), ("1.0.0.127.in-addr.arpa", None), ("nas.fritz.box", None),
        ("box.example.box", ("example.box", "box")),
    ],
)  # fmt: skip
def test_the_registered_domain_of_a_name(name: str, parts: tuple[str, str] | None) -> None:
    assert registered(name) == parts


def test_words_do_not_look_drawn_by_lot() -> None:
    assert sum(is_label_random(a + b) for a in WORDS[:80] for b in WORDS[80:160]) < 6
    assert sum(is_label_random(data(14, BASE32[:26])) for _ in range(500)) > 200


# Memory.


def test_a_flood_of_domains_neither_fills_the_memory_nor_hides_a_tunnel() -> None:
    watching = panel()
    tunnel = lab()
    names: list[str] = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(3 * FEW):
        flood = f"www{number % 3}.{data(12)}.com"
        names += found([asked(flood, number / 100)], watching)  # type: ignore[arg-type]
        if number % 40 == 0:
            names += found([asked(next(tunnel), number / 100, TXT)], watching)  # type: ignore[arg-type]
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert "exfil.example" in {each[2] for each in told(names)}  # type: ignore[arg-type]
    assert grown < 12 << 20


@pytest.mark.slow
def test_nor_does_one_that_has_many_names_for_each_domain() -> None:
    watching = panel()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for domain in range(2 * ZONES):
        found((asked(f"{data(50)}.{data(50)}.d{domain}.example", domain) for _ in range(30)), watching)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 16 << 20


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.text("ab.1-_\\", max_size=40) | st.sampled_from(["x.example.com", "nx1.example.com", "com"]),
            st.integers(0, 1 << 45), st.booleans(), st.integers(0, 15), st.integers(0, 65535), st.integers(0, 65535),
        ), max_size=60,
    )
)  # fmt: skip
def test_any_messages_are_borne(messages: list[tuple[str, int, bool, int, int, int]]) -> None:
    client, server = parse_address("192.0.2.1"), parse_address("2001:db8::1")
    found(
        DnsMessage(time, "eve", client, server, name, kind, answer, code, size)
        for name, time, answer, code, kind, size in messages
    )
