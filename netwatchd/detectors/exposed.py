"""What it means that the world can reach a port of a device here, by the service that usually has the port."""

from typing import NamedTuple

TCP, UDP = 6, 17


class Exposed(NamedTuple):
    """A service that the world can reach."""

    name: str
    severity: str
    advice: str


_TAKEN = "close the port to the world: worms find it within hours; reach it by a VPN"
_ADMIN = "close the port to the world, and reach it by a VPN or the maker's app: its faults are looked for all day"
_LEAKS = "close the port to the world unless all may read and use it"
_FINE = "keep it up to date, and close the port if nobody needs it from elsewhere"
_KEYS = "let in keys only (no passwords), keep it up to date, or reach it by a VPN"

_HIGH = {
    23: "telnet", 2323: "telnet", 135: "Windows RPC", 139: "SMB", 445: "SMB", 3389: "RDP", 5985: "WinRM",
    5900: "VNC", 5901: "VNC", 1433: "SQL Server", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis",
    27017: "MongoDB", 9200: "Elasticsearch", 11211: "memcached", 5984: "CouchDB", 2375: "the Docker API",
    2376: "the Docker API", 10250: "Kubernetes", 6443: "Kubernetes", 5555: "ADB (Android)", 502: "Modbus",
    102: "S7 (PLC)", 512: "rexec", 513: "rlogin", 514: "rsh", 6000: "X11", 8728: "RouterOS", 8291: "Winbox",
}  # fmt: skip
_MEDIUM = {
    554: "RTSP (camera)", 8554: "RTSP (camera)", 37777: "a recorder's or camera's administration",
    34567: "a recorder's or camera's administration", 8000: "a web administration (camera, recorder)",
    5000: "a NAS's administration", 5001: "a NAS's administration", 7547: "TR-069 (router)", 21: "FTP",
    1883: "MQTT", 2049: "NFS", 111: "RPC", 873: "rsync", 389: "LDAP", 9100: "printing", 515: "printing",
    631: "printing", 1723: "PPTP", 8123: "Home Assistant", 8006: "Proxmox", 9000: "a web administration",
    10000: "a web administration", 9090: "a web administration", 8081: "a web administration",
}  # fmt: skip
_LOW = {80: "HTTP", 8080: "HTTP", 5060: "SIP", 25: "SMTP", 53: "DNS", 8888: "HTTP"}
# What is made to be reached from elsewhere. Who tries passwords there is told of by `brute_force`.
_INFO = {
    22: "SSH", 2222: "SSH", 443: "HTTPS", 8443: "HTTPS", 1194: "OpenVPN", 51820: "WireGuard", 993: "IMAP", 995: "POP3",
    465: "SMTP submission",
    587: "SMTP submission", 25565: "Minecraft", 32400: "Plex", 22000: "Syncthing", 853: "DNS over TLS",
}  # fmt: skip
_DATAGRAMS = {
    # What answers more than it was asked serves for attacks on others (amplification).
    53: Exposed("DNS", "medium", _LEAKS), 123: Exposed("NTP", "low", _LEAKS), 161: Exposed("SNMP", "high", _TAKEN),
    69: Exposed("TFTP", "medium", _LEAKS), 111: Exposed("RPC", "medium", _LEAKS), 389: Exposed("LDAP", "high", _LEAKS),
    1900: Exposed("UPnP", "high", _TAKEN), 5353: Exposed("mDNS", "medium", _LEAKS),
    11211: Exposed("memcached", "high", _TAKEN), 5060: Exposed("SIP", "low", _KEYS),
    3702: Exposed("WS-Discovery", "medium", _LEAKS), 5683: Exposed("CoAP", "medium", _LEAKS),
    137: Exposed("NetBIOS", "high", _TAKEN), 500: Exposed("IPsec", "info", _FINE),
    1194: Exposed("OpenVPN", "info", _FINE), 51820: Exposed("WireGuard", "info", _FINE),
}  # fmt: skip
STREAMS = {
    **{port: Exposed(name, "high", _TAKEN) for port, name in _HIGH.items()},
    **{port: Exposed(name, "medium", _ADMIN) for port, name in _MEDIUM.items()},
    **{port: Exposed(name, "low", _KEYS) for port, name in _LOW.items()},
    **{port: Exposed(name, "info", _KEYS if name == "SSH" else _FINE) for port, name in _INFO.items()},
}
# A port of UDP that is no service's: programs open such ports to each other through NAT for a call or a game
# (RFC 5128), and then the other one's packet may be the first. Only that many come shows that all may: BitTorrent, the
# server of a game.
ANY_TCP = Exposed("a service", "info", "close the port to the world if you do not know what it is for")
ANY_LOW = Exposed("a service", "low", ANY_TCP.advice)  # below 1024: made for others
ANY_UDP = Exposed("a service", "info", "it is usual for file sharing and games; UPnP in the router opens such ports")


def service_of(protocol: int, port: int) -> Exposed | None:
    """What is known to be behind a port; None where it is nothing known."""
    return (STREAMS if protocol == TCP else _DATAGRAMS).get(port)
