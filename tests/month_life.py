"""What happens in the house of `month`, day by day: a line each; all take the house and the number of the day."""

import random
from collections.abc import Callable

from detector_kit import NOON
from month import MEMBERS, OUTER, PEOPLE, PHONES, PROVIDER, REPEATER_CLIENTS, THINGS, House
from ordinary import DAY, HOUR, ICMP, MINUTE, TCP, UDP

from netwatchd.addresses import parse_address
from netwatchd.events import Clue, Sighting

HEX = "0123456789abcdef"
WORDS = ("mail", "shop", "news", "wiki", "cloud", "play", "photo", "bank", "sport", "radio", "forum", "map")
SERVICES = {"nas": (22, 80, 139, 443, 445, 548, 873, 2049, 5000, 5001, 6690, 32400), "printer": (80, 631, 9100),
            "camera": (80, 554, 8000), "hue": (80, 443), "tv": (8001, 8002), "cast": (8009,), "router": (53, 80, 443),
            "sonos": (1400, 1443), "plug1": (80,), "plug2": (6668,), "vacuum": (54321,)}  # fmt: skip


def presence(house: House, day: int) -> None:
    """Devices are seen every ten minutes; leases are renewed each half day, and who comes home asks anew."""
    for name in MEMBERS:
        before = house.is_there(name, day * DAY - 1)
        if not day:
            house.shows(0.0, name)
        for at in house.each(day, 10 * MINUTE):
            now = house.is_there(name, at)
            if now and not (before and house.mac("kid", at) == house.mac("kid", at - 10 * MINUTE)):
                house.lease(at, name, new=name == "kid" or not before)
                announce(house, at + 1, name)
            house.shows(at + 2, name)
            if name != "router" and house.rng.random() < 0.5:
                house.asks(at, name, house.v4("router", at))
            before = now
        house.lease(house.rng.random() * DAY + day * DAY, name)


def announcements(house: House, day: int) -> None:
    """What things and routers say of themselves; and one that is known is asked for, also while it is away."""
    for name in THINGS:
        for at in house.each(day, 2 * HOUR):
            announce(house, at, name)
    for at in house.each(day, 12 * HOUR):  # routers and access points say so themselves
        for name, clue in (("router", Clue("role", "router")), ("repeater", Clue("lldp_capability", "wlan"))):
            if house.is_there(name, at):
                seen = Sighting(NOON + int(at * 1000), "capture", house.mac(name, at), clues=(clue,))
                house.others.append((at, seen))
    for at in house.each(day, 3 * MINUTE, 0.3):  # a known one is asked for, also while it is away
        who, whom = house.rng.choice(list(MEMBERS)), house.rng.choice(("nas", "printer", "cast", "phone1", "kid"))
        house.asks(at, who, house.v4(whom, at))


def announce(house: House, at: float, who: str) -> None:
    """Bursts of mDNS, SSDP, NetBIOS and, of Windows, WS-Discovery, that nobody answers in the same flow."""
    groups = [("224.0.0.251", 5353), ("239.255.255.250", 1900), ("192.168.1.255", 137)]
    if who in ("desktop", "work", "guest3"):
        groups += [("239.255.255.250", 3702), ("224.0.0.252", 5355), ("192.168.1.255", 138)]
        for name in ("nas", "desktop", "work", "printer", "tv"):  # its network folder
            house.asks(at + 2, who, house.v4(name, at))
            house.talk(at + 2 + house.rng.random(), who, name, 445, refused=name in ("tv", "printer"))
            house.talk(at + 3 + house.rng.random(), who, name, 5357, refused=name == "nas")
    for group, port in groups:
        house.talk(at, who, parse_address(group), port, UDP, (3, 400), silent=True)


def keepalives(house: House, day: int) -> None:
    """Things that call exactly every 20 to 60 s, ask for the time and for names, and hold a connection for hours."""
    for number, name in enumerate(THINGS):
        cloud = 0x34000000 + (number << 16) + 7 + (day // 9) * 40  # in the same network, at another address at times
        for at in house.each(day, 6 * HOUR):
            house.talk(at, name, cloud, 8883, TCP, (700, 50_000), (700, 48_000), 6 * HOUR - 20, again=20)
        for at in house.each(day, 1024, 0.0):
            house.talk(at, name, 0x36000000 + 9, 123, UDP, (1, 76), (1, 76), 0.03, again=16)
        for at in house.each(day, 300, 0.0):
            house.talk(at, name, "router", 53, UDP, (1, 66), (1, 130), 0.02)
            house.names(at, name, f"{name}.iot.example-cloud.com")
    for name, period in (("plug2", 20.0), ("plug1", 60.0), ("thermo", 45.0), ("vacuum", 60.0)):
        for at in house.each(day, period, 0.0):
            house.talk(at, name, 0x12000000 + int(period), 443, TCP, (9, 1400), (8, 3900), 0.4, again=5)


def monitors(house: House, day: int) -> None:
    """Home Assistant and Uptime Kuma: each minute for some hours and while anything is dead, else every ten."""
    dead = house.calendar.nas_dead
    at = day * DAY
    while at < (day + 1) * DAY:
        for name, ports in SERVICES.items():
            house.talk(at + 1, "pi", name, 0, ICMP, (1, 84), (1, 84), 0.01, sport=8)
            for port in ports:
                house.talk(at + house.rng.random() * 9, "pi", name, port, TCP, (5, 268), (3, 164), 0.01)
        for name in PHONES:
            house.talk(at + 1, "pi", name, 0, ICMP, (1, 84), (1, 84), 0.01, sport=8)
        busy = dead[0] - 0.02 < at / DAY < dead[1] + 0.02 or at / HOUR % 24 < 2
        at += MINUTE if busy else 10 * MINUTE


def pages(house: House, day: int) -> None:
    """Pages, a browser that begins with its tabs and three names by lot, mail, and names that a filter denies."""
    for name in PEOPLE:
        for at in house.each(day, 6 * MINUTE, 0.9):
            page(house, at, name)
        for number, at in enumerate(house.each(day, 8 * HOUR, 0.3)):
            for _ in range(10 if number else 25):
                page(house, at + house.rng.random() * 20, name)
            for _ in range(3):  # Chromium: does the provider answer for names that do not exist?
                label = "".join(
                    house.rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(house.rng.randrange(7, 15))
                )
                for suffix in ("", ".fritz.box", ".dyn.provider.example.net"):
                    house.names(at, name, label + suffix, code=3)
        for at in house.each(day, 10 * MINUTE):
            house.talk(at, name, 0x23000000 + 5, 993, TCP, (14, 2000), (16, 6500), 1.5, again=10)
            house.talk(at, name, house.elsewhere(4), 5223, TCP, (30, 4000), (30, 6000), 500, again=3)
        for at in house.each(day, 4 * MINUTE, 0.9):  # telemetry that a filter denies, again and again
            tracker = random.Random(house.rng.randrange(300))
            drawn = (
                "".join(tracker.choice(HEX) for _ in range(12)) if tracker.random() < 0.03 else tracker.choice(WORDS)
            )
            house.names(at, name, f"ads{tracker.randrange(40)}.{drawn}-track{tracker.randrange(90)}.com", code=3)


def page(house: House, at: float, who: str) -> None:
    """A page with its parts: CDNs with names for each, HTTPS and AAAA records, one address after the other."""
    if not house.is_there(who, at):
        return
    hosts = [house.elsewhere(200) for _ in range(house.rng.randrange(2, 6))]
    for _ in hosts:
        label = "".join(house.rng.choice(HEX) for _ in range(13))
        cdn = house.rng.choice(("cloudfront.net", "akamaiedge.net", "googlevideo.com", "cdn.example.org"))
        if cdn == "cdn.example.org":
            label = f"{house.rng.choice(WORDS)}{house.rng.randrange(40)}"
        for kind in (1, 28, 65):
            house.names(at, who, f"{label}.{cdn}", kind)
    for _ in range(house.rng.randrange(4, 14)):
        at += house.rng.expovariate(8)
        size = int(house.rng.paretovariate(1.2) * 3000)
        protocol = UDP if house.rng.random() < 0.35 else TCP
        got = 6 + size // 1400, size
        house.talk(at, who, house.rng.choice(hosts), 443, protocol, (9, 1900), got, 20, again=5, tries=4)
    if house.rng.random() < 0.3:
        house.talk(at, who, house.rng.choice(hosts), 443, TCP, (3, 160), (1, 60), 0.3)


def phones(house: House, day: int) -> None:
    """Each hour a phone looks for printer, speaker and television; pictures go to the cloud in the evening."""
    for name in PHONES:
        for at in house.each(day, HOUR):
            announce(house, at, name)
            for other, port in (("printer", 631), ("sonos", 1400), ("cast", 8009), ("tv", 8001), ("hue", 443)):
                house.talk(at + house.rng.random(), name, other, port)
        for _ in range(house.rng.randrange(12)):
            at = day * DAY + 9 * HOUR + house.rng.random() * HOUR
            house.talk(at, name, 0x68000000 + 77, 443, TCP, (6000, 8_000_000), (900, 60_000), 30)


def servers(house: House, day: int) -> None:
    """The NAS's backup at night, from its second half month on to a cloud, too; its mail; recursion with DNSSEC."""
    night = day * DAY + 14.5 * HOUR
    for name in ("desktop", "pi"):
        house.talk(night - 5 * HOUR, name, "nas", 445, TCP, (90_000, 12 * 10**7), (20_000, 1_600_000), 900)
    if night / DAY >= house.calendar.cloud_backup:
        first = night / DAY - house.calendar.cloud_backup < 3
        for number in range(40 if first else 8):
            size = 10**9 if first else 1.2 * 10**8
            house.talk(night + number * 300, "nas", 0x03000000 + 8, 443, TCP, (int(size / 1400), int(size)),
                       (300_000, 15_000_000), 290)  # fmt: skip
    for number in range(60):
        at = night + number * MINUTE
        zone = f"{house.rng.choice(WORDS)}{number}.org"
        for kind, name in ((16, f"_dmarc.{zone}"), (16, zone), (43, zone), (48, zone), (33, f"_imaps._tcp.{zone}")):
            house.names(at, "nas", name, kind, size=600)
        for last in range(3):
            house.names(at + last, "nas", f"{house.rng.randrange(255)}.{last}.168.192.in-addr.arpa", 12, code=3)
            house.names(at + last, "router", f"{last}.1.168.192.zen.spamhaus.org", 1, code=3, server="pi")
    for at in house.each(day, 20 * MINUTE):
        house.talk(at, "camera", "nas", 21, TCP, (14, 900), (13, 1200), 0.5)
        house.talk(at + 0.2, "camera", "nas", 50_000 + int(at) % 900, TCP, (60, 82_000), (30, 1600), 0.2)
        for name in ("desktop", "tv", "laptop"):
            house.talk(at, name, "nas", 445, TCP, (14, 2600), (12, 2200), 1, again=5)
            house.talk(at, name, "nas", 32400, TCP, (9, 1400), (8, 3000), 1, again=3)
            house.talk(at, name, "nas", 5000, TCP, (9, 1400), (8, 3000), 1, again=5)


def antivirus(house: House, day: int) -> None:
    """Files are looked up by their hashes: all day by one vendor that is known for it, once by one that is not."""
    for at in house.each(day, 5 * MINUTE, 0.5):
        for _ in range(6):
            label = "".join(house.rng.choice(HEX) for _ in range(40))
            house.names(at, "desktop", f"{label}.avqs.mcafee.com", 16)
    scan = house.calendar.antivirus * DAY
    for number in range(1500 if day == int(house.calendar.antivirus) else 10):
        at = (scan if day == int(house.calendar.antivirus) else day * DAY + 6 * HOUR) + number * 0.7
        label = "".join(house.rng.choice(HEX) for _ in range(32))
        house.names(at, "work", f"{label}.h.reputation-lookups.example.com", 1, code=0 if number % 3 else 3)


def updates(house: House, day: int) -> None:
    """Delivery optimisation: peers elsewhere, most of them gone, and computers here."""
    for at in house.each(day, 6 * HOUR, 0.5):
        for _ in range(30):
            gone = house.rng.random() < 0.7
            house.talk(at, "desktop", house.stranger(), 7680, TCP, (9, 900), (8, 700), 4, silent=gone)
        for name in ("work", "guest3"):
            house.talk(at, "desktop", name, 7680, TCP, (900, 90_000), (9000, 9_000_000), 40)
        house.talk(at, "desktop", house.elsewhere(2), 443, TCP, (9000, 500_000), (90_000, 120_000_000), 60)


def peers(house: House, day: int) -> None:
    """An hour of BitTorrent each second day, by the port that the router forwards; and a game's list of servers."""
    if day % 2 == 0:
        at = day * DAY + 8 * HOUR
        while at < day * DAY + 9 * HOUR:
            at += house.rng.random() * 2
            port = (
                house.rng.choice((6881, 51413, 8999)) if house.rng.random() < 0.4 else house.rng.randrange(1025, 65_000)
            )
            protocol = TCP if house.rng.random() < 0.4 else UDP
            gone, closed = house.rng.random() < 0.5, protocol == TCP and house.rng.random() < 0.1
            house.talk(
                at, "desktop", house.stranger(), port, protocol, (6, 500), (5, 900), 20, silent=gone, refused=closed
            )
            if house.rng.random() < 0.3:
                house.talk(at, house.stranger(), house.v4("desktop", at), 51413, protocol, (6, 500), (5, 900), 20)
    at = day * DAY + 7 * HOUR
    for name in ("console", "kid"):
        for number in range(150):
            gone = house.rng.random() < 0.3
            house.talk(at + number / 30, name, house.elsewhere(), 27015, UDP, (1, 53), (1, 300), 0.2, silent=gone)
        house.talk(at + 60, name, house.elsewhere(), 50_000, UDP, (90_000, 9 * 10**6), (90_000, 10**7), HOUR)
    for number in range(12):  # a friend's friends play on the server that runs on the Pi
        house.talk(
            at + number * MINUTE, house.stranger(), house.v4("pi", at), 25565, TCP, (900, 90_000), (900, 400_000), 900
        )


def calls(house: House, day: int) -> None:
    """Video calls with candidates that are not there; two VPNs that are kept up; television by multicast."""
    for number in range(3):
        at = day * DAY + (21 + number) * HOUR
        for _ in range(12):
            private = parse_address(f"192.168.{house.rng.randrange(2, 200)}.{house.rng.randrange(2, 250)}")
            house.talk(at, "work", private, house.rng.randrange(40_000, 65_000), UDP, (5, 640), silent=True)
            house.talk(at, "work", house.elsewhere(), 3478, UDP, (3, 400), (3, 500), 5)
        house.talk(at, "work", house.elsewhere(), 50_000, UDP, (90_000, 9 * 10**7), (90_000, 10**8), 1800)
    begin = day * DAY + 20.5 * HOUR
    house.talk(begin, "work", 0x0C0C0C0C, 1194, UDP, (50_000, 2 * 10**7), (90_000, 10**8), 8 * HOUR, again=10)
    house.talk(day * DAY, "pi", 0x0C0C0C0D, 51820, UDP, (4000, 500_000), (4000, 500_000), DAY - 60, 51820, again=5)
    at = day * DAY + 8 * HOUR
    house.talk(at, 0xC19E2301, parse_address("239.35.20.11"), 10_000, UDP, (6_000_000, 8 * 10**9), silent=True)
    house.talks[-1] = house.talks[-1]._replace(out=(6_000_000, 8 * 10**9), took=2 * HOUR)


def strangers(house: House, day: int) -> None:
    """Scanners of the whole Internet at the router's address; bots at SSH on the Pi, which is open to the world."""
    for at in house.each(day, 2 * MINUTE, 0.9):
        house.talk(at, house.stranger(), OUTER, house.rng.randrange(1, 65_535), TCP, (1, 40), silent=True)
    for at in house.each(day, 6 * HOUR, 0.9):
        bot = house.stranger()
        for number in range(60):
            house.talk(at + number * 0.3, bot, OUTER, house.rng.randrange(1, 1024), TCP, (1, 40), silent=True)
    for at in house.each(day, 10 * MINUTE, 0.9):
        bot = house.stranger()
        for number in range(house.rng.choice((1, 1, 1, 2, 5, 30))):
            moment = at + number * 4
            house.talk(moment, bot, house.v4("pi", at), 22, TCP, (15, 2300), (14, 2700), 2.6)
    for number in range(500):
        house.talk(day * DAY + number * 170, OUTER, PROVIDER, 53, UDP, (1, 66), (1, 130), 0.02, again=1)


def routers(house: House, day: int) -> None:
    """The router starts anew, and another one takes its place: whoever is there asks for its address, all at once."""
    calendar = house.calendar
    for moment in (calendar.reboot, calendar.replaced):
        if int(moment) == day:
            for name in MEMBERS:
                at = moment * DAY + 280 + house.rng.random() * 20
                house.lease(at, name, new=True)
                announce(house, at + 1, name)
    at = calendar.replaced * DAY
    if int(calendar.replaced) == day:
        house.shown += [(at + number * 7, house.mac("router", at), house.v4("router", at)) for number in range(20)]


def repeater(house: House, day: int) -> None:
    """In the evening, those that are behind it now and then are seen often."""
    if day >= int(house.calendar.repeater):
        for name in REPEATER_CLIENTS:
            for at in house.each(day, 100, 0.3):
                if 5 < at / HOUR % 24 < 10:
                    house.shows(at, name)


def once(house: House, day: int) -> None:
    """What happens on one day only."""
    calendar = house.calendar
    if int(calendar.wake) == day:  # all that waited for two days is sent
        at = calendar.wake * DAY + 3
        for number in range(220):
            house.talk(at + number * 0.05, "laptop", house.elsewhere(8), house.rng.choice((443, 443, 993, 587, 5223)))
        house.talk(at, "laptop", house.elsewhere(), 443, TCP, (900_000, 900_000_000), (300_000, 15_000_000), 1500)
    for moment in calendar.scan:
        if int(moment) == day:
            look_around(house, moment * DAY, "phone2")
    if int(calendar.guests[0]) == day:  # who looks for what it knows from home
        at = (calendar.guests[0] + 0.01) * DAY
        for last in (1, 5, 20, 53, 178):
            house.asks(at, "guest3", parse_address(f"192.168.1.{last}"))
        house.talk(at, "guest3", parse_address("192.168.1.178"), 445, again=3, tries=20)
        house.talk(at, "guest3", parse_address("10.0.0.20"), 9100, silent=True)


def look_around(house: House, at: float, who: str) -> None:
    """An app that shows what is in the network: all addresses by ARP, and whoever answers by some ports."""
    for last in range(1, 255):
        house.asks(at + last * 0.02, who, parse_address(f"192.168.1.{last}"))
    for number, name in enumerate(MEMBERS):
        for port in (22, 80, 443, 445, 554, 8080, 9100, 62078):
            shut = port not in SERVICES.get(name, ())
            house.talk(at + 6 + number * 0.5 + port / 1e6, who, name, port, TCP, (5, 268), (3, 164), 0.1, refused=shut)


Line = Callable[[House, int], None]
LINES: tuple[Line, ...] = (
    presence, announcements, keepalives, monitors, pages, phones, servers, antivirus, updates, peers, calls, strangers,
    routers, repeater, once,
)  # fmt: skip
