"""Makers who make one kind of device, or one family of them: only these decide anything.

Who makes everything (Apple, Samsung, LG, Sony, Xiaomi, Huawei, D-Link, TP-Link, Belkin, Netgear, Asus, Amazon, Google,
Philips, Panasonic, Bosch), and who makes network cards for everybody (Intel, Realtek, Liteon, Murata, AzureWave, Hon
Hai, Delta, Ampak), is not here. A name is compared with the beginning of what the registry says, word by word.
"""

from netwatchd.identity.tables import FAIR, HINT, STRONG, WEAK, Vote

# Beginnings of names in lower case, between commas, for: kind, strength, what they make.
_MAKERS: tuple[tuple[str, int, str, str], ...] = (
    ("printer", FAIR, "printers", """
        brother industries, lexmark, kyocera document, seiko epson, oki electric, zebra technologies,
        konica minolta,
        xerox, ricoh, riso kagaku, star micronics, sato
    """),
    ("printer", WEAK, "printers and cameras", """
        canon
    """),
    ("camera", FAIR, "cameras", """
        axis communications, hangzhou hikvision, zhejiang dahua, vivotek, mobotix, reolink, wyze labs, arlo,
        ring llc,
        amcrest, swann, avigilon, hanwha, arecont, geovision, hangzhou ezviz, zhejiang uniview, instar
    """),
    ("speaker", FAIR, "loudspeakers", """
        sonos, bose, bang & olufsen, libratone, devialet, linn products, naim audio
    """),
    ("speaker", WEAK, "audio equipment", """
        harman, d&m holdings, yamaha, onkyo, sound united
    """),
    ("media", FAIR, "streaming and set-top boxes", """
        roku, tivo, silicondust, humax, amino, sling media
    """),
    ("tv", WEAK, "televisions", """
        vizio, hisense, qingdao hisense, tcl king, shenzhen tcl, skyworth, shenzhen skyworth, loewe, metz, vestel,
        tp
        vision, funai
    """),
    ("console", STRONG, "game consoles", """
        nintendo, sony interactive, sony computer entertainment, valve corporation
    """),
    ("nas", WEAK, "disks and storage, and once network cards", """
        western digital
    """),
    ("nas", FAIR, "storage", """
        synology, qnap, asustor, thecus, iomega, netapp
    """),
    ("computer", FAIR, "small computers", """
        raspberry pi
    """),
    ("computer", WEAK, "computers", """
        dell inc, dell technologies, clevo, micro-star, giga-byte, asrock, super micro, framework computer, fujitsu
        technology, elitegroup, quanta computer, wistron, compal information, dynabook, acer, lcfc, shuttle,
        pc engines
    """),
    ("computer", FAIR, "virtual machines", """
        vmware, pcs systemtechnik, xensource, parallels, proxmox, nutanix
    """),
    ("voip", FAIR, "telephones", """
        grandstream, yealink, xiamen yealink, snom, polycom, aastra, mitel, gigaset, shoretel, avaya, obihai,
        fanvil,
        digium, auerswald, audiocodes, tiptel, agfeo
    """),
    ("router", FAIR, "routers", """
        freebox sas
    """),
    ("router", WEAK, "routers and modems", """
        technicolor, sagemcom, arcadyan, zyxel, draytek, actiontec, arris, commscope, 2wire, vantiva, askey,
        sercomm,
        hitron, ubee, kaon group, kaon broadband, lancom, peplink, gl technologies, teltonika, bintec
    """),
    ("network", FAIR, "network equipment", """
        ubiquiti, avm, routerboard, ruckus, cisco meraki, juniper, extreme networks, arista, fortinet, cambium,
        eero, plume,
        mist systems, brocade, allied telesis, palo alto, sonicwall, watchguard, engenius, edgecore
    """),
    ("network", WEAK, "network equipment and telephones", """
        cisco systems, cisco spvtg
    """),
    ("health", FAIR, "devices for health", """
        withings, fitbit, omron healthcare, resmed, tanita, polar electro
    """),
    ("light", FAIR, "lamps", """
        lifi labs, nanoleaf, yeelink, wiz iot, wiz connected, ledvance
    """),
    ("iot", FAIR, "lamps and the control of homes", """
        philips lighting, signify, osram, lutron, ikea of sweden, universal devices, control4, crestron, fibar,
        smartthings, dresden-elektronik, loxone, fa. gira, leviton, legrand, bticino
    """),
    ("iot", FAIR, "devices for the home and chips in them", """
        espressif, netatmo, tuya, hangzhou broadlink, eq-3, shelly, gainspan, particle industries, bouffalo, beken,
        shanghai
        mxchip, hi-flying, shanghai high-flying, chengdu meross, velux, somfy, rademacher, shenzhen orvibo,
        lumi united,
        shenzhen coolkit, viessmann, vaillant, danfoss
    """),
    ("sensor", FAIR, "sensors and weather stations", """
        davis instruments, airthings
    """),
    ("thermostat", FAIR, "thermostats", """
        ecobee, tado, resideo
    """),
    ("iot", FAIR, "thermostats, smoke alarms and cameras", """
        nest labs
    """),
    ("lock", FAIR, "locks and doors", """
        august home, nuki, allegion, chamberlain, salto systems
    """),
    ("appliance", FAIR, "household appliances", """
        irobot, beijing roborock, dyson, miele, bsh, whirlpool, daikin, electrolux, husqvarna, dreame, gree,
        gd midea,
        midea group, liebherr
    """),
    ("appliance", HINT, "parts of household appliances", """
        lg innotek
    """),
    ("energy", FAIR, "inverters, chargers and supplies of power", """
        sma solar, fronius, solaredge, enphase, goodwe, growatt, kostal, victron, sungrow, keba, american power,
        eaton,
        tripp lite, cyberpower, zaptec
    """),
    ("phone", WEAK, "phones", """
        hmd global, lg electronics (mobile communications), oneplus, guangdong oppo, vivo mobile, fairphone,
        blackberry, htc corporation, realme, wiko,
        tecno,
        infinix, shenzhen tinno, gionee, honor device, meizu
    """),
)  # fmt: skip


def _between_commas(text: str) -> list[str]:
    return " ".join(text.split()).split(", ")


# The first words of a name decide which rows there are to look at.
_BY_BEGINNING = {
    beginning: (kind, strength, what) for kind, strength, what, names in _MAKERS for beginning in _between_commas(names)
}
_LENGTHS = sorted({len(beginning) for beginning in _BY_BEGINNING}, reverse=True)
BEGINNINGS = frozenset(_BY_BEGINNING)


def of_maker(vendor: str) -> Vote | None:
    """What the name of a maker says: the longest beginning that ends with a word counts."""
    lower = vendor.lower()
    for length in _LENGTHS:
        if (found := _BY_BEGINNING.get(lower[:length])) and not lower[length : length + 1].isalnum():
            kind, strength, what = found
            return Vote(kind, strength, f"its maker makes {what} ({vendor})")
    return None
