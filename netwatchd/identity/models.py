"""The model of a device in its maker's words, where one of its clues tells it."""

import re
from collections.abc import Iterable

from netwatchd.events import Clue

LONGEST_MODEL = 80  # characters: what is longer is a description

# What TXT records tell that is no model: versions, HomeKit's category, numbers, empty placeholders.
_NO_MODEL = re.compile(
    r"(?:ci|osxvers)=.*|[\d.,]*|0x[0-9a-f]+|unknown|none|default|generic|n/?a|true|false|device|model|product|printer"
    r"|[0-9a-f]{12,}|[0-9a-f-]{36}",
    re.IGNORECASE,
)

# Numbers of models that nobody has read on the box, and the words there.
_MEANT = (
    ("AppleTV", "Apple TV"), ("AudioAccessory", "HomePod"), ("AirPort", "AirPort"), ("Watch", "Apple Watch"),
    ("BSB00", "Philips Hue Bridge"), ("Macmini", "Mac mini"), ("RackMac", "Xserve"),
)  # fmt: skip

# IEEE 1284 device identification, as printers tell it by DHCP: Mfg=Xerox;Typ=MFP;Mod=VersaLink C405;...
_IEEE_1284 = re.compile(r"(?:^|;)\s?(mfg|manufacturer|mdl|mod|model)[=:]([^;]{1,80})", re.IGNORECASE)

# Host names that are a model, or begin with one, and the words that make it readable.
_NAMED = tuple(
    (re.compile(pattern, re.IGNORECASE), form)
    for pattern, form in (
        (r"(D(?:CS|SP|CH|IR|AP|GS|ES|NS|RA|WR|SL)-[A-Z]?\d{3,4}[A-Z]{0,3}\d?)", r"D-Link \1"),
        (r"((?:HS|KP|KL|EP|KS|ES|LB)\d{2,3}[A-Z]?(?:\([A-Z]{2}\))?)", r"TP-Link \1"),
        (r"(Archer[ _-]?[A-Z]{1,2}\d{1,4}[A-Z]{0,2})", r"TP-Link \1"),
        (r"((?:SM-[A-Z]\d{3}|GT-[INP]\d{4})[A-Z0-9]{0,3})", r"Samsung \1"),
        (r"Galaxy[ _-]((?:[A-Z]|Tab|Note|Z|XCover|Fold|Flip)[A-Z0-9 _-]{0,16}\d[A-Z0-9+]{0,3}(?:[ _-]5G)?)",
         r"Samsung Galaxy \1"),
        (r"(Pixel[ _-]\d{1,2}a?(?:[ _-](?:Pro|XL|Fold|Pro[ _-]XL))?)", r"Google \1"),
        (r"((?:HUAWEI|HONOR)[ _-][A-Z0-9]{1,8}(?:[ _-](?:lite|Pro|Plus|smart))?(?:[ _-]20\d\d)?)", r"\1"),
        (r"((?:Redmi|POCO|OnePlus|realme|Mi)[ _-](?:Note.)?[A-Z]{0,4}[ _-]?\d{1,3}[A-Z]{0,2}(?:[ _-](?:Pro|Lite|5G))?)",
         r"\1"),
        (r"(moto[ _-][a-z][ _-]?\(?\d{0,3}\)?[A-Z0-9 _-]{0,12})", r"Motorola \1"),
        (r"([A-Z]{3}-(?:LX|AL|TL|NX|AN|L)\d{1,2}[A-Z]?)", r"\1"),
        (r"(LIFX [A-Z0-9 +]{2,30})", r"\1"),
        (r"(Netatmo-[A-Z-]{4,40})", r"\1"),
        (r"(Philips-hue)(?:-[0-9A-F]{6})?", r"\1"),
        (r"(Lightify)-[0-9A-F]{6}", r"Osram \1"),
        (r"(LG_Smart_[A-Z0-9]{2,20})(?:_open)?", r"\1"),
        (r"(shelly[a-z0-9]{1,12}(?:-[a-z]{1,2})?)-[0-9A-F]{6,12}", r"\1"),
        (r"(Chromecast(?:-Ultra|-Audio)?)(?:-[0-9a-f]{32})?", r"Google \1"),
        (r"((?:LaserJet|OfficeJet|DeskJet|PIXMA|WorkForce|EcoTank)[A-Z0-9 _-]{1,30})", r"\1"),
        (r"(iPhone|iPad|Apple-?TV|HomePod|MacBook-?(?:Pro|Air)|iMac|Mac-?mini|Wii ?U?|PS[345]|Xbox ?One)", r"\1"),
    )
)  # fmt: skip
_NAMES = ("dhcp_hostname", "mdns_name", "hostname", "llmnr_name", "netbios_name", "lldp_name")

# Products in the SERVER of UPnP: "Linux/3.14.0 UPnP/1.0 IpBridge/1.26.0", "FRITZ!Box 7590 UPnP/1.0 AVM ...".
_SERVER = re.compile(
    r"(FRITZ![A-Za-z]{3,12}(?: [A-Za-z0-9]{2,8}){1,3})(?= UPnP| \()|Sonos/\S{1,20} \(([A-Z0-9]{2,8})\)|(Roku)/"
)


def best_model(clues: Iterable[Clue]) -> str | None:
    """The model that the clues tell, in any order: of mDNS before DHCP before UPnP before what a name betrays."""
    found: list[tuple[int, int, str]] = []
    for kind, value in clues:
        if kind == "mdns_model" and (model := of_mdns(value)):
            # Where several services tell it, the longer text tells more: "HP LaserJet 400 M401n" and "LaserJet 400".
            found.append((0, -len(model), model))
        elif kind == "dhcp_vendor_class" and (model := of_ieee_1284(value)):
            found.append((1, 0, model))
        elif kind == "ssdp_server" and (model := of_server(value)):
            found.append((2, 0, model))
        elif kind in _NAMES and (model := of_name(value)):
            found.append((3, 0, model))
    return min(found)[2] if found else None


def of_mdns(value: str) -> str | None:
    """The model in a TXT record; printers put `product` into parentheses."""
    text = " ".join(value.strip().strip("()").split())
    if not text or _NO_MODEL.fullmatch(text):
        return None
    for number, words in _MEANT:
        if re.fullmatch(rf"{number}\d[\d,]*", text):
            return f"{words} ({text})"
    return text[:LONGEST_MODEL].rstrip()


def of_ieee_1284(value: str) -> str | None:
    """The maker and model in a vendor class of that form; the maker once."""
    parts = {key.lower()[:2]: text.strip() for key, text in _IEEE_1284.findall(value)}
    model = parts.get("mo") or parts.get("md")
    maker = parts.get("mf") or parts.get("ma") or ""
    if not model:
        return None
    initials = "".join(word[0] for word in maker.split())
    known = not maker or maker.split()[0].lower() in model.lower() or model.split()[0] == initials
    return (model if known else f"{maker} {model}")[:LONGEST_MODEL]


def of_server(value: str) -> str | None:
    """The product in the SERVER of UPnP, where it is one of the few that name theirs there."""
    match = _SERVER.search(value)
    if not match:
        return None
    return match[1] or (f"Sonos {match[2]}" if match[2] else match[3])


def of_name(value: str) -> str | None:
    """The model that a host name is made of, or begins with."""
    for pattern, form in _NAMED:
        if match := pattern.fullmatch(value.removesuffix(".local")):
            return match.expand(form).replace("_", " ")
    return None
