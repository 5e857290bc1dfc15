"""Every kind of threat that netwatchd tells of by itself: what it means, and which sources can show it."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of threat."""

    kind: str
    detector: str  # the NAME of [detector:NAME] that tells it
    severity: str  # the usual one
    meaning: str  # a sentence
    direct: tuple[str, ...]  # sources that show the thing itself
    indirect: tuple[str, ...]  # sources that show what it leaves behind, later or in part
    limits: str  # what these cannot show, and what would help: a sentence


_CATALOG = (
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
    Kind("blocklist", "blocklist", "high", "A device talks with an address, or asks for a name, that a list has.",
         ("conntrack", "capture", "netflow", "zeek", "eve"), (),
         "Names are seen where questions of DNS are: in packets, or in logs of Zeek and Suricata; encrypted questions "
         "nobody sees."),
)  # fmt: skip
KINDS = {each.kind: each for each in _CATALOG}
