"""What kind of device it is: real examples of every kind, evidence that conflicts, and whatever liars say."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.decoders.txt import clues_of_txt
from netwatchd.events import CLUES, Clue
from netwatchd.identity.kinds import FAMILIES, KINDS, MOST_CLUES, MOST_REASONS, describe
from netwatchd.identity.tables import dhcp, words
from netwatchd.identity.tables.lesser import CLOUDS, PORTS, ROLES
from netwatchd.identity.tables.makers import BEGINNINGS
from netwatchd.identity.tables.services import ACCESSORIES, SERVICES
from netwatchd.identity.tables.upnp import SERVERS, TYPES
from netwatchd.identity.vendors import registry

EXAMPLES = Path(__file__).parent / "kinds.txt"


def cases() -> list[tuple[str, str | None, list[Clue]]]:
    """The examples: a line each, `kind | MAC or - | clue=value | ...`."""
    found = []
    for line in EXAMPLES.read_text().splitlines():
        if line and not line.startswith("#"):
            kind, mac, *clues = (cell.strip() for cell in line.split(" | "))
            pairs = [clue.partition("=") for clue in clues]
            found.append((kind, None if mac == "-" else mac, [Clue(name, value) for name, _, value in pairs]))
    return found


CASES = cases()


@pytest.mark.parametrize(("kind", "mac", "clues"), CASES, ids=lambda value: str(value)[:60])
def test_real_devices_are_of_their_kind(kind: str, mac: str | None, clues: list[Clue]) -> None:
    assert {name for name, _ in clues} <= set(CLUES)
    found = describe(mac, clues)
    assert found.kind == kind, found.evidence
    assert bool(found.evidence) or kind == "unknown"


def test_every_kind_has_two_examples() -> None:
    kinds = [kind for kind, _, _ in CASES]
    assert {kind for kind in KINDS if kinds.count(kind) < 2} == set()


def test_families_are_of_kinds() -> None:
    assert set(FAMILIES) | set(FAMILIES.values()) <= set(KINDS)
    assert not set(FAMILIES) & set(FAMILIES.values()), "a family is in no other one"


def test_the_order_of_clues_does_not_matter() -> None:
    for _, mac, clues in CASES:
        assert describe(mac, clues) == describe(mac, reversed(clues)) == describe(mac, clues * 2)


def test_one_that_claims_to_be_everything_is_unknown() -> None:
    everything = [clue for kind, _, clues in CASES for clue in clues if kind != "unknown"]
    assert describe(None, everything).kind == "unknown"


def test_saying_a_thing_often_makes_it_no_surer() -> None:
    weak = [
        Clue("mdns_service", "_airplay._tcp"),
        Clue("mdns_service", "_raop._tcp"),
        Clue("mdns_service", "_spotify-connect._tcp"),
    ]
    assert describe(None, weak).kind == "unknown"


def test_reasons_are_few_and_repeat_what_was_said() -> None:
    clues = [Clue("mdns_service", "_ipp._tcp"), Clue("mdns_model", "Brother HL-L2350DW")]
    found = describe(None, clues)
    assert found.evidence == ("its model is Brother HL-L2350DW by mDNS", "offers printing (_ipp._tcp by mDNS)")
    many = [Clue("http_agent", f"Windows NT {number}") for number in range(MOST_CLUES * 2)]
    assert len(describe(None, many).evidence) == 1
    everything = [clue for _, _, clues in CASES for clue in clues]
    assert len(describe(None, everything).evidence) <= MOST_REASONS + 1


def test_what_liars_say_is_no_pattern_and_no_form() -> None:
    for text in ("{}", "{0}", "%s", "(a+)+$", "\\1", "[", "a" * 300):
        found = describe(None, [Clue("mdns_model", f"printer {text}"), Clue("dhcp_hostname", text)])
        assert all(len(sentence) < 400 for sentence in found.evidence)


CLUE = st.builds(Clue, st.sampled_from(sorted(CLUES)) | st.text(max_size=5), st.text(max_size=300))
REAL = st.sampled_from([clue for _, _, clues in CASES for clue in clues])


@given(st.lists(CLUE | REAL, max_size=40), st.randoms(use_true_random=False))
def test_any_clues_in_any_order_are_described_alike(clues: list[Clue], order: object) -> None:
    found = describe("02:00:00:00:00:01", clues)
    order.shuffle(clues)  # type: ignore[attr-defined]
    assert describe("02:00:00:00:00:01", clues) == found
    assert found.kind in KINDS
    assert found.hostname is None or re.search(r"\S", found.hostname)


PEOPLES_NAMES = """
Max Anna Mia Emma Noah Leo Ben Tim Tom Jan Kai Uwe Ole Nils Lars Clara Nora Ella Maya Iris Vera Aria Nova August Arlo
Alexa Felix Oscar Archie Milo Zeus Thor Odin Loki Apollo Athena Atlas Titan Orion Sirius Luna Mars Saturn Gandalf Frodo
Yoda Spock Picard Enterprise Kitchen Bedroom Office Garage Wohnzimmer Keller Flur Garten Work Home School tower cube
beast nano delta sigma echo foxtrot gold silver pythagoras einstein curie
"""


def test_what_people_call_their_devices_tells_no_kind() -> None:
    for name in PEOPLES_NAMES.split():
        for text in (name, f"{name}-2", f"{name}1", f"Haus-{name}"):
            assert describe(None, [Clue("hostname", text), Clue("mdns_instance", text)]).kind == "unknown", text


def test_the_category_of_an_accessory_tells_its_kind() -> None:
    told = [
        Clue("mdns_service", "_hap._tcp"),
        *clues_of_txt("_hap._tcp", [b"ci=8", b"md=LS1", b"id=11:22:33:44:55:66"]),
    ]
    assert describe(None, told)[2:] == (
        "light",
        "LS1",
        ("is a light switch for HomeKit (ci=8 by mDNS)", "is an accessory for HomeKit (_hap._tcp by mDNS)"),
    )
    assert describe(None, clues_of_txt("_device-info._tcp", [b"osxvers=22"])).kind == "computer"
    assert not clues_of_txt("_http._tcp", [b"ci=8", b"osxvers=22"])


def test_every_maker_in_the_table_is_in_the_registry() -> None:
    path = registry()
    assert path
    names = {line.rpartition("\t")[2].lower() for line in path.read_text().splitlines()}
    lengths = {len(each) for each in BEGINNINGS}
    made = {name[:length] for name in names for length in lengths if name[:length] in BEGINNINGS}
    assert made == BEGINNINGS


def test_all_tables_are_of_known_kinds_and_clues() -> None:
    kinds = {kind for kind, _, _ in SERVICES.values()} | {kind for kind, _ in ACCESSORIES.values()}
    kinds |= {row[1] for row in (*TYPES, *SERVERS)} | {row[0] for row in words.ROWS} | {row[1] for row in dhcp.CLASSES}
    kinds |= {rule.kind for rule in dhcp.RULES} | {
        row[0] for row in (*PORTS.values(), *CLOUDS.values(), *ROLES.values())
    }
    assert kinds <= set(KINDS) - {"unknown"}


def test_the_interface_lists_the_kinds_and_their_families() -> None:
    page = (Path(__file__).parent.parent / "docs/INTERFACE.md").read_text()
    below = page.split("### Kinds of devices\n")[1].split("\n### ")[0]
    listed = {}
    for kind, meaning, members in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|$", below, re.MULTILINE):
        listed[kind] = (meaning, re.findall(r"`(\w+)`", members))
    family = {kind: [member for member, of in FAMILIES.items() if of == kind] for kind in KINDS}
    assert listed == {kind: (meaning, family[kind]) for kind, meaning in KINDS.items()}
