"""Domains that the devices of one manufacturer ask DNS for, and hardly anybody else.

What people's browsers and telephones ask for as well, such as shops, streams, and what the makers' apps and pages
need, tells nothing and is not here. Only which of these domains it was is ever kept.
"""

from netwatchd.decoders.dns import Name

# Domain -> why a query for a name in it tells what asks.
CLOUDS = {
    "bridge.meethue.com": "Philips Hue bridges report to it; the app uses other names",
    "diagnostics.meethue.com": "Philips Hue bridges send their diagnostics there",
    "ws.meethue.com": "Philips Hue bridges keep a WebSocket open to it, by which commands from outside come",
    "ecdinterface.philips.com": "Philips Hue bridges register there",
    "cpp.philips.com": "the connected products of Philips, of which the Hue bridge is the most frequent",
    "xbcs.net": "WeMo's cloud; the plugs keep a connection to nat.xbcs.net",
    "withings.net": "scales, blood pressure monitors and sleep mats of Withings; its pages and app use withings.com",
    "devs.tplinkcloud.com": "Kasa and Tapo plugs, lamps and cameras; the apps ask for wap.tplinkcloud.com",
    "auto.mydlink.com": "cameras and plugs of D-Link, for their relays",
    "signal.mydlink.com": "cameras and plugs of D-Link, for the connection that waits for the app",
    "ntp1.dlink.com": "devices of D-Link set their clocks by it",
    "myedimax.com": "plugs and cameras of Edimax",
    "arrayent.com": "Osram's Lightify gateways, and household appliances with the same platform",
    "netatmo.net": "weather stations, thermostats and cameras of Netatmo; its pages and app use netatmo.com",
    "ws.sonos.com": "loudspeakers of Sonos report to it",
    "scribe.logs.roku.com": "Roku's players and televisions send their logs there",
    "samsungcloudsolution.com": "televisions of Samsung",
    "samsungcloudsolution.net": "televisions of Samsung",
    "samsungotn.net": "televisions of Samsung, for their firmware",
    "samsungrm.net": "televisions of Samsung",
    "pavv.co.kr": "televisions of Samsung",
    "internetat.tv": "televisions of Samsung",
    "lgtvsdp.com": "televisions of LG",
    "lgtvcommon.com": "televisions of LG",
    "lgsmartad.com": "televisions of LG show advertisements from it",
    "lgappstv.com": "televisions of LG",
    "bravia.dtv.ovp.sony.net": "televisions of Sony",
    "tvinteractive.tv": "televisions of Vizio",
    "cognitivenetworks.com": "televisions of Vizio, which tell what is watched",
    "nettvservices.com": "televisions of Philips",
    "playstation.net": "consoles of Sony",
    "nintendo.net": "consoles of Nintendo; its shop in a browser is nintendo.com",
    "nintendowifi.net": "Nintendo's Wii and DS",
    "hpeprint.com": "printers of HP, for printing from outside",
    "ecpp.epson.com": "printers of Epson",
    "brother-cloud.com": "printers of Brother",
    "update.synology.com": "network storage of Synology looks for new versions",
    "easy4ipcloud.com": "cameras and recorders of Dahua",
    "myfoscam.org": "cameras of Foscam keep their dynamic names there",
    "ecouser.net": "vacuum cleaners of Ecovacs",
    "broker.lifx.co": "lamps of LIFX, for v2.broker.lifx.co; the app asks for cloud.lifx.com",
    "ot.io.mi.com": "devices of Xiaomi's Mi Home; the app asks for api.io.mi.com",
    "transport.home.nest.com": "thermostats, cameras and smoke detectors of Nest",
    "dc.connect.smartthings.com": "hubs of SmartThings",
    "tuyaeu.com": "devices with the platform of Tuya, in Europe",
    "tuyaus.com": "devices with the platform of Tuya, in America",
    "tuyacn.com": "devices with the platform of Tuya, in China",
    "coolkit.cc": "switches of Sonoff",
    "fota.ikea.net": "gateways of IKEA, for their firmware",
    "smarter.am": "kettles and coffee machines of Smarter",
    "bose.io": "loudspeakers of Bose",
    "vtuner.com": "internet radios, for their list of stations",
    "frontier-nuvola.net": "internet radios with the module of Frontier Silicon",
    "wifiradiofrontier.com": "internet radios with the module of Frontier Silicon",
    "device-metrics-us.amazon.com": "Amazon's Echo, Fire TV and Kindle",
    "device-metrics-us-2.amazon.com": "Amazon's Echo, Fire TV and Kindle",
    "bob-dispatch-prod-eu.amazon.com": "Amazon's Echo, for what is said",
    "bob-dispatch-prod-na.amazon.com": "Amazon's Echo, for what is said",
    "push.apple.com": "Apple's devices keep a connection to it, for what is pushed to them",
    "connectivitycheck.gstatic.com": "Android and Chrome OS look there whether they are online",
    "msftconnecttest.com": "Windows looks there whether it is online",
    "msftncsi.com": "older Windows looks there whether it is online",
    "captive.apple.com": "Apple's devices look there whether they are online",
    "connectivity-check.ubuntu.com": "Ubuntu looks there whether it is online",
}

_DOMAINS = {tuple(domain.split(".")) for domain in CLOUDS}
_LONGEST = max(map(len, _DOMAINS))


def cloud_of(name: Name) -> str | None:
    """The domain in CLOUDS that a name lies in, the longest one; None where there is none."""
    lower = tuple(label.lower() for label in name[-_LONGEST:])
    for length in range(len(lower), 1, -1):
        if lower[-length:] in _DOMAINS:
            return ".".join(lower[-length:])
    return None
