"""Every kind of threat that netwatchd tells of by itself: what it means, and which sources can show it."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of threat."""

    kind: str
    detector: str  # the NAME of [detector:NAME] that tells it; empty: it is what sources hand on
    severity: str  # the usual one
    meaning: str  # a sentence
    direct: tuple[str, ...]  # sources that show the thing itself
    indirect: tuple[str, ...]  # sources that show what it leaves behind, later or in part
    limits: str  # what these cannot show, and what would help: a sentence


# In the order of docs/THREATS.md: what is alike stands together.
_CATALOG = (
    Kind("threat_flood", "", "medium", "More threats of many kinds at once than anybody can read: they are one.",
         (), (), ""),
    Kind("new_device", "news", "info", "A device that was never seen before.",
         ("neighbours", "dhcp", "leases", "capture"), ("netflow", "zeek", "eve", "mdns", "ssdp"),
         "Without the neighbour table or packets, a device is an address only."),
    Kind("device_back", "news", "info", "A device that was away for long is back.",
         ("neighbours", "dhcp", "leases", "capture"), ("netflow", "zeek", "eve", "mdns", "ssdp"), ""),
    Kind("name_changed", "news", "info", "A device calls itself by another name than ever before.",
         ("dhcp", "mdns", "capture"), (), ""),
    Kind("ip_conflict", "news", "medium", "Two devices use one address, in turn.",
         ("neighbours", "capture"), (), ""),
    Kind("ids_alert", "", "low", "Another program, Suricata or Zeek, has recognised something.",
         ("eve", "zeek"), (), ""),
    Kind("port_scan", "port_scan", "medium", "Many ports of one host were tried by another.",
         ("conntrack", "capture"), ("netflow", "zeek", "eve"),
         "Connection tracking does not see what stays within the LAN, what a firewall drops, nor FIN, NULL and XMAS"
         " scans; the source capture does. Exporters tell late."),
    Kind("host_sweep", "host_sweep", "medium", "Many hosts were tried by one: by ARP, ND, ping, or a port.",
         ("capture", "conntrack"), ("netflow", "zeek", "eve"),
         "Sweeps by ARP and ND, and those within the LAN, are seen by the source capture only."),
    Kind("iot", "iot", "high", "A device of a simple kind scans, or opens connections of remote control.",
         ("capture", "conntrack"), ("netflow", "zeek", "eve"),
         "What kind a device is must be known. Connection tracking does not see what stays within the LAN."),
    Kind("brute_force", "brute_force", "medium", "Somebody tries passwords: many short connections to a service.",
         ("capture", "zeek", "eve", "netflow"), ("conntrack",),
         "Connection tracking tells of bytes when a connection is over, so that a burst is told first, and what it was "
         "some minutes later; it does not see what stays within the LAN. No source shows the passwords, nor what is "
         "tried within one connection of HTTP."),
    Kind("flood", "flood", "high", "More connections or packets to one target than anybody needs.",
         ("capture", "conntrack", "netflow", "zeek", "eve"), (),
         "A flood that the firewall drops before it is tracked is seen by packets only, on the interface it comes by."),
    Kind("inbound", "inbound", "info", "The world connects to a device here, and is answered.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Services of the router itself are seen where it masquerades, and netwatchd runs on it."),
    Kind("plaintext", "plaintext", "info", "A protocol is in use that sends passwords as plain text.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Connection tracking does not see what stays within the LAN; the source capture does."),
    Kind("arp_spoof", "spoof", "high", "A device takes the address of another one, which is still there, by ARP.",
         ("neighbours", "capture"), (),
         "The neighbour table shows what this machine is told; what others are told, only a capture in promiscuous "
         "mode, on a bridge or a mirrored port. Where nobody may be asked ([devices] probe), the table alone proves "
         "no more than a conflict."),
    Kind("nd_spoof", "spoof", "high", "The same by IPv6 neighbour discovery.",
         ("neighbours", "capture"), (),
         "Of link-local addresses only the source capture tells."),
    Kind("rogue_dhcp", "rogue_dhcp", "high", "A DHCP server answers beside the known one.",
         ("dhcp", "capture"), ("zeek", "eve"),
         "An offer goes to the client alone: without promiscuous mode it is seen when the client takes it."),
    Kind("dhcp_starvation", "dhcp_starvation", "high",
         "A client tries many addresses by DHCP, many made-up ones take them all, or one floods the server.",
         ("dhcp", "capture"), ("zeek", "eve"), ""),
    Kind("beacon", "beacon", "medium", "Small conversations with one service elsewhere, at regular intervals.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "UDP other than QUIC, resolvers and mail are not looked at; of DNS, dns_tunnel is told."),
    Kind("upload", "upload", "low", "A device has sent much more to the world than on any day before.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Who was watched for less than a week has no days to be compared with."),
    Kind("blocklist", "blocklist", "high", "A device talks with an address, or asks for a name, that a list has.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Names are seen where questions of DNS are: in packets, or in logs of Zeek and Suricata; encrypted questions "
         "nobody sees."),
    Kind("dns_tunnel", "dns_tunnel", "high", "Data is carried in the names of DNS queries.",
         ("capture", "zeek", "eve"), (),
         "Flows hold no names, and queries over TLS or HTTPS hide them; the source capture shows those to port 53."),
    Kind("dns_anomaly", "dns_tunnel", "medium", "Many made-up names below one domain are asked for within seconds.",
         ("capture", "zeek", "eve"), (), "Flows do not hold names; the source capture shows them."),
    Kind("dga", "dns_tunnel", "high", "Many domains are asked for that do not exist and look drawn by lot.",
         ("capture", "zeek", "eve"), (), "Names of made-up words look like others; a blocklist may hold them."),
    Kind("icmp_tunnel", "icmp_tunnel", "high", "Data is carried in pings.",
         ("capture",), ("conntrack", "netflow", "zeek", "eve"),
         "Flows show the sums of both directions only, and the filter `control` of the source capture holds no pings; "
         "its filter `all` compares each reply with its request."),
)  # fmt: skip
KINDS = {each.kind: each for each in _CATALOG}

# What gathers threats of any kinds, where more come than anybody can read.
FLOOD = "threat_flood"
# Kinds in which one device tries many: whoever knows the device means all that it tries.
SCANS = frozenset(("port_scan", "host_sweep"))
# Kinds that the source capture shows with `filter = all` only.
OF_ALL_PACKETS = frozenset(("icmp_tunnel",))
