"""Names of devices: what is none, what comes from the factory, and which of several is the best.

A name is text from the network: it is compared and cut, and never taken for a pattern. All patterns here are fixed,
look at LONGEST characters at most, and repeat nothing within a repetition, so that no text takes them long.
"""

import re
from collections.abc import Iterable

from netwatchd.events import Clue


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LONGEST = 255  # characters of a name that are looked at (RFC 1035 section 2.3.4)

# What people's home routers and mDNS put behind a name; it tells nothing (RFC 6762, RFC 8375, common firmware).
_HOME = (
    ".home.arpa", ".fritz.box", ".localdomain", ".local", ".lan", ".home", ".internal", ".speedport.ip", ".box",
    ".domain", ".arpa", ".intranet", ".localnet",
)  # fmt: skip

# What programs write where they know no name, or never were given one.
_NOTHING = _words(
    """
    localhost localhost4 localhost6 localhost.localdomain none null nil n/a na unknown unnamed undefined default
    hostname host name client device dhcp dhcpclient dhcp-client anonymous noname no-name nobody not-set notset unset
    test - -- ? * . ip6-localhost ip6-loopback broadcasthost gateway _gateway blank empty dynamic static target
    """
)

# RFC 6762 section 9: who finds its name taken adds a number: "iMac-2.local"; an instance "iMac (2)".
_CONFLICT = re.compile(r"(.+?)(?:-(?:[2-9]|[1-9]\d)| ?\((?:[2-9]|[1-9]\d)\))")

_SEPARATORS = re.compile(r"[\s_.'’()\[\]-]+")

# Digits that no second device of the make has: of the MAC, or a serial number. Four or five may well be of a model
# (SM-A528B), so there must be six; they stand behind a word directly (GainSpanca9152), or behind a separator.
_OWN_DIGITS = re.compile(
    r"(?=.*\d)[a-z].*?[-_ :.](?:[0-9a-f]{6,32}|[0-9a-z]*\d{6,}|(?:[0-9a-f]{2}[-:]){2,5}[0-9a-f]{2})(?:-\d+)?"
)
_OWN_TAIL = re.compile(r"[a-z]{2,}?(?=[a-f]*\d)[0-9a-f]{6,16}")

# Windows makes up a name at its installation: DESKTOP- or LAPTOP- and 7 characters, servers WIN- and 11.
_WINDOWS_OWN = re.compile(r"(?:desktop|laptop)-[0-9a-z]{7}|win-[0-9a-z]{11}|minint-[0-9a-z]{7}|[a-z]{1,8}-pc-?\d{4,}")

# The shape of a model number: DCS-935L, HS100, TFY-LX1, SM-G991B, M2101K6G, 22101316C.
_MODEL_NUMBER = re.compile(
    r"[a-z]{2,4}[-_ ]?[a-z]{0,2}\d{2,5}[a-z]{0,3}\d?[a-z]?(?:[-_ ]?\(?(?:eu|us|uk|jp|cn|au|de|fr)\)?)?"
    r"|[a-z]{3}[-_ ][a-z]{1,2}\d{1,2}[a-z]?"
    r"|[a-z]\d{4}[a-z]\d{1,2}[a-z]{1,3}|\d{4,8}[a-z][0-9a-z]{0,4}"
)

# What makers and systems call each of their devices. A word here may be followed by the words and numbers of a model
# (_MODEL_WORD), and by nothing else: "Galaxy-A52" is each of them, "Galaxy-A52-von-Anna" is Anna's.
_FACTORY = _words(
    """
    iphone ipad ipod ipodtouch imac macbook macbookpro macbookair macmini macpro macstudio mac mbp mba appletv
    homepod homepodmini applewatch watch airport timecapsule
    android galaxy samsung pixel nexus huawei honor xiaomi mi redmi poco oneplus oppo realme vivo nokia lenovo moto
    motorola xperia sony htc lg lge asus zenfone zte wiko fairphone nothing phone smartphone tablet blackberry
    galaxya galaxys galaxyz galaxynote galaxytab redminote tecno infinix itel tcl oukitel ulefone doogee
    cubot umidigi blackview jiophone rog mate nova reno myphone
    surface surfacepro surfacelaptop thinkpad ideapad latitude chromebook chromeos penguin dell harmonyos harmony msft
    oculus quest metaquest user guest livebox
    google chromecast googlehome googletv nesthub nestmini nestaudio nest amazon echo fire firetv firestick
    firetvstick aftt aftb aftm afts kindle kobo tolino roku shield shieldtv bravia tv smarttv webos tizen
    playstation ps3 ps4 ps5 psp vita xbox xboxone xboxsystemos wii wiiu nintendo switch steamdeck
    raspberrypi raspberry raspbian rpi pi octopi osmc libreelec coreelec openelec volumio moode dietpi retropie recalbox
    batocera homeassistant hassio hassos homebridge pihole ubuntu debian fedora archlinux arch manjaro popos kali
    linuxmint mint opensuse suse centos rocky almalinux alma rhel gentoo nixos alpine linux freebsd openbsd netbsd
    windows win win10 win11 desktop laptop notebook computer pc workstation server userpc adminpc homepc mypc
    macbookprovon
    diskstation synology nas mynas qnap ts mycloud wdmycloud readynas truenas freenas openmediavault unraid nextcloud
    openwrt lede ddwrt ddwrt router dlinkrouter fritzbox fritz speedport easybox asusrouter linksys netgear tplink
    ubnt unifi mikrotik switch accesspoint ap repeater extender archer deco velop orbi eero
    printer hp canon epson brother lexmark kyocera ricoh laserjet officejet deskjet envy pixma ecotank workforce
    camera ipcam ipcamera webcam nvr dvr dcs axis hikvision dahua reolink foscam wyze wyzecam
    esp espressif esp8266 esp32 tasmota sonoff shelly tuya wlan0 lwip arduino nodemcu wemos esphome wled tuyasmart smart
    philipshue hue huebridge lifx lightify yeelight tradfri ikea wiz nanoleaf kasa tapo wemo plug bulb light lamp
    sonos bose soundtouch denon heos yamaha marantz musiccast
    netatmo netatmopersonalweatherstation withings fitbit aria ecobee thermostat tado nuki ring doorbell roomba irobot
    roborock vacuum washer laundry lgsmartlaundry lgsmart dishwasher fridge kettle ikettle smarter smartercoffee
    lgwebostv vizio samsungtv panasonic hisense tcl sharp
    voip phone snom yealink polycom grandstream sip spa
    """
)
_MODEL_WORD = re.compile(
    r"[a-z]{0,3}\d{1,5}[a-z]{0,3}\d?|[a-z]{1,2}|pro|max|plus|ultra|lite|mini|air|se|fe|ultra|note|tab|tablet|edge|neo|go|xl"
    r"|5g|4g|lte|wifi|phone|book|fold|flip|zoom|play|power|style|one|smart|gen|generation|inch|zoll|tv|stick|cube|box"
    r"|home|hub|max|audio|view|display|show|dot|studio|mate|nova|pura|find|reno|nord|ace|prime|master|edition|open|color"
    r"|white|bridge|switch|plug|bulb|light|camera|cam|router|server|station|series|system|os|galaxy|redmi|android|nest"
    r"|pad|laundry|smart|touch|pixel|dhcp|spark|hot|camon|pova|blade|quest|watch|carbon|yoga|laptop"
)

_BARE_MODEL = re.compile(r"[a-z]\d{1,4}[a-z]?|[a-z]{2}\d{1,4}")

# Words that people number themselves: the second camera of a home has no maker's "camera2".
_NUMBERED = _words(
    """
    nas pc server laptop notebook desktop computer workstation camera cam ipcam printer router switch ap tv phone tablet
    mac linux windows plug bulb light lamp hue shelly
    """
)


# Which of several names is believed: what the user has written himself, what the device tells the network's own
# services, and last what others have given it.
TRUST = (
    "hosts_name", "dhcp_hostname", "mdns_name", "hostname", "netbios_name", "llmnr_name", "lldp_name", "dns_name",
    "mdns_instance",
)  # fmt: skip

# Only the MAC, an address, or a UUID, maybe with a word before it that says nothing; or a number by itself. A word and
# a number (pc-3) is how people name their machines.
_ONLY_NUMBERS = re.compile(
    r"(?:(?:host|ip|dhcp|client|device|unknown|pool|user|dyn|dynamic|static|pc)[-_. ]?)?"
    r"(?:(?:[0-9a-f]{2}[-:_.]?){5}[0-9a-f]{2}|(?:\d{1,3}[-_.]){3}\d{1,3}|(?:[0-9a-f]{1,4}[-:]{1,2}){3,7}[0-9a-f]{1,4}"
    r"|[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})(?:[-.].*)?|\d+"
)

# The names of products whose number is their own: what mDNS adds cannot be told from it.
_SERIES = _words("pixel nexus oneplus honor nokia mi redmi realme xperia mate nova note galaxy moto one ps echo find")


def best_name(clues: Iterable[Clue], mac: str | None = None) -> str | None:
    """The name to call the device by: of those that say something, the one whose source is trusted most.

    A name of the factory gives way to a personal one, where there is just one: `iPhone` to `Annas-iPhone`.
    """
    named = [(TRUST.index(kind), shown(value)) for kind, value in clues if kind in TRUST]
    everywhere = {plain(name) for _, name in named}
    found = []
    for trust, name in named:
        kept = _unnumbered(name, everywhere) if TRUST[trust].startswith("mdns") else name
        if not is_no_name(kept, mac):
            found.append((trust, is_generic(kept), -len(kept), kept))
    if not found:
        return None
    trust, generic, _, name = min(found)
    if generic and trust:
        personal = {plain(name): name for _, generic, _, name in sorted(found) if not (generic or has_own_digits(name))}
        return next(iter(personal.values())) if len(personal) == 1 else name
    return name


def shown(name: str) -> str:
    """A name as people read it: without the domain of a home; AirPlay puts the MAC and an @ before it."""
    text = name[:LONGEST].strip().rstrip(".")
    head, at, rest = text.partition("@")
    if at and rest and re.fullmatch("[0-9A-Fa-f]{12}", head):
        text = rest
    return text[: len(plain(text))] if plain(text) else text


def is_no_name(name: str, mac: str | None = None) -> bool:
    """Whether a name says nothing: `localhost`, `(none)`, only the MAC or an address."""
    text = plain(name)
    if _says_nothing(text) or _ONLY_NUMBERS.fullmatch(text):
        return True
    return mac is not None and text in (mac, mac.replace(":", ""), mac.replace(":", "-"))


def _unnumbered(name: str, everywhere: set[str]) -> str:
    """A name of mDNS without the number of a conflict, where the rest shows that it is one: known, or a product."""
    rest = without_conflict(name)
    if rest == name:
        return name
    words = [word for word in _SEPARATORS.split(plain(rest)) if word]
    ends = {words[-1], "".join(words[-2:])} if words else set()
    is_product = ends & (_FACTORY - _NUMBERED) and not ends & _SERIES
    return rest if plain(rest) in everywhere or name.endswith(")") or is_product else name


def plain(name: str) -> str:
    """A name as it is compared: lower case, without the domain of a home and the dot of the root."""
    text = name[:LONGEST].strip().rstrip(".").lower()
    for suffix in _HOME:
        if text.endswith(suffix) and len(text) > len(suffix):
            return text.removesuffix(suffix)
    return text


def without_conflict(name: str) -> str:
    """A name without the number that mDNS adds where a name is taken (RFC 6762 section 9): `iMac-2` is `iMac`.

    A person may number machines in the same way: this is for comparing names, not for showing them.
    """
    match = _CONFLICT.fullmatch(name[:LONGEST])
    # Of an address that is written with hyphens nothing is taken off.
    return match[1] if match and any(map(str.isalpha, match[1])) else name


def is_generic(name: str) -> bool:
    """Whether many devices have this name: from the factory, or because it says nothing.

    `iPhone`, `Pixel-7`, `Galaxy-S21`, `raspberrypi` and `SM-G991B` are such. `Annas-iPhone` is personal, and
    `ESP_07AEFB` and `DESKTOP-4F7H2K1` have digits that are one device's own. In doubt a short name that looks like a
    model number is generic: an equal name is then no evidence that two devices are one.
    """
    text = plain(name)
    if _says_nothing(text):
        return True
    if has_own_digits(text):
        return False
    if _MODEL_NUMBER.fullmatch(text):
        return True
    text = without_conflict(text)
    words = [word for word in _SEPARATORS.split(text) if word]
    return _is_factory(words)


def has_own_digits(name: str) -> bool:
    """Whether a name has digits that no other device of its make has: of its MAC, a serial number, a made up part."""
    text = plain(name)
    return bool(_WINDOWS_OWN.fullmatch(text) or _OWN_DIGITS.fullmatch(text) or _OWN_TAIL.fullmatch(text))


def _is_factory(words: list[str]) -> bool:
    """Whether the words begin with what makers call their devices, and go on with nothing but a model."""
    # The first words may be written as one or apart: "Apple TV", "AppleTV"; "Fire-TV-Stick".
    for taken in range(min(len(words), 4), 0, -1):
        if "".join(words[:taken]) in _FACTORY:
            return all(map(_is_of_a_model, words[taken:]))
    # What is left of a model's number where its maker does not stand before it: "P30-Pro", "S21-FE", "FP4".
    if words and _BARE_MODEL.fullmatch(words[0]) and words[0].rstrip("0123456789") not in _NUMBERED:
        return all(map(_is_of_a_model, words[1:]))
    # A number may be a part of the word: "galaxys21", "pixel7", "iphone13".
    stem = words[0].rstrip("0123456789") if words else ""
    return stem in _FACTORY - _NUMBERED and all(map(_is_of_a_model, words[1:]))


def _is_of_a_model(word: str) -> bool:
    stem = word.rstrip("0123456789") or word
    return bool(_MODEL_WORD.fullmatch(word) or _MODEL_WORD.fullmatch(stem)) or word in _FACTORY


def _says_nothing(text: str) -> bool:
    return not text or text in _NOTHING or text.strip("()[]<>\"'*") in _NOTHING
