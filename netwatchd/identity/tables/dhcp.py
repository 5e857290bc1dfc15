"""DHCP clients: what their vendor class says (RFC 2132 option 60), and which options they ask for (option 55).

The list of options belongs to the client program and its settings, so to a system, and only through that to a kind of
device. A list is not looked up but understood: the rules name the options that only one family of clients asks for.
Options: 1 mask, 3 router, 6 DNS, 12 name, 15 domain, 26 MTU, 28 broadcast, 31 router discovery, 33 and 121 routes (249:
Microsoft's), 43 vendor, 44 to 47 NetBIOS, 51 lease, 58 and 59 renewal, 66 and 67 boot, 95 LDAP, 108 IPv6-only, 114
captive portal, 119 search list, 122 cable modems, 128 to 135 PXE, 150 Cisco's TFTP, 252 proxy.
"""

import re
from typing import NamedTuple

from netwatchd.identity.tables import FAIR, HINT, STRONG, SURE, WEAK, Vote

# A pattern that the vendor class begins with, in lower case -> kind, strength, what it is.
_CLASSES: tuple[tuple[str, str, int, str], ...] = (
    # Printers, which mostly tell their maker and model in the form of IEEE 1284: Mfg=...;Typ=...;Mod=...
    (r"mfg=[^;]{0,80};(?:cls=)?ty[ep]e?=[^;]{0,80}(?:print|mfp|aio|mfd|multif)", "printer", SURE, "is a printer"),
    (r"mfg=(?:[^;]{0,40}xerox|lexmark|hewlett|hp|brother|canon|epson|ricoh|kyocera|oki|konica|sharp|dell|samsung)",
     "printer", STRONG, "is a printer"),
    (r"(?:hewlett[- ]packard|hp) (?:officejet|laserjet|printer|jetdirect|deskjet|envy|photosmart|designjet|pagewide)",
     "printer", SURE, "is a printer by HP"),
    (r"(?:jetdirect|canon (?:ir|mf|lbp|ts|mg|mx|pixma|tm|ipf|image)|epson|brother|lexmark|ricoh|kyocera|konica|kmbt"
     r"|xerox|fuji ?xerox|oki data|zebra|sharp mx|toshiba e-?studio|imagerunner|seiko epson|riso|tec[ -]b|sato\b)",
     "printer", STRONG, "is a printer"),
    # Telephones.
    (r"cisco systems,? inc\.? (?:ip |wireless )?(?:phone|conference)|cisco[ -](?:spa|cp)", "voip", SURE,
     "is a telephone by Cisco"),
    (r"(?:polycom|poly)[ -]?(?:sound|vvx|trio|ccx|edge|obi|real|\d)|polycom|plcm|obihai", "voip", STRONG,
     "is a telephone by Polycom"),
    (r"yealink|snom|aastra|mitel|avaya|ccp\.avaya|alcatel\.(?:noe|sip)|shoretel|gigaset|unify|optipoint|openstage"
     r"|sipura|linksys/spa|linksys spa|ipphone|ip phone|digium|fanvil|htek|panasonic kx|nortel|nt[ei]-ip|i2004|sangoma",
     "voip", STRONG, "is a telephone"),
    (r"grandstream (?:gxp|ht|gxv3[23]|dp|grp|wp|gac|ucm|gxw)", "voip", SURE, "is a telephone by Grandstream"),
    (r"(?:gxp|ht-?[578]|dp7|grp)\d", "voip", STRONG, "is a telephone by Grandstream"),
    # The network.
    (r"cisco ap|cisco systems, inc\. ap|airespace|arubaap|aruba ?instant|meraki ?ap|ruckus|ubnt|aerohive|ubiquiti uap"
     r"|mist|symbol\.?ap|motorolaap|extremeap|hpe? ?msm|cambium|capwap", "access_point", STRONG, "is an access point"),
    (r"arista|juniper-(?:ex|qfx)|hpe? (?:[ja]\d{3,4}|procurve|aruba|switch)|procurve|cumulus|dell ?emc ?n|huawei.?s\d"
     r"|icx|fastiron|edgeswitch|h3c.? ?s\d", "switch", STRONG, "is a switch"),
    (r"juniper|jnpr|aruba|ciscopnp|cisco air-|cisco c|cisco ws|mikrotik|fortinet|fortigate|paloalto"
     r"|huawei ar|sonicwall|edgeos",
     "network", FAIR, "is network equipment"),
    (r"docsis|pktc|cablehome|cable ?modem|eurodocsis", "router", STRONG, "is a cable modem"),
    (r"dslforum|[^ ]{0,40}\.dslforum|tr-?069|speedport|fritz!?box|livebox|openwrt|dd-wrt|sagem|thomson|technicolor"
     r"|arcadyan", "router", FAIR, "is a router"),
    # What plays.
    (r"roku", "media", SURE, "is by Roku"),
    (r"tivo|hdhomerun|amino|ipstb|ip-?stb|arris-?vip|vip\d{4}|mag\d{3}|stb|sky ?q|humax|telekom ?mr", "media", STRONG,
     "is a set-top box"),
    (r"samsung ?tv|lg ?tv|webos|vizio|bravia|hbbtv|smart-?tv|tizen", "tv", STRONG, "is a television"),
    (r"sonos|bose|heos|musiccast", "speaker", STRONG, "is a loudspeaker"),
    (r"xbox|msft xbox|ps[345]\b|ps ?vita|playstation|nintendo", "console", SURE, "is a game console"),
    # The house.
    (r"axis[ ,;]|network ?camera|ip-?cam|hikvision|dahua|vivotek|mobotix|acti\b|arecont|bosch.?(?:flexi|auto|dinion)",
     "camera", STRONG, "is a camera"),
    (r"withings", "health", SURE, "is by Withings"),
    (r"fitbit", "health", STRONG, "is by Fitbit"),
    (r"nest|ecobee|honeywell ?th|tado", "thermostat", FAIR, "is a thermostat"),
    (r"apc\b|eaton|tripp ?lite|liebert|sma ?solar|fronius|solaredge|enphase|tesla ?wall", "energy", FAIR,
     "is a supply of power"),
    # Computers.
    (r"hp ?ilo|hpe? integrated lights|ilo\b|idrac|dell ?drac|ipmi|bmc\b|cpqrib|supermicro", "server", STRONG,
     "manages a server"),
    (r"synology|qnap|readynas|freenas|truenas|netapp|buffalo", "nas", STRONG, "is storage"),
    (r"aaplbsdpc", "computer", STRONG, "is a Mac that boots from the network"),
    (r"msft (?:5\.|98|win)|msft\b|ms-?win", "computer", FAIR, "runs Windows"),
    (r"pxeclient|etherboot|ipxe|httpclient:arch", "computer", WEAK, "boots from the network"),
    (r"sunw[.,]|solaris|freebsd|openbsd|netbsd|anaconda|d-i\b|ubuntu|debian|wyse|thinclient|igel", "computer", FAIR,
     "is a computer"),
    (r"dhcpcd[- ][^:]{1,30}:linux-[^:]{1,60}:(?:x86_64|i.86|aarch64:raspberry|armv\dl?:bcm2|aarch64:bcm2)",
     "computer", FAIR, "runs Linux on a computer"),
    (r"dhcpcd[- ][^:]{1,30}:linux", "computer", WEAK, "runs Linux"),
    # Mobile ones: Android also drives televisions, so this is not enough alone.
    (r"android-dhcp-\d", "mobile", 40, "runs Android"),
    (r"dhcpcd-(?:4\.0\.(?:1|15)|5\.(?:2\.10|5\.6))$", "mobile", WEAK, "runs an old Android"),
    (r"blackberry", "phone", STRONG, "is a BlackBerry"),
    # What says only that a small Linux is in it.
    (r"udhcpc?\b", "iot", HINT, "runs a small Linux"),
)  # fmt: skip
CLASSES = tuple((re.compile(pattern), kind, strength, what) for pattern, kind, strength, what in _CLASSES)


def of_class(text: str) -> Vote | None:
    """What a vendor class says; one of DHCPv6 has the number of the enterprise before it."""
    lower = text.lower().lstrip("0123456789 ")
    for pattern, kind, strength, what in CLASSES:
        if pattern.match(lower):
            return Vote(kind, strength, f"{what}, as its DHCP client says ({text})")
    return None


class _Rule(NamedTuple):
    """A list fits that begins with `begins`, has all of `has` and nothing of `lacks`, and no more than `most`."""

    kind: str
    strength: int
    what: str
    begins: tuple[int, ...] = ()
    has: frozenset[int] = frozenset()
    lacks: frozenset[int] = frozenset()
    most: int = 255


def _options(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


# The first that fits counts: what one maker alone asks for stands above what many do.
RULES = (
    # PacketCable's provisioning: cable modems and their telephone adapters.
    _Rule("router", STRONG, "as cable modems do", has=_options(122)),
    # Cisco's telephones want addresses of TFTP servers; mobile phones with Cisco's client do, in another order.
    _Rule("voip", STRONG, "as Cisco's telephones do", begins=(1, 66, 6, 3, 15, 150)),
    _Rule("voip", FAIR, "as telephones do", has=_options(150, 66), lacks=_options(28, 35, 67)),
    _Rule("voip", FAIR, "as Polycom's telephones do", has=_options(160), lacks=_options(28, 119)),
    # PXE: what a network card asks for before any system runs.
    _Rule("computer", FAIR, "as network cards do to boot", has=_options(60, 67, 128, 129, 130, 131)),
    # HP's JetDirect asks for DNS before the mask.
    _Rule("printer", FAIR, "as HP's printers do", begins=(6, 3, 1, 15, 66, 67, 13, 44), lacks=_options(43, 58)),
    # Windows: NetBIOS, router discovery and Microsoft's own code of classless routes. NetworkManager, too, asks for
    # 249, but for no NetBIOS nodes.
    _Rule("computer", FAIR, "as Windows does", has=_options(31, 33, 43, 44, 46, 47, 121, 249)),
    _Rule("computer", FAIR, "as Windows XP does", has=_options(31, 33, 43, 44, 46, 47, 249), begins=(1, 15, 3, 6)),
    _Rule("computer", WEAK, "as older Windows does", has=_options(31, 33, 43, 44, 46, 47), begins=(1, 15, 3, 6)),
    # Apple: proxy and search list. macOS asks for its directory and NetBIOS as well, iOS, tvOS and watchOS do not.
    _Rule("computer", FAIR, "as macOS does", has=_options(1, 3, 6, 15, 119, 252, 95, 44, 46), lacks=_options(12, 28)),
    _Rule("mobile", 40, "as iPhones and iPads do", has=_options(1, 3, 6, 15, 119, 252),
          lacks=_options(12, 26, 28, 33, 42, 44, 95, 249), most=12),
    # Android since 5, and since 2 with dhcpcd. It drives televisions, too.
    _Rule("mobile", 40, "as Android does", begins=(1, 3, 6, 15, 26, 28, 51, 58, 59), lacks=_options(12)),
    _Rule("mobile", WEAK, "as old Android does", begins=(1,), has=_options(3, 6, 15, 28, 51, 58, 59),
          lacks=_options(12, 26, 42), most=12),
    # lwIP, the IP of microcontrollers, in its order; the ESP8266 adds what Windows would ask for, but not 249.
    _Rule("iot", FAIR, "as microcontrollers do", begins=(1, 3, 28, 6), most=4),
    _Rule("iot", FAIR, "as microcontrollers do", begins=(1, 3, 28, 6, 15, 44, 46, 47, 31, 33), most=14),
    # NetworkManager and dhclient of desktops and servers, and of whatever else is built upon them.
    _Rule("computer", FAIR, "as Linux desktops do", has=_options(12, 17, 26, 28, 40, 41, 42, 119, 121, 249)),
    _Rule("computer", FAIR, "as Linux computers do", begins=(1, 28, 2), has=_options(12, 119, 121, 249)),
    _Rule("computer", WEAK, "as ISC's client for Linux and BSD does", begins=(1, 28, 2), has=_options(12),
          lacks=_options(43, 60, 157)),
    _Rule("computer", WEAK, "as Linux computers do", has=_options(12, 42, 51, 54, 58, 59, 119, 121)),
    _Rule("computer", WEAK, "as systemd does", has=_options(12, 33, 42, 119, 120, 121), lacks=_options(43, 249)),
    # udhcpc of small Linux systems, in its order: routers, cameras, plugs, storage.
    _Rule("iot", HINT, "as small Linux systems do", begins=(1, 3, 6, 12, 15, 28), lacks=_options(119), most=10),
)  # fmt: skip


def of_parameters(text: str) -> Vote | None:
    """What a list of options says: the first rule that holds."""
    asked = tuple(int(word) for word in text.split(",")[:255] if word.isascii() and word.isdigit() and len(word) < 4)
    options = frozenset(asked)
    for rule in RULES:
        begins = asked[: len(rule.begins)] == rule.begins
        if begins and rule.has <= options and not rule.lacks & options and len(asked) <= rule.most:
            return Vote(rule.kind, rule.strength, f"asks for its address {rule.what} (DHCP options {text})")
    return None
