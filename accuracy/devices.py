"""What is said of real devices, by the clues that netwatchd reads from their packets. The captures of IoT Sentinel
(Aalto University) are replayed packet by packet; of the other captures with DHCP, and of the lists of other programs,
what the client told is given as clues. A kind is right, too, where it is the word for the whole family of the expected
one: a plug that is called something smart (`iot`). In the first table *expected* are the devices or texts with a
truth, *matched* those that are described rightly; the second one says of the others which are unknown and which wrong.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from accuracy import Row
from netwatchd.addresses import PRIVATE, Networks, is_station
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.pcapng import open_capture
from netwatchd.events import Clue
from netwatchd.identity.kinds import FAMILIES, Description, describe
from netwatchd.identity.tables import WEAK
from netwatchd.identity.tables.dhcp import of_parameters

SENTINEL = "andypitcher/IoT_Sentinel"
_FOLDER = "andypitcher+IoT_Sentinel"

# What each device is, by the name of its folder: the model, and the kind that somebody who knows it would say.
MODELS = {
    "Aria": ("Fitbit Aria, a scale", "health"),
    "D-LinkCam": ("D-Link DCS-935L, a camera", "camera"),
    "D-LinkDayCam": ("D-Link DCS-930L, a camera", "camera"),
    "D-LinkDoorSensor": ("D-Link door and window sensor behind its hub", "hub"),
    "D-LinkHomeHub": ("D-Link DCH-G020, a hub", "hub"),
    "D-LinkSensor": ("D-Link DCH-S150, a motion sensor", "sensor"),
    "D-LinkSiren": ("D-Link DCH-S220, a siren", "sensor"),
    "D-LinkSwitch": ("D-Link DSP-W215, a plug", "plug"),
    "D-LinkWaterSensor": ("D-Link DCH-S160, a water sensor", "sensor"),
    "EdimaxCam": ("Edimax IC-3115W, a camera", "camera"),
    "EdimaxPlug1101W": ("Edimax SP-1101W, a plug", "plug"),
    "EdimaxPlug2101W": ("Edimax SP-2101W, a plug", "plug"),
    "EdnetCam": ("Ednet camera", "camera"),
    "EdnetGateway": ("Ednet.living gateway", "hub"),
    "HomeMaticPlug": ("Homematic plug behind its gateway by eQ-3", "hub"),
    "HueBridge": ("Philips Hue bridge", "hub"),
    "HueSwitch": ("Philips Hue switch behind its bridge", "hub"),
    "Lightify": ("Osram Lightify gateway", "hub"),
    "MAXGateway": ("MAX! cube by eQ-3, a gateway of heating", "hub"),
    "SmarterCoffee": ("Smarter Coffee, a coffee machine", "appliance"),
    "iKettle2": ("Smarter iKettle 2.0", "appliance"),
    "TP-LinkPlugHS100": ("TP-Link HS100, a plug", "plug"),
    "TP-LinkPlugHS110": ("TP-Link HS110, a plug", "plug"),
    "WeMoInsightSwitch": ("Belkin WeMo Insight, a plug", "plug"),
    "WeMoLink": ("Belkin WeMo Link, a bridge of lamps", "hub"),
    "WeMoSwitch": ("Belkin WeMo Switch, a plug", "plug"),
    "Withings": ("Withings WS-30, a scale", "health"),
}

# What the DHCP clients of the other captures are, as far as their recordings tell; by MAC.
CLIENTS = {
    "28:cf:da:dc:8d:76": ("a MacBook that runs Windows", "computer"),
    "00:11:32:17:49:f0": ("storage by Synology", "nas"),
    "00:0b:82:01:fc:42": ("a telephone adapter by Grandstream", "voip"),
    "08:00:27:83:f4:42": ("Linux in VirtualBox", "computer"),
    "d8:30:62:56:00:1c": ("an iMac", "computer"),
    "4c:6a:f6:9f:f6:27": ("a Nokia phone with Android 9", "phone"),
    "32:7a:80:aa:a7:c7": ("an Honor X8, a phone with Android 13", "phone"),
    "d0:73:d5:11:a0:7a": ("a LIFX Color 1000, a lamp", "light"),
    "70:ee:50:03:70:8e": ("a Netatmo weather station", "sensor"),
    "14:7f:67:8a:7b:4a": ("a washing machine by LG", "appliance"),
    "b8:27:eb:b8:53:c8": ("a Raspberry Pi", "computer"),
    "00:0c:29:1f:74:06": ("a virtual machine of VMware", "computer"),
    "5a:4f:34:b1:af:66": ("a virtual machine with Linux", "computer"),
    "00:00:44:01:00:00": ("a switch by Arista", "switch"),
    "90:b1:1c:99:49:29": ("a computer by Dell", "computer"),
    "00:90:f5:91:cd:1f": ("a notebook with Pop!_OS", "computer"),
    "00:1a:e9:9d:53:b7": ("a Wii", "console"),
    "a0:f3:c1:16:5a:ca": ("something by TP-Link with a small Linux", None),
}  # fmt: skip


_PRIVATE = "(locally administered)"  # as the truth says it of a MAC
_VERDICTS = ("right", "unknown", "wrong", "no truth")


class Known(NamedTuple):
    """A device with its truth, and what is said of it."""

    folder: str
    model: str
    mac: str
    vendor: str
    hostname: str
    kind: str | None
    said: Description


def rows(data: Path) -> list[Row]:
    """The rows of docs/ACCURACY.md on devices; `data` is the folder of the recordings."""
    recorded, told = list(_recorded(data)), list(_told(data))
    return [
        *_compared(SENTINEL, "captures", recorded),
        *_compared("captures of eight projects", "DHCP clients", told),
        *(_list_row(each) for each in _lists(data)),
        _evidence_row(next(each for each in _fingerbank(data) if each.clue == "dhcp_parameters")),
    ]


def headline(data: Path) -> str:
    """How many of the real devices are identified right, unknown and wrong: a sentence for the top of the page."""
    words = Counter(identified(each) for each in (*_recorded(data), *_told(data)))
    share = words["right"] / (words.total() or 1)
    right = f"{words['right']} are identified right ({share:.0%}: their name or their kind)"
    return f"of {words.total()} real ones {right}, {words['unknown']} are unknown, {words['wrong']} wrong."


def details(data: Path) -> str:
    """The devices, for the page: how often what is right, and for each what is said of it, and why."""
    known = [*_recorded(data), *_told(data)]
    lines = [
        "A device is identified *right* where its name or its kind is known and nothing that is said of it is wrong;\n"
        "*unknown* where neither is. A text in the lists is one clue alone, which often says nothing for sure:\n"
        "*unknown* is the honest answer then.\n\n"
        "| real devices and lists | of | right | unknown | wrong | no truth |\n|---|--:|--:|--:|--:|--:|\n"
    ]
    for what, verdicts in (
        ("maker", [_said(each.vendor, each.said.vendor) for each in known]),
        ("name", [_said(each.hostname, each.said.hostname) for each in known]),
        ("kind", [verdict(each.kind, each.said.kind) for each in known]),
        ("**the real devices together: identified**", [identified(each) for each in known]),
        *((f"{each.origin}, {each.what}", [word for word, _, _ in _judged(each)]) for each in _lists(data)),
    ):
        lines.append(
            f"| {what} | {len(verdicts):,} | {' | '.join(f'{verdicts.count(word):,}' for word in _VERDICTS)} |\n"
        )
    lines.append("\n| what it is | said: maker | name | kind | model | by this |\n|---|---|---|---|---|---|\n")
    for each in known:
        said = each.said
        cells = (
            each.model, f"{said.vendor or '-'} ({_said(each.vendor, said.vendor)})",
            f"{said.hostname or '-'} ({_said(each.hostname, said.hostname)})",
            f"{said.kind} ({verdict(each.kind, said.kind)})", said.model or "-", "; ".join(said.evidence[:3]) or "-",
        )  # fmt: skip
        lines.append("".join(f"| {cell.replace('|', '/')} " for cell in cells) + "|\n")
    return "".join(lines)


def identified(known: Known) -> str:
    """The verdict on a device as a whole: `wrong` where anything said is, `right` where its name or its kind is."""
    named = _said(known.hostname, known.said.hostname)
    typed = verdict(known.kind, known.said.kind)
    if "wrong" in (named, typed, _said(known.vendor, known.said.vendor)):
        return "wrong"
    return "right" if "right" in (named, typed) else "unknown"


def _said(truth: str, said: str | None) -> str:
    """The verdict on a maker or a name; one that is rightly not known is right."""
    if truth == _PRIVATE:
        return "wrong" if said else "right"
    if not truth:
        return "no truth"
    return "right" if said == truth else "wrong" if said else "unknown"


def verdict(expected: str | None, said: str) -> str:
    """`right`, `unknown` or `wrong`; `no truth` where nobody knows."""
    if expected is None:
        return "no truth"
    if said == "unknown":
        return "unknown"
    return "right" if said in (expected, FAMILIES.get(expected)) else "wrong"


# Devices.


def clues_of(capture: Path) -> dict[str | None, set[Clue]]:
    """The clues of each MAC in a capture."""
    numbers = count(1)
    table = FlowTable(lambda _, step=1: next(numbers), "capture", networks=Networks(PRIVATE.split()))
    for time, link_type, data, length, _ in open_capture(capture.read_bytes()):
        table.see(time // 1_000_000, link_type, data, length)
    table.finish()
    found: dict[str | None, set[Clue]] = defaultdict(set)
    for sighting in table.sightings():
        found[sighting.mac] |= set(sighting.clues)
    return found


def _recorded(data: Path) -> Iterator[Known]:
    """The devices of IoT Sentinel, by all clues in the captures of their folders."""
    for truth in _table(data / "_truth/devices.tsv"):
        folder, mac, vendor, hostname = truth[:4]
        clues: set[Clue] = set()
        for capture in sorted((data / _FOLDER).rglob(f"{folder}/*.pcap")):
            clues |= clues_of(capture)[mac]
        model, kind = MODELS.get(folder, (folder, None))
        yield Known(folder, model, mac, vendor, hostname, kind, describe(mac, clues))


def _told(data: Path) -> Iterator[Known]:
    """The DHCP clients of other captures: all that one said in one capture, as another program decoded it."""
    clients: dict[tuple[str, str], set[Clue]] = defaultdict(set)
    vendors = {}
    for capture, mac, vendor, *told in _table(data / "_truth/dhcp_identity.tsv"):
        if is_station(mac):
            vendors[mac] = vendor
            kinds = ("dhcp_hostname", "dhcp_vendor_class", "dhcp_parameters")
            clients[capture, mac] |= {Clue(kind, value) for kind, value in zip(kinds, told, strict=True) if value}
    for (capture, mac), clues in clients.items():
        hostname = next((value for kind, value in clues if kind == "dhcp_hostname"), "")
        model, kind = CLIENTS.get(mac, (mac, None))
        yield Known(capture, model, mac, vendors[mac], hostname, kind, describe(mac, clues))


def _table(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter="\t"))[1:]


def _compared(origin: str, what: str, known: list[Known]) -> list[Row]:
    """Vendor, name, kind, and whether it is named or typed at all."""
    vendors = [("" if each.vendor == _PRIVATE else each.vendor, each.said.vendor or "", each.model) for each in known]
    names = [(each.hostname, each.said.hostname or "", each.model) for each in known if each.hostname]
    kinds = [each for each in known if each.kind]
    unknown = [each for each in kinds if verdict(each.kind, each.said.kind) != "right"]
    general = sum(each.said.kind != each.kind for each in kinds) - len(unknown)
    recognised = [each for each in known if each.said.hostname or each.said.kind != "unknown"]
    lost = [each for each in known if each not in recognised]
    return [
        _same(origin, f"{what}: vendor", vendors),
        _same(origin, f"{what}: host name", names),
        Row(origin, f"{what}: kind (of the right ones {general} by the family's word)", len(kinds), len(kinds),
            len(kinds) - len(unknown), tuple(_sentence(verdict(each.kind, each.said.kind), each) for each in unknown)),
        Row(origin, f"{what}: named or typed", len(known), len(known), len(recognised),
            tuple(_sentence("neither", each) for each in lost)),
    ]  # fmt: skip


def _same(origin: str, what: str, pairs: list[tuple[str, str, str]]) -> Row:
    wrong = tuple(
        f"1 of {model}: wrong, {said or 'nothing'} for {truth}" for truth, said, model in pairs if truth != said
    )
    return Row(origin, what, len(pairs), len(pairs), len(pairs) - len(wrong), wrong)


def _sentence(word: str, each: Known) -> str:
    return f"1 of {each.model}: {word}, {each.said.kind} for {each.kind}"


# The lists of other programs: tables that know, for a text, what sends it.


class Texts(NamedTuple):
    """A list of another program: texts of one kind of clue, each with the kind of what sends it."""

    origin: str
    what: str
    clue: str
    pairs: list[tuple[str, str]]  # the expected kind, the text
    family: bool = False  # only the family of the kind is compared


def _lists(data: Path) -> list[Texts]:
    return [*_recog(data), *_fingerbank(data)]


# What recog calls a device, its family or its system -> the kind.
_DEVICES = {
    "Printer": "printer", "VoIP": "voip", "Laptop": "computer", "Desktop": "computer", "WAP": "access_point",
    "Switch": "switch", "Smart TV": "tv", "IP Camera": "camera", "Thin Client": "computer", "VPN": "router",
    "Lights Out Management": "server", "Mobile Phone": "phone", "Tablet": "tablet", "Video Conferencing": "voip",
    "Wireless Controller": "network", "Network Management Device": "network",
}  # fmt: skip
_PRODUCTS = {"iPod": "mobile", "Apple TV": "media", "HomePod": "speaker", "Xserve": "server", "iDRAC": "server"}
_SYSTEMS = {"Mac OS X": "computer", "Windows": "computer"}


def _recog(data: Path) -> Iterator[Texts]:
    """The examples of recog's fingerprints, where its attributes say what kind of device it is."""
    for name, kind in (("dhcp_vendor_class", "dhcp_vendor_class"), ("mdns_device-info_txt", "mdns_model")):
        pairs = []
        root = ElementTree.parse(data / f"rapid7+recog/xml/{name}.xml").getroot()  # noqa: S314  # it is no stranger's
        for fingerprint in root.iter("fingerprint"):
            values = {each.get("name", ""): each.get("value", "") for each in fingerprint.iter("param")}
            expected = _recog_kind(values)
            texts = [(each.text or "").strip() for each in fingerprint.iter("example")]
            pairs += [(expected, text.removeprefix("model=")) for text in texts if expected]
        yield Texts("rapid7/recog", f"examples of {name}: kind", kind, pairs)


def _recog_kind(values: dict[str, str]) -> str | None:
    family = values.get("hw.family") or values.get("hw.product", "")
    device = values.get("hw.device") or values.get("os.device", "")
    return _PRODUCTS.get(family) or _DEVICES.get(device) or _SYSTEMS.get(values.get("os.family", ""))


# The classes of Fingerbank -> the kind; Misc, projectors and points of sale are of no kind of ours.
_FINGERBANK = "karottc/fingerbank (2014)"
_CLASSES = {
    1: "computer", 2: "computer", 3: "voip", 4: "network", 5: "computer", 6: "console", 7: "media", 8: "printer",
    9: "switch", 10: "nas", 11: "mobile", 12: "energy", 13: "voip", 14: "computer", 16: "computer", 17: "computer",
    18: "computer", 19: "computer", 21: "computer", 22: "iot", 23: "server", 25: "printer",
}  # fmt: skip


def _fingerbank(data: Path) -> Iterator[Texts]:
    """Fingerbank's lists of 2014: parameters and vendor classes. What several families send says nothing."""
    text = next((data / "karottc+fingerbank").glob("*.conf")).read_text(errors="replace")
    for heading, kind, what in (
        ("fingerprints", "dhcp_parameters", "lists of options asked for, by DHCP"),
        ("vendor_id", "dhcp_vendor_class", "vendor classes"),
    ):
        seen: dict[str, set[str]] = defaultdict(set)
        for number, body in re.findall(r"^\[os (\d+)\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL):
            expected = _CLASSES.get(int(number) // 100)
            block = re.search(rf"^{heading}=(?:<<EOT\n(.*?)^EOT|([^\n]+)$)", body, re.MULTILINE | re.DOTALL)
            for line in (block[1] or block[2] or "").splitlines() if block and expected else ():
                seen[line.strip()].add(expected or "")
        pairs = [(min(kinds), line) for line, kinds in seen.items() if line and len(_families(kinds)) == 1]
        yield Texts(_FINGERBANK, f"{what}: family of the kind", kind, pairs, family=True)


def _evidence_row(texts: Texts) -> Row:
    """The table of lists alone: what it says with some weight, though not enough to decide."""
    said = [(expected, text, of_parameters(text)) for expected, text in texts.pairs]
    weighty = [(expected, text, vote) for expected, text, vote in said if vote and vote.strength >= WEAK]
    misleading = Counter(
        f"{vote.kind} for {expected}"
        for expected, _, vote in weighty
        if _families([vote.kind]) != _families([expected])
    )
    differences = tuple(
        f"{number} of {len(weighty)}: {which}, which decides nothing" for which, number in misleading.items()
    )
    return Row(_FINGERBANK, "lists that the table knows, as evidence: family of the kind", 1, len(weighty),
               len(weighty) - misleading.total(), differences)  # fmt: skip


def _families(kinds: Iterable[str]) -> set[str]:
    return {FAMILIES.get(kind, kind) for kind in kinds}


def _list_row(texts: Texts) -> Row:
    """How many texts of a list tell their kind by our tables; what is wrong is shown, what is unknown is counted."""
    words: Counter[str] = Counter()
    wrong: dict[str, list[str]] = defaultdict(list)
    for word, which, text in _judged(texts):
        words[word] += 1
        if word == "wrong":
            wrong[which].append(text)
    total = len(texts.pairs)
    differences = [f"{words['unknown']} of {total}: unknown"] if words["unknown"] else []
    differences += [f"{len(each)} of {total}: wrong, {which}: {each[0]:.70}" for which, each in sorted(wrong.items())]
    return Row(texts.origin, texts.what, 1, total, words["right"], tuple(differences))


def _judged(texts: Texts) -> Iterator[tuple[str, str, str]]:
    """For each text of a list the verdict, what is said for what, and the text."""
    for expected, text in texts.pairs:
        said = describe(None, [Clue(texts.clue, text)]).kind
        word = verdict(expected, said)
        if texts.family and word == "wrong" and _families([said]) == _families([expected]):
            word = "right"
        yield word, f"{said} for {expected}", text
