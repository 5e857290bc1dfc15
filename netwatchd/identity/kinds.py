"""What kind of device it is, by all that is known of it, with the reasons; `unknown` rather than a wild guess.

How it is decided. Each clue may vote for a kind with a strength (tables/); of each sort of evidence the strongest vote
for a kind counts, and the sorts are added up. Kinds belong to families, such as all that serves a house (`iot`). First
the family is chosen, for which all votes of its members count; it must have ENOUGH and be CLEAR of the second one. Then
its member, which must have SPECIFIC evidence of its own and be clear of its siblings; else the family's own word is the
answer: a plug and a lamp at once is something smart.

What devices say of themselves may be a lie. One that claims to be everything has no clear lead anywhere, and is
unknown; one that says a thing often is not surer.
"""

from collections import defaultdict
from collections.abc import Iterable
from heapq import nsmallest
from typing import NamedTuple

from netwatchd.events import LONGEST_CLUE, Clue
from netwatchd.identity.models import best_model
from netwatchd.identity.names import best_name
from netwatchd.identity.tables import Vote
from netwatchd.identity.vendors import vendor_of
from netwatchd.identity.votes import votes

KINDS = {
    "phone": "telephone with apps",
    "tablet": "tablet or reader of books",
    "mobile": "phone or tablet, which of them is not known",
    "watch": "watch",
    "computer": "computer: desktop, notebook, small board, virtual machine",
    "server": "computer that serves others",
    "nas": "storage on the network",
    "printer": "printer, scanner or both",
    "camera": "camera, doorbell with one, recorder of cameras",
    "tv": "television",
    "speaker": "loudspeaker, receiver, radio",
    "media": "streaming or set-top box, or something else that plays",
    "console": "game console",
    "router": "router, modem",
    "access_point": "access point, repeater",
    "switch": "network switch",
    "network": "other network equipment, or which of them is not known",
    "voip": "telephone or adapter on the network",
    "light": "lamp, dimmer, light switch",
    "plug": "plug or switch of power",
    "hub": "bridge or centre of smart things",
    "sensor": "sensor, detector, weather station",
    "thermostat": "thermostat, heating",
    "lock": "lock, door, garage",
    "appliance": "household appliance",
    "health": "scale, tracker, medical device",
    "energy": "inverter, meter, charger, uninterruptible supply",
    "iot": "smart thing, which one is not known",
    "unknown": "nothing tells it, or one thing speaks against another",
}

# The members of each family, by the word that is said where the member is not known.
_MEMBERS = {
    "mobile": ("phone", "tablet"),
    "computer": ("server", "nas"),
    "media": ("tv", "speaker"),
    "network": ("router", "access_point", "switch"),
    "iot": ("camera", "light", "plug", "hub", "sensor", "thermostat", "lock", "appliance", "health", "energy"),
}
FAMILIES = {member: family for family, members in _MEMBERS.items() for member in members}

ENOUGH = 50  # of strength: one fair piece of evidence, or two weak ones of different sorts
SPECIFIC = 30  # for a member where its family is known
CLEAR = 0.6  # the second may have so much of the strength of the first
MOST_CLUES = 1024  # that are looked at, which is more than 32 of each sort; one that shows more is up to something
MOST_REASONS = 8  # that are given


class Description(NamedTuple):
    """What is known of a device."""

    hostname: str | None
    vendor: str | None
    kind: str  # one of KINDS
    model: str | None
    evidence: tuple[str, ...]  # why it is of that kind, or why that is unknown: sentences without their subject


def describe(mac: str | None, clues: Iterable[Clue]) -> Description:
    """What is known of the device with that MAC that shows these clues; their order does not matter."""
    looked_at = nsmallest(MOST_CLUES, {Clue(kind, value[:LONGEST_CLUE]) for kind, value in clues})
    vendor = vendor_of(mac) if mac else None
    kind, evidence = _decide(votes(mac, vendor, looked_at))
    return Description(best_name(looked_at, mac), vendor, kind, best_model(looked_at), evidence)


def _decide(cast: list[tuple[str, Vote]]) -> tuple[str, tuple[str, ...]]:
    """The kind that the votes, each with its sort of evidence, are for, and the reasons."""
    families = _strengths((sort, FAMILIES.get(vote.kind, vote.kind), vote.strength) for sort, vote in cast)
    first, second = _first_two(families)
    if not first or families[first] < ENOUGH:
        return "unknown", _reasons(cast)
    if second and families[second] > CLEAR * families[first]:
        return "unknown", (f"looks like one of {first}, and like one of {second}", *_reasons(cast))
    members = _strengths((sort, vote.kind, vote.strength) for sort, vote in cast if FAMILIES.get(vote.kind) == first)
    kind, sibling = _first_two(members)
    is_one = kind and members[kind] >= SPECIFIC and (not sibling or members[sibling] <= CLEAR * members[kind])
    chosen = kind if is_one and kind else first
    return chosen, _reasons((sort, vote) for sort, vote in cast if first in (vote.kind, FAMILIES.get(vote.kind)))


def _strengths(cast: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """What each kind has, of votes as (sort of evidence, kind, strength): of each sort the strongest."""
    strongest: dict[tuple[str, str], int] = {}
    for sort, kind, strength in cast:
        strongest[sort, kind] = max(strength, strongest.get((sort, kind), 0))
    found: dict[str, int] = defaultdict(int)
    for (_, kind), strength in strongest.items():
        found[kind] += strength
    return found


def _first_two(strengths: dict[str, int]) -> tuple[str | None, str | None]:
    first, second, *_ = *sorted(strengths, key=lambda kind: (-strengths[kind], kind)), None, None
    return first, second


def _reasons(cast: Iterable[tuple[str, Vote]]) -> tuple[str, ...]:
    """The strongest sentence of each sort of evidence, the strongest first."""
    chosen: dict[str, Vote] = {}
    for sort, vote in sorted(cast, key=lambda each: (-each[1].strength, each[1].why)):
        chosen.setdefault(sort, vote)
    return tuple(dict.fromkeys(vote.why for vote in chosen.values()))[:MOST_REASONS]
