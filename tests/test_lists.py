"""Tables of lists find what was put in and nothing else; allow-lists win, and each match says which list and why."""

import random
from array import array
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lists_kit import Keeper, section

from netwatchd.addresses import Address, Networks, address_of_bytes, address_text, parse_address
from netwatchd.blocklists import building, here
from netwatchd.blocklists.allowed import Allowance
from netwatchd.blocklists.building import Builder
from netwatchd.blocklists.kept import Record
from netwatchd.blocklists.lists import MOST_KNOWN, Lists, Open, View
from netwatchd.blocklists.shared import NAMES, networks_with_reasons
from netwatchd.blocklists.table import Table, Unusable, hash_of, suffixes
from netwatchd.config.blocklists import Source
from netwatchd.decoders.lists.entry import ALONE, BELOW, SHORTEST_V4, SHORTEST_V6, Entry, entry_text, masked

KEY = b"k" * 16
DATA = Path(__file__).parent.parent.parent / "shared/data"
MISP = DATA / "MISP+misp-warninglists/lists"


def table(path: Path, entries: list[Entry]) -> Table:
    builder = Builder(KEY)
    builder.take(entries)
    builder.write(path)
    return Table(path)


def view(path: Path, *lists: list[Entry]) -> View:
    found = []
    for number, entries in enumerate(lists):
        source = Source(f"l{number}", "/dev/null")
        found.append(Open(source, Record(source.name), table(path / f"{number}.table", entries)))
    return View(found, Allowance(), KEY)


def found(entry: Entry | None) -> str | None:
    return entry and entry_text(entry)


V4_NETWORKS = st.builds(
    lambda address, length: Entry(masked(address, length), length),
    st.integers(0, 2**32 - 1), st.integers(SHORTEST_V4, 32),
)  # fmt: skip
V6_NETWORKS = st.builds(
    lambda packed, length: Entry(masked(packed, length), length),
    st.binary(min_size=16, max_size=16), st.integers(SHORTEST_V6, 128),
)  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_an_address_is_found_in_the_narrowest_network_that_has_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    entries = data.draw(st.lists(V4_NETWORKS | V6_NETWORKS, max_size=40))
    seen = view(tmp_path_factory.mktemp("t"), entries)
    networks = [ip_network(entry_text(each)) for each in entries]
    inside: list[Address] = [each.value for each in entries if not isinstance(each.value, str)]
    nearby = [each ^ 1 if isinstance(each, int) else bytes([*each[:-1], each[-1] ^ 1]) for each in inside]
    others: list[Address] = data.draw(st.lists(st.integers(0, 2**32 - 1) | st.binary(min_size=16, max_size=16)))
    for address in (*inside, *nearby, *others):
        told = ip_address(address_text(address)) if isinstance(address, int) else ip_address(address)
        holding = [each for each in networks if each.version == told.version and told in each]
        answer = seen.address(address)
        assert bool(answer) == bool(holding)
        if holding:
            narrowest = max(holding, key=lambda network: network.prefixlen)
            assert ip_network(entry_text(answer[0][1])) == narrowest


@given(st.lists(st.sampled_from(["a.example", "b.a.example", "example.org", "c.example.org"]), max_size=4),
       st.lists(st.sampled_from(["a.example", "u.example"]), max_size=2),
       st.sampled_from(["a.example", "x.a.example", "b.a.example", "xa.example", "example.org", "org", "u.example",
                        "x.u.example", "deep.er.b.a.example", ""]))  # fmt: skip
def test_a_name_is_found_with_all_below_it_or_alone(
    tmp_path_factory: pytest.TempPathFactory, below: list[str], alone: list[str], name: str
) -> None:
    entries = [Entry(each, BELOW) for each in below] + [Entry(each, ALONE) for each in alone]
    seen = view(tmp_path_factory.mktemp("t"), entries).name(name)
    covering = [each for each in below if name == each or name.endswith(f".{each}")]
    assert bool(seen) == bool(covering or name in alone)
    if seen:
        assert seen[0][1].value == (name if name in alone else max(covering, key=len))


def test_a_large_list_is_sorted_in_parts_and_has_its_bitmap_in_the_file(tmp_path: Path) -> None:
    numbers = random.Random(5)
    # Most in one /8, so that its bucket must be dealt out again.
    addresses = {0x0B000000 + numbers.randrange(1 << 24) for _ in range(building.MANY + 30_000)}
    addresses |= {numbers.randrange(1 << 32) for _ in range(1000)}
    entries = [Entry(each, 32) for each in addresses] * 2 + [Entry(0xC0000200, 24), Entry(0x50000000, 9)]
    seen = view(tmp_path, entries, [Entry(0xC6336407, 32)])
    made = seen.lists[0].table
    assert made.bitmap is not None
    assert made.counts == {"ipv4": len(addresses) + 2, "ipv6": 0, "names": 0}
    (whole,) = (networks for length, networks in made.networks4() if length == 32)
    assert array("I", whole) == array("I", sorted(addresses))
    for address in (*list(addresses)[:3000], 0xC0000255, 0x507FFFFF, 0xC6336407):
        assert seen.address(address)
    for address in (0x50800000, 0x4FFFFFFF, 0xC0000300, 0xC6336408):
        assert bool(seen.address(address)) == (address in addresses)


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"netwatchd list 1" + bytes(8), b"netwatchd list 1" + bytes(7) + b"\2{}"]
)
def test_a_file_that_is_no_table_is_not_used(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(damage)
    with pytest.raises(Unusable):
        Table(path)


def test_a_table_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    table(tmp_path / "t", [Entry(number, 32) for number in range(1000)])
    whole = (tmp_path / "t").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-8])
    with pytest.raises(Unusable):
        Table(tmp_path / "cut")


@pytest.mark.parametrize("damage", [(b"sections", b"sectixns"), (b"8192", b"9999"), (b"32,", b"99,"), (b'"4"', b'"5"')])
def test_a_table_whose_sections_are_damaged_is_not_used(tmp_path: Path, damage: tuple[bytes, bytes]) -> None:
    table(tmp_path / "t", [Entry(7, 32)])
    (tmp_path / "bad").write_bytes((tmp_path / "t").read_bytes().replace(*damage))
    with pytest.raises(Unusable):
        Table(tmp_path / "bad")


def test_names_are_hashed_with_a_key() -> None:
    assert hash_of("evil.example", KEY) != hash_of("evil.example", b"j" * 16)
    assert list(suffixes("a.b.example")) == ["a.b.example", "b.example"]


def test_answers_are_remembered_but_not_without_bound(tmp_path: Path) -> None:
    lists = Lists()
    lists.use(view(tmp_path, [Entry(0xC6336407, 32)]))
    for address in range(MOST_KNOWN + 100):
        lists.listed(address)
    assert len(lists._known) <= MOST_KNOWN
    assert lists.listed(0xC6336407)[0].entry == "198.51.100.7"
    lists.use(View((), Allowance(), KEY))
    assert lists.listed(0xC6336407) == ()


# What is allowed.


def keeper(tmp_path: Path, text: str, allow: str = "", **more: str) -> Keeper:
    (tmp_path / "list.txt").write_text(text)
    return Keeper(tmp_path, section(f"bad={tmp_path}/list.txt", allow=allow, **more))


def explained(kept: Keeper, what: str) -> str | None:
    """Why it is allowed."""
    asked: Address | str
    try:
        asked = parse_address(what)
    except ValueError:
        asked = what
    told = kept.lists.explain(asked)
    assert told, f"{what} is in no list"
    listed = kept.lists.listed(asked) if not isinstance(asked, str) else kept.lists.listed_name(asked)
    assert bool(listed) == (told[0][1] is None)
    return told[0][1]


def test_what_nobody_can_be_told_of_is_allowed_whatever_a_list_says(tmp_path: Path) -> None:
    kept = keeper(tmp_path, "0.0.0.0/8\n10.0.0.0/8\n127.0.0.0/8\n192.168.0.0/16\n169.254.0.0/16\n100.64.0.0/10\n"
                            "239.0.0.0/8\nfe80::/16\nfd00::/16\nff02::/16\n198.51.100.0/24\n")  # fmt: skip
    for address in ("0.0.0.1", "10.1.2.3", "127.0.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "239.255.255.250",
                    "fe80::1", "fd00::1", "ff02::fb"):  # fmt: skip
        assert explained(kept, address), address
    assert explained(kept, "198.51.100.7") is None


def test_resolvers_and_addresses_that_customers_share_are_allowed(tmp_path: Path) -> None:
    kept = keeper(tmp_path, "8.8.8.8\n1.1.1.1\n9.9.9.9\n104.16.1.1\n2606:4700::1111\n151.101.1.1\n13.224.0.5\n"
                            "185.199.108.153\n52.95.1.1\ngithub.com\nevil.github.io\nhttp://x.example/\n")  # fmt: skip
    assert explained(kept, "8.8.8.8") == "Google Public DNS"
    assert explained(kept, "1.1.1.1") == "the resolver of Cloudflare"
    for address in ("9.9.9.9", "104.16.1.1", "2606:4700::1111", "151.101.1.1", "13.224.0.5", "185.199.108.153"):
        assert explained(kept, address), address
    assert explained(kept, "52.95.1.1") is None  # a machine that somebody rents is his alone
    assert explained(kept, "github.com") == explained(kept, "api.github.com") == "github.com is shared by many"
    assert explained(kept, "evil.github.io") is None


def test_own_networks_and_what_the_user_allows_are_allowed(tmp_path: Path) -> None:
    listed = "198.51.100.7\n203.0.113.9\n2001:db8::5\nevil.example\nbad.good.example\n192.0.2.1\n192.0.2.254\n"
    file = tmp_path / "allowed.txt"
    file.write_text("192.0.2.0/24\nevil.example\n")
    kept = keeper(tmp_path, listed, f"203.0.113.0/24 2001:db8::/32 good.example {file}")
    assert explained(kept, "203.0.113.9") == "allow of [blocklists]"
    assert explained(kept, "2001:db8::5") == "allow of [blocklists]"
    assert explained(kept, "bad.good.example") == "good.example in allow of [blocklists]"
    assert explained(kept, "192.0.2.1") == f"192.0.2.0/24 of {file}"
    assert explained(kept, "www.evil.example") == f"evil.example of {file}"
    assert explained(kept, "198.51.100.7") is None
    assert explained(kept, "192.0.2.254") == "a gateway of this machine"
    file.write_text("198.51.100.7\n")
    kept.updates.look()
    assert explained(kept, "198.51.100.7") == f"198.51.100.7 of {file}"
    assert explained(kept, "192.0.2.1") is None
    own = Keeper(tmp_path, kept.updates.settings, Networks(("198.51.100.0/24",)))
    assert own.lists.explain(0xC6336407)[0][1] == "networks of [devices]"


@pytest.mark.skipif(not MISP.is_dir(), reason="the folder ../shared/data is not here")
def test_warning_lists_of_misp_can_be_allowed(tmp_path: Path) -> None:
    resolvers = MISP / "public-dns-v4/list.json"
    kept = keeper(tmp_path, "99.99.99.193\n10.9.9.9\n198.51.100.7\n", f"{resolvers} {MISP}/rfc1918/list.json")
    assert explained(kept, "99.99.99.193") == f"99.99.99.193 of {resolvers}"
    assert explained(kept, "198.51.100.7") is None


def test_an_address_of_ipv4_within_ipv6_is_allowed_as_such() -> None:
    mapped = address_of_bytes(bytes.fromhex("00000000000000000000ffff08080808"))
    assert Allowance().address(mapped) == "Google Public DNS"


def test_the_built_in_tables_are_well_formed() -> None:
    networks = [network for networks, _ in networks_with_reasons() for network in str(networks).split()]
    assert len(networks) == len(set(networks))
    for each in networks:
        assert ip_network(each)  # raises where bits are set below the prefix
    assert all(name == name.lower() and "." in name for name in NAMES)


def test_this_machine_and_what_it_cannot_do_without_are_read_from_the_kernel() -> None:
    def texts(found: object) -> list[str]:
        return [address_text(each) for each in found]  # type: ignore[attr-defined]

    told = "nameserver 192.0.2.53\n# nameserver 1.1.1.1\nnameserver fe80::1%eth0\nnameserver x\n"
    assert texts(here.resolvers(told)) == ["192.0.2.53", "fe80::1"]
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n"
        "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n"
    )
    assert texts(here.gateways(routes)) == ["192.168.0.1"]
    routes6 = (
        f"{'0' * 32} 00 {'0' * 32} 00 fe80000000000000000000000000000a 00000400 00000001 00000000 00000003 eth0\n"
        f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200 lo\n"
    )
    assert texts(here.gateways6(routes6)) == ["fe80::a"]
    trie = "Local:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 203.0.113.0\n     /24 link UNICAST\n  |-- 203.0.113.5\n"
    trie += "     /32 host LOCAL\n"
    assert texts(here.own_addresses(trie)) == ["127.0.0.1", "203.0.113.5"]
    assert texts(here.own_addresses6("20010db8000000000000000000000005 02 40 00 80 eth0\n")) == ["2001:db8::5"]
    assert here.here()[parse_address("127.0.0.1")] == "an address of this machine"


def test_what_is_listed_is_counted_by_list_and_what_is_allowed_besides(tmp_path: Path) -> None:
    kept = keeper(tmp_path, "198.51.100.7\n8.8.8.8\nads.example\n", trackers="bad")
    for _ in range(3):
        kept.lists.listed(parse_address("198.51.100.7"))
        kept.lists.listed(parse_address("8.8.8.8"))
    assert kept.lists.listed_name("x.ads.example")[0].purpose == "tracker"
    assert (kept.counters["listed.bad"], kept.counters["listed.allowed"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "what", "note"),
    [
        ("198.51.100.70 ; other\n198.51.100.7 ; SBL1\n", "198.51.100.7", "SBL1"),
        ("198.51.100.0/24 ; SBL2\n", "198.51.100.9", "SBL2"),
        ("xevil.example # no\nevil.example # Dridex\n", "a.evil.example", "Dridex"),
        ('"first_seen_utc","dst_ip","malware"\n"2021","198.51.100.7","Emotet"\n"2021","198.51.100.8","Dridex"\n',
         "198.51.100.8", "Dridex"),
        ('{"cidr":"1.10.16.0/20","sblid":"SBL256894"}\n', "1.10.16.1", "SBL256894"),
        ("2001:db8:0:0::5 # written in another way\n", "2001:db8::5", ""),
        ("198.51.100.7\n", "198.51.100.7", ""),
    ],
)  # fmt: skip
def test_a_match_has_the_note_of_the_list(tmp_path: Path, text: str, what: str, note: str) -> None:
    kept = keeper(tmp_path, text)
    lists = kept.lists
    (listing,) = lists.listed(parse_address(what)) if what[0] in "12" else lists.listed_name(what)
    assert listing.note == note
