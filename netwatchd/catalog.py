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
    Kind("plaintext", "plaintext", "info", "A protocol is in use that sends passwords as plain text.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Connection tracking does not see what stays within the LAN; the source capture does."),
    Kind("beacon", "beacon", "medium", "Small conversations with one service elsewhere, at regular intervals.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "UDP other than QUIC, resolvers and mail are not looked at; of DNS, dns_tunnel is told."),
    Kind("upload", "upload", "low", "A device has sent much more to the world than on any day before.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Who was watched for less than a week has no days to be compared with."),
    Kind("ids_alert", "", "low", "Another program, Suricata or Zeek, has recognised something.",
         ("eve", "zeek"), (), ""),
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
         "Services of the router itself are seen where its outer address is known as a device's."),
)  # fmt: skip
KINDS = {each.kind: each for each in _CATALOG}

# What gathers threats of any kinds, where more come than anybody can read.
FLOOD = "threat_flood"
# Kinds in which one device tries many: whoever knows the device means all that it tries.
SCANS = frozenset(("port_scan", "host_sweep", "slow_scan"))
