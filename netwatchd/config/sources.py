"""The sections of config.ini that are about sources: [source:NAME], a frozen dataclass each."""

from dataclasses import dataclass
from pathlib import Path

from netwatchd.addresses import PRIVATE, Networks
from netwatchd.config.setting import setting
from netwatchd.values import (
    addresses,
    age,
    duration,
    endpoints,
    interfaces,
    needed_path,
    networks,
    one_of,
    paths,
    positive_duration,
    size,
    size_up_to,
    whole,
    yes_no,
)


@dataclass(frozen=True)
class Neighbours:
    """The kernel's neighbour tables and bridge forwarding tables."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where it can work here.")
    resync: float = setting(positive_duration, "60 s", "How often the whole tables are read again.")


@dataclass(frozen=True)
class Conntrack:
    """The kernel's connection tracking: the flows through and of this machine. Needs CAP_NET_ADMIN."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where it can work here.")
    dump_interval: float = setting(
        positive_duration, "10 s", "How often the counters of the flows that are still alive are read."
    )
    receive_buffer: int = setting(
        size_up_to(512), "8 MB", "The socket's receive buffer; a burst of events waits there."
    )
    set_sysctls: bool = setting(
        yes_no, "yes", "Turn on nf_conntrack_acct, nf_conntrack_timestamp and nf_conntrack_events where they are off."
    )
    tracking: bool = setting(
        yes_no,
        "yes",
        "Have the kernel track connections even where no firewall rule asks for it, by an nftables table of "
        "our own that lives as long as the daemon and lets everything pass.",
    )


@dataclass(frozen=True)
class Capture:
    """Packets from an interface, for what the kernel's tables do not show. Needs CAP_NET_RAW."""

    enabled: str = setting(one_of("yes", "no", "auto"), "no", "auto: on where it can work here.")
    interface: tuple[str, ...] = setting(
        interfaces,
        "",
        "Interfaces to capture from. Empty: the local network's bridge (br-lan, br0), else that of the default route.",
    )
    filter: str = setting(
        one_of("control", "all"),
        "control",
        "control: ARP, DHCP, DNS, mDNS, LLMNR, SSDP, NetBIOS, IPv6 ND, LLDP, CDP, and TCP packets with SYN, FIN or "
        "RST. all: every packet.",
    )
    promiscuous: bool = setting(
        yes_no,
        "no",
        "Have the interface take packets that are not for this machine, such as those between two devices on a bridge.",
    )
    ring_size: int = setting(
        size_up_to(256),
        "4 MiB",
        "Memory, for each interface, in which packets wait to be read: 4 MiB hold some 20,000 of them.",
    )


@dataclass(frozen=True)
class Zeek:
    """Zeek's logs, followed: conn.log for flows, dhcp.log for devices, dns.log for names, notice.log for threats."""

    enabled: str = setting(one_of("yes", "no", "auto"), "no", "auto: on where the logs can be read.")
    directory: Path = setting(needed_path, "/opt/zeek/logs/current", "Where Zeek writes its logs.")


@dataclass(frozen=True)
class Eve:
    """Suricata's eve.json, followed: its flow, netflow, dhcp, dns and alert events."""

    enabled: str = setting(one_of("yes", "no", "auto"), "no", "auto: on where the log can be read.")
    file: Path = setting(needed_path, "/var/log/suricata/eve.json", "The log.")
    link_header: int = setting(
        whole(0, 64),
        "14",
        "Bytes in front of the IP packet in each frame, which Suricata counts: 14 of Ethernet, 0 of tun and ppp.",
    )


@dataclass(frozen=True)
class Json:
    """JSON lines from other programs, on the unix socket events.sock in $RUNTIME_DIRECTORY."""

    enabled: str = setting(one_of("yes", "no", "auto"), "yes", "auto: on where it can work here.")
    max_line: int = setting(size, "64 KiB", "The longest line that is read.")
    max_connections: int = setting(whole(1, 10_000), "64", "Connections served at once.")


@dataclass(frozen=True)
class Netflow:
    """Flows that routers and other exporters send: NetFlow v5 and v9, IPFIX, sFlow v5 (docs/FLOWS.md)."""

    enabled: str = setting(one_of("yes", "no", "auto"), "no", "yes: exporters are listened to.")
    listen: tuple[tuple[str, int], ...] = setting(
        endpoints,
        "0.0.0.0:2055 0.0.0.0:4739 0.0.0.0:6343",
        "Addresses and UDP ports to listen on, IPv6 as [::]:2055. Any port takes any of the protocols.",
    )
    allow: Networks = setting(
        networks, f"127.0.0.0/8 ::1 {PRIVATE}", "Networks of the exporters that are heard; others are counted only."
    )
    receive_buffer: int = setting(
        size_up_to(512), "32 MB", "The receive buffer of each socket; a burst of datagrams waits there."
    )
    join: float = setting(
        duration,
        "2 s",
        "How long one direction of a flow waits for the other one, at most, where an exporter tells of each by "
        "itself. 0 s: each is a flow.",
    )


@dataclass(frozen=True)
class Leases:
    """The lease files of DHCP servers on this machine: dnsmasq, ISC dhcpd, Kea (docs/DEVICES.md)."""

    enabled: str = setting(
        one_of("yes", "no", "auto"), "auto", "auto: on, unless there are such files and none of them may be read."
    )
    files: tuple[Path, ...] = setting(
        paths,
        "/var/lib/misc/dnsmasq.leases /tmp/dhcp.leases /var/lib/dhcp/dhcpd.leases /var/lib/dhcp/dhcpd6.leases "
        "/var/lib/kea/kea-leases4.csv /var/lib/kea/kea-leases6.csv",
        "Where they may be. Which server writes a file is told by what stands in it.",
    )


@dataclass(frozen=True)
class Hosts:
    """Names that the administrator has given to addresses and MACs: hosts(5), ethers(5)."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where the files may be read.")
    files: tuple[Path, ...] = setting(
        paths, "/etc/hosts /etc/ethers", "Files in either format; it is told by what stands in them."
    )


@dataclass(frozen=True)
class Rdns:
    """Reverse DNS: the names of the devices' local addresses ([devices] networks), as name servers tell them."""

    enabled: str = setting(
        one_of("yes", "no", "auto"), "no", "yes: the name servers of /etc/resolv.conf are asked, slowly."
    )
    servers: tuple[str, ...] = setting(
        addresses, "", "Name servers to ask instead of those of /etc/resolv.conf, by address."
    )
    interval: float = setting(positive_duration, "1 s", "How long it waits after each question, at least.")
    refresh: float = setting(age, "6 h", "How long an answer is believed, at least; also where it says: no name.")


@dataclass(frozen=True)
class Dhcp:
    """What devices say when they ask for an address by DHCP (docs/DEVICES.md). Only listens; needs CAP_NET_RAW."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where it can work here.")
    interface: tuple[str, ...] = setting(
        interfaces, "", "Interfaces to listen on. Empty: all that have an address of [devices] networks."
    )


@dataclass(frozen=True)
class Mdns:
    """What devices announce of themselves by multicast DNS (docs/DEVICES.md). Only listens, without privilege."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where it can work here.")
    interface: tuple[str, ...] = setting(
        interfaces, "", "Interfaces to listen on. Empty: all that have an address of [devices] networks."
    )


@dataclass(frozen=True)
class Ssdp:
    """What devices announce of themselves by SSDP, that is UPnP (docs/DEVICES.md). Only listens, without privilege."""

    enabled: str = setting(one_of("yes", "no", "auto"), "auto", "auto: on where it can work here.")
    interface: tuple[str, ...] = setting(
        interfaces, "", "Interfaces to listen on. Empty: all that have an address of [devices] networks."
    )
