"""Smaller sorts of evidence: LLDP, roles, open ports, clouds and User-Agents.

A telephone asks for the clouds of all the lamps that it steers: a cloud only helps, unless it is that of the maker. A
User-Agent is what a program calls itself, and one that names a product is seldom made up.
"""

import re

from netwatchd.identity.tables import FAIR, HINT, STRONG, WEAK, Vote, words

_LONGEST_SHOWN = 60  # characters of a User-Agent that the evidence repeats


def of_capabilities(capabilities: frozenset[str]) -> list[Vote]:
    """What all enabled capabilities of LLDP together say (IEEE 802.1AB section 8.5.8).

    An access point, a telephone and a switch are all bridges: alone it says that, and hardly more.
    """
    for needed, kinds, what in (
        ({"telephone"}, {"voip": STRONG}, "a telephone"),
        ({"wlan"}, {"access_point": STRONG}, "an access point"),
        ({"docsis"}, {"router": STRONG}, "a cable modem"),
        ({"router", "bridge"}, {"network": STRONG}, "a router and a switch"),
        ({"router"}, {"router": FAIR}, "a router"),
        ({"bridge"}, {"network": FAIR, "switch": WEAK}, "a bridge"),
        ({"repeater"}, {"network": FAIR}, "a repeater"),
    ):
        if needed <= capabilities:
            return [Vote(kind, strength, f"says by LLDP that it is {what}") for kind, strength in kinds.items()]
    return []


# What it was seen doing by everybody, not what it says.
ROLES = {
    "router": ("router", STRONG, "passes on what others send"),
    "dhcp_server": ("router", WEAK, "gives addresses to others"),
}

PORTS = {
    "tcp/9100": ("printer", FAIR, "takes pages to print"),
    "tcp/515": ("printer", WEAK, "takes pages to print"),
    "tcp/631": ("printer", HINT, "takes pages to print"),
    "tcp/62078": ("mobile", STRONG, "answers iTunes as iPhones and iPads do"),
    "tcp/3389": ("computer", FAIR, "offers its screen"),
    "tcp/5900": ("computer", HINT, "offers its screen"),
    "tcp/445": ("computer", HINT, "shares files"),
    "tcp/139": ("computer", HINT, "shares files"),
    "tcp/548": ("computer", HINT, "shares files"),
    "tcp/554": ("camera", WEAK, "streams video"),
    "tcp/37777": ("camera", STRONG, "answers as Dahua's cameras do"),
    "tcp/34567": ("camera", STRONG, "answers as network recorders do"),
    "tcp/8009": ("media", WEAK, "answers as Google Cast does"),
    "tcp/8060": ("media", WEAK, "answers as Roku does"),
    "tcp/7000": ("media", HINT, "answers as AirPlay does"),
    "tcp/1400": ("speaker", FAIR, "answers as loudspeakers by Sonos do"),
    "tcp/5060": ("voip", WEAK, "can be called by SIP"),
    "udp/5060": ("voip", WEAK, "can be called by SIP"),
    "tcp/6668": ("iot", FAIR, "answers as Tuya's modules do"),
    "tcp/9999": ("iot", HINT, "answers as Kasa's plugs do"),
    "tcp/55443": ("light", FAIR, "answers as lamps by Yeelight do"),
    "tcp/32400": ("server", WEAK, "serves media by Plex"),
    "tcp/8123": ("server", WEAK, "runs Home Assistant"),
    "tcp/1883": ("server", HINT, "is a broker of messages"),
    "tcp/8006": ("server", WEAK, "runs Proxmox"),
    "tcp/5001": ("nas", HINT, "answers as Synology's storage does"),
}

# The end of a domain that a device asks for -> kind, strength, whose it is.
CLOUDS = {
    "meethue.com": ("hub", WEAK, "Philips Hue"),
    "lightify.com": ("hub", WEAK, "Lightify"),
    "arrayent.com": ("hub", WEAK, "Lightify and others"),
    "xbcs.net": ("iot", WEAK, "WeMo"),
    "wemo2.com": ("iot", WEAK, "WeMo"),
    "tplinkcloud.com": ("iot", WEAK, "Kasa and Tapo"),
    "tplinkra.com": ("iot", WEAK, "Kasa and Tapo"),
    "mydlink.com": ("iot", WEAK, "mydlink"),
    "myedimax.com": ("iot", WEAK, "Edimax"),
    "ednetworks.com": ("iot", WEAK, "ednet"),
    "tuyaeu.com": ("iot", WEAK, "Tuya"),
    "tuyaus.com": ("iot", WEAK, "Tuya"),
    "tuyacn.com": ("iot", WEAK, "Tuya"),
    "coolkit.cc": ("iot", WEAK, "eWeLink"),
    "shelly.cloud": ("iot", WEAK, "Shelly"),
    "lifx.co": ("light", WEAK, "LIFX"),
    "netatmo.net": ("iot", WEAK, "Netatmo"),
    "withings.net": ("health", WEAK, "Withings"),
    "fitbit.com": ("health", HINT, "Fitbit"),
    "smarter.am": ("appliance", WEAK, "Smarter"),
    "eq-3.de": ("hub", HINT, "eQ-3"),
    "homematic.com": ("hub", WEAK, "Homematic"),
    "ecobee.com": ("thermostat", HINT, "ecobee"),
    "nest.com": ("iot", HINT, "Nest"),
    "ring.com": ("camera", HINT, "Ring"),
    "arlo.com": ("camera", HINT, "Arlo"),
    "irobotapi.com": ("appliance", WEAK, "iRobot"),
    "roborock.com": ("appliance", WEAK, "Roborock"),
    "home-connect.com": ("appliance", WEAK, "Home Connect"),
    "sonos.com": ("speaker", HINT, "Sonos"),
    "roku.com": ("media", HINT, "Roku"),
    "samsungcloudsolution.com": ("tv", WEAK, "Samsung's televisions"),
    "samsungcloudsolution.net": ("tv", WEAK, "Samsung's televisions"),
    "lgtvsdp.com": ("tv", WEAK, "LG's televisions"),
    "playstation.net": ("console", WEAK, "PlayStation"),
    "xboxlive.com": ("console", HINT, "Xbox"),
    "nintendo.net": ("console", WEAK, "Nintendo"),
    "hpeprint.com": ("printer", WEAK, "HP's printers"),
    "epsonconnect.com": ("printer", WEAK, "Epson's printers"),
    "synology.com": ("nas", HINT, "Synology"),
    "quickconnect.to": ("nas", WEAK, "Synology"),
}

_AGENTS = (
    (r"iphone|windows phone", "phone", FAIR, "a phone's"),
    (r"\bipad", "tablet", FAIR, "a tablet's"),
    (r"smart-?tv|web0s|netcast|hbbtv|bravia|viera|tizen[^)]{0,40}tv", "tv", FAIR, "a television's"),
    (r"appletv|crkey|roku/|roku dvp|\baft[a-z]{1,4}\b", "media", FAIR, "a streaming box's"),
    (r"playstation|xbox|nintendo", "console", FAIR, "a game console's"),
    (r"sonos/", "speaker", FAIR, "a loudspeaker's"),
    (r"android[^)]{0,120}\) applewebkit.{0,80}mobile", "phone", WEAK, "a phone's"),
    (r"android", "mobile", WEAK, "Android's"),
    (r"cros ", "computer", FAIR, "ChromeOS's"),
    (r"windows nt", "computer", WEAK, "Windows'"),
    (r"macintosh|mac os x", "computer", HINT, "macOS's"),
    (r"x11; (?:ubuntu; |fedora; )?linux", "computer", WEAK, "a Linux desktop's"),
    (r"debian apt|apt-http|libdnf|pacman/|zypp", "computer", WEAK, "Linux's when it looks for updates"),
    (r"microsoft-cryptoapi|windows-update-agent|microsoft ncsi", "computer", FAIR, "Windows'"),
    (r"esp8266|esp32", "iot", FAIR, "a microcontroller's"),
)
_AGENT_ROWS = tuple((re.compile(pattern), kind, strength, whose) for pattern, kind, strength, whose in _AGENTS)


# Clouds that all smart things of a maker ask for, and his other things do not: one with a MAC of this maker is no
# telephone with his app.
OWN = {
    "myedimax.com": "edimax",
    "withings.net": "withings",
    "netatmo.net": "netatmo",
    "meethue.com": "philips lighting",
}


def of_cloud(domain: str, vendor: str | None) -> Vote | None:
    """What it says that a device of `vendor` asks for a domain: its longest known end counts."""
    labels = domain.lower().rstrip(".").split(".")
    for at in range(max(0, len(labels) - 4), len(labels) - 1):
        end = ".".join(labels[at:])
        if found := CLOUDS.get(end):
            kind, strength, whose = found
            if end in OWN and vendor and vendor.lower().startswith(OWN[end]):
                return Vote(kind, FAIR, f"asks for the cloud of its maker ({domain})")
            return Vote(kind, strength, f"asks for the cloud of {whose} ({domain})")
    return None


def of_agent(text: str) -> Vote | None:
    """What a User-Agent says; Android's names the model of its device."""
    lower = text.lower()
    if "android" in lower and (found := words.find(text)):
        return Vote(found[0], FAIR, f"its User-Agent names {found[2]!r} ({text[:_LONGEST_SHOWN]})")
    for pattern, kind, strength, whose in _AGENT_ROWS:
        if pattern.search(lower):
            return Vote(kind, strength, f"its User-Agent is {whose} ({text[:_LONGEST_SHOWN]})")
    return None
