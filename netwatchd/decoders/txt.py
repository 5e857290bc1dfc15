"""TXT records of DNS-SD (RFC 6763 section 6): which keys tell of a device's model, its name and who it is."""

import re
from collections.abc import Iterable

from netwatchd.decoders.clues import clue, printable
from netwatchd.events import Clue

# Keys that hold a model whatever the service is: Apple and many others; displays and network storage; Hue; Matter's
# and Apple's companions; network cameras and loudspeakers.
_MODELS = {"model", "modelname", "modelid", "displaymodel", "rpmd"}
_MODELS_OF = {
    "_raop._tcp": {"am"},  # AirPlay's sound
    "_googlecast._tcp": {"md"},
    "_hap._tcp": {"md"},  # HomeKit
    "_hap._udp": {"md"},
    "_elg._tcp": {"md"},  # Elgato's lamps
    "_nanoleafapi._tcp": {"md"},
    "_meshcop._udp": {"mn"},  # Thread's border routers
    "_homeconnect._tcp": {"vib"},
    "_shelly._tcp": {"app"},
    "_axis-video._tcp": {"product"},
    # Bonjour Printing Specification 1.2.1: `product` is the PostScript name, in brackets.
    "_ipp._tcp": {"ty", "product", "usb_mdl"},
    "_ipps._tcp": {"ty", "product", "usb_mdl"},
    "_printer._tcp": {"ty", "product", "usb_mdl"},
    "_pdl-datastream._tcp": {"ty", "product", "usb_mdl"},
    "_scanner._tcp": {"ty", "mdl"},
    "_uscan._tcp": {"ty"},
    "_uscans._tcp": {"ty"},
}
# Keys whose value no other device has. What pairs, groups or networks have in common is not among them: `gid` of
# AirPlay, `xp` of Thread; nor is `cn`, which lists the codecs of AirPlay.
_IDS = {"deviceid", "uuid", "mac", "macaddress", "mac_address", "bridgeid", "serial", "serialnumber"}
# Where `id` is the device's own, and not that of something it plays or belongs to.
_WITH_ID = {"_googlecast._tcp", "_hap._tcp", "_hap._udp", "_elg._tcp", "_nanoleafapi._tcp", "_ewelink._tcp"}
# Names that people gave, where the instance is called by a number.
_NAMES = {"_googlecast._tcp": "fn", "_matterc._udp": "dn", "_amzn-wplay._tcp": "n", "_esphomelib._tcp": "friendly_name"}
# What says only what kind of device it is, kept with its key: the category of an accessory (HomeKit Accessory Protocol,
# section 13), and the version of macOS, which nothing else has.
_KINDS = {("_hap._tcp", "ci"), ("_hap._udp", "ci"), ("_device-info._tcp", "osxvers")}
# Loudspeakers that were put together announce themselves as one more device.
_GROUP = "google cast group"

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z:._-]{6,126}[0-9A-Za-z]")
_LEAST_CHARACTERS = 4  # different ones: an identifier of zeros is nobody's
_MOST_KEYS = 64


def clues_of_txt(service: str, texts: Iterable[bytes]) -> tuple[Clue, ...]:
    """What the strings of a TXT record tell of the device that offers the service."""
    values: dict[str, bytes] = {}
    for text in list(texts)[:_MOST_KEYS]:
        name, _, told = text.partition(b"=")
        values.setdefault(name.decode(errors="replace").lower(), told)  # the first one counts (section 6.4)
    if printable(values.get("md", b"")).lower() == _GROUP:
        return ()
    found: list[Clue] = []
    for key, value in values.items():
        if key in _MODELS or key in _MODELS_OF.get(service, ()):
            model = printable(value)
            in_brackets = key == "product" and model.startswith("(") and model.endswith(")")
            found += clue("mdns_model", model[1:-1] if in_brackets else model)
        elif key in _IDS or (key == "id" and service in _WITH_ID):
            found += _identifier(value)
        elif (service, key) in _KINDS and (kind := printable(value)):
            found += clue("mdns_model", f"{key}={kind}")
        elif key == _NAMES.get(service):
            found += clue("mdns_instance", value)
    return tuple(found)


def _identifier(value: bytes) -> tuple[Clue, ...]:
    text = printable(value)
    tells = _ID.fullmatch(text) and len(set(text.lower()) - set(":._-")) >= _LEAST_CHARACTERS
    return clue("mdns_id", text) if tells else ()
