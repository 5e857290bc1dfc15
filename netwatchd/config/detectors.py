"""The sections of config.ini that are about detectors: [detector:NAME], a frozen dataclass each."""

from dataclasses import dataclass, field
from typing import Any

from netwatchd.config.setting import setting
from netwatchd.values import age, duration, size, whole, words, yes_no


@dataclass(frozen=True)
class News:
    """News of devices: new ones, those that are back after long, changed names, and two that use one address."""

    enabled: bool = setting(yes_no, "yes", "Whether news are told.")
    learning: float = setting(
        duration,
        "1 h",
        "At the first start, while no device is known: how long whatever shows up is no news. 0 s: not at all.",
    )
    absence: float = setting(age, "30 d", "How long a device must have been away for its return to be news.")
    cooldown: float = setting(age, "1 d", "How long the same news of the same device is not told again.")


@dataclass(frozen=True)
class Plaintext:
    """Protocols in use that send passwords as plain text: FTP, telnet, POP3, IMAP, rlogin; MQTT to elsewhere."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    again: float = setting(age, "7 d", "How long the same client and server are not told again.")


@dataclass(frozen=True)
class PortScan:
    """Many ports of one host tried by another: TCP (SYN, connect, FIN, NULL, XMAS) and UDP."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    ports: int = setting(
        whole(4, 500), "10", "Ports of services tried in vain within 15 s that are a scan; others count a third."
    )


@dataclass(frozen=True)
class HostSweep:
    """Many hosts tried by one: by ARP, ICMP, or a port of TCP or UDP."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    hosts: int = setting(
        whole(4, 500), "10", "Hosts tried in vain within a minute that are a sweep, for ports of remote control."
    )


@dataclass(frozen=True)
class SlowScan:
    """The same over hours, so slowly that no minute shows it."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")


@dataclass(frozen=True)
class BruteForce:
    """Many short connections to a service that asks for a password: SSH, telnet, FTP, RDP, HTTP, ..."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    logins: int = setting(
        whole(3, 1000),
        "10",
        "How many connections in a row that look like refused logins at SSH are too many; the numbers of other "
        "services rise and fall with it.",
    )


@dataclass(frozen=True)
class Flood:
    """More connections or packets than anybody needs: floods of SYN, UDP, ICMP."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    connections: int = setting(
        whole(10, 100_000),
        "50",
        "How many unanswered connections a second to one port, for ten seconds, are a flood; of those that are "
        "answered six times as many.",
    )
    packets: int = setting(
        whole(100, 10_000_000),
        "2000",
        "How many packets a second of one flow that nobody answers, or pings, are a flood; within the network ten "
        "times as many, but of pings.",
    )


@dataclass(frozen=True)
class Inbound:
    """Connections from the world to devices here, by forwarded ports or without a firewall."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")


@dataclass(frozen=True)
class Iot:
    """Devices of a simple kind that suddenly scan or speak telnet."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")


@dataclass(frozen=True)
class Spoof:
    """Addresses that move to another MAC while the device that had them is still there: ARP and ND spoofing."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    ask: bool = setting(
        yes_no, "yes", "Whether devices are asked whether an address that moved is still theirs; a packet or two each."
    )


@dataclass(frozen=True)
class RogueDhcp:
    """DHCP servers that are not the known ones."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    learning: float = setting(
        age,
        "1 d",
        "How long after the first DHCP message whichever servers answer are the known ones, if they agree.",
    )
    servers: tuple[str, ...] = setting(words, "", "Addresses or MACs of DHCP servers that are known to be right.")


@dataclass(frozen=True)
class DhcpStarvation:
    """Clients that take all addresses of a DHCP server, or try them one after the other."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    addresses: int = setting(
        whole(2, 10_000), "6", "Different addresses that one client may ask for within 10 minutes, less one."
    )
    clients: int = setting(whole(10, 100_000), "100", "New clients within a minute from which on they are made up.")
    messages: int = setting(
        whole(10, 1_000_000), "100", "Messages of one client within 10 seconds from which on it is a flood."
    )


@dataclass(frozen=True)
class DnsTunnel:
    """Data carried in the names of DNS queries, and names that are made up in masses."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    hourly: int = setting(
        size,
        "10 KiB",
        "Bytes that the names for which a client asks below a domain carry in an hour, from which on it is a tunnel.",
    )
    ignored: tuple[str, ...] = setting(words, "", "Registered domains (example.org) whose names may carry data.")


@dataclass(frozen=True)
class IcmpTunnel:
    """Data carried in pings."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")


@dataclass(frozen=True)
class Beacon:
    """Small conversations that begin at regular intervals, as those of malware with its command server."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    learning: float = setting(
        duration, "3 d", "How long a device is watched before what it calls regularly is unusual. 0 s: not at all."
    )


@dataclass(frozen=True)
class Upload:
    """A device that sends much more than it ever did."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    floor: int = setting(size, "500 MB", "What a device must have sent to the world within a day, at least.")
    times: int = setting(whole(2, 1000), "3", "How many times as much as on any day before.")
    history: float = setting(age, "7 d", "How long a device must have been watched before its days can be compared.")


@dataclass(frozen=True)
class Blocklist:
    """Addresses and domains that stand in a list of [blocklists]."""

    enabled: bool = setting(yes_no, "yes", "Whether it is told.")
    trackers: bool = setting(yes_no, "no", "Whether lists of advertising and trackers are told of, too, as info.")


def _section(name: str, kind: type) -> Any:
    return field(default_factory=kind, metadata={"section": f"detector:{name}"})


@dataclass(frozen=True)
class Detectors:
    """The sections of all detectors; a field has the name of its detector."""

    news: News = _section("news", News)
    plaintext: Plaintext = _section("plaintext", Plaintext)
    port_scan: PortScan = _section("port_scan", PortScan)
    host_sweep: HostSweep = _section("host_sweep", HostSweep)
    slow_scan: SlowScan = _section("slow_scan", SlowScan)
    brute_force: BruteForce = _section("brute_force", BruteForce)
    flood: Flood = _section("flood", Flood)
    inbound: Inbound = _section("inbound", Inbound)
    iot: Iot = _section("iot", Iot)
    spoof: Spoof = _section("spoof", Spoof)
    rogue_dhcp: RogueDhcp = _section("rogue_dhcp", RogueDhcp)
    dhcp_starvation: DhcpStarvation = _section("dhcp_starvation", DhcpStarvation)
    dns_tunnel: DnsTunnel = _section("dns_tunnel", DnsTunnel)
    icmp_tunnel: IcmpTunnel = _section("icmp_tunnel", IcmpTunnel)
    beacon: Beacon = _section("beacon", Beacon)
    upload: Upload = _section("upload", Upload)
    blocklist: Blocklist = _section("blocklist", Blocklist)
