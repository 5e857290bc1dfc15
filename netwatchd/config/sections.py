"""The sections of config.ini, a frozen dataclass each.

A setting is one field: how it is read, its default as the user would write it, and what it means. The shipped
config.ini and docs/CONFIG.md are compared with these fields by a test, so nothing is described twice and differently.
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwatchd.addresses import PRIVATE, Networks
from netwatchd.values import (
    age,
    duration,
    endpoints,
    host_name,
    interfaces,
    needed_path,
    networks,
    one_of,
    optional_path,
    positive_duration,
    size,
    size_up_to,
    whole,
    words,
    yes_no,
)


def setting(read: Callable[[str], Any], default: str, meaning: str) -> Any:
    """A field of a section: how its text is read, the default as text, and what it means in a sentence."""
    return field(default=read(default), metadata={"read": read, "default": default, "meaning": meaning})


@dataclass(frozen=True)
class Storage:
    """Where events stay: SQLite files in one directory."""

    directory: Path | None = setting(
        optional_path, "", "Where the databases lie. Empty: $STATE_DIRECTORY, which systemd sets to /var/lib/netwatchd."
    )
    commit_interval: float = setting(
        positive_duration, "5 s", "How long events wait for their commit: what a power cut costs, at most."
    )
    commit_rows: int = setting(whole(1, 1_000_000), "2000", "Commit earlier when so many events wait.")
    max_pending: int = setting(
        whole(1000, 10_000_000),
        "50000",
        "Flows kept in memory while the database cannot be written (some 500 bytes each).",
    )
    retention: float = setting(age, "30 d", "Flows older than this are removed, a whole day at a time.")
    max_size: int = setting(
        size, "2 GB", "The oldest flows are removed before all databases together are larger; roll-ups stay."
    )
    hourly_retention: float = setting(age, "90 d", "Roll-ups of hours older than this are removed.")
    daily_retention: float = setting(age, "1825 d", "Roll-ups of days older than this are removed.")
    cleanup_interval: float = setting(
        positive_duration, "1 h", "How often is looked for what retention and max_size want removed."
    )
    busy_timeout: float = setting(
        positive_duration, "500 ms", "How long one attempt waits for another process that holds the database's lock."
    )
    retry_delay: float = setting(
        positive_duration,
        "1 s",
        "Pause after the first failed attempt; it doubles after the second and the third.",
    )
    check_interval: float = setting(
        positive_duration, "1 h", "How often the files that are written are looked through for damage."
    )
    spool: Path | None = setting(
        optional_path,
        "",
        "Directory of the file that saves pending events when the database cannot be written at exit. "
        "Empty: beside the databases, else in $RUNTIME_DIRECTORY.",
    )


@dataclass(frozen=True)
class Websocket:
    """Where clients connect, and how long they may take."""

    host: str = setting(host_name, "127.0.0.1", "Address to listen on. Anything but loopback needs a token.")
    port: int = setting(whole(1, 65535), "8765", "TCP port to listen on.")
    token: str = setting(str, "", "What a client must show (Bearer, ?token= or subprotocol). Empty: no token.")
    allowed_origins: tuple[str, ...] = setting(
        words, "", "Web origins, besides the daemon's own, whose pages may connect, such as https://home.example."
    )
    max_clients: int = setting(whole(1, 100_000), "1200", "Clients served at once; more are answered with 503.")
    max_clients_per_address: int = setting(
        whole(1, 100_000), "1100", "Of these from one address (IPv6: from one /64); more are answered with 429."
    )
    max_handshakes: int = setting(
        whole(1, 100_000),
        "1200",
        "Connections in their handshake; one more ends the oldest of the busiest address.",
    )
    max_handshakes_per_address: int = setting(
        whole(1, 100_000), "1100", "Of these from one address (IPv6: from one /64); one more ends the oldest of them."
    )
    send_timeout: float = setting(positive_duration, "5 s", "How long a send may make no progress.")
    retry_delay: float = setting(duration, "100 ms", "Pause before such a send is tried again, once.")
    retry_timeout: float = setting(
        positive_duration, "2 s", "How long the second try may make no progress; then the client is dropped."
    )
    queue_size: int = setting(
        whole(16, 1_000_000), "1000", "Messages that may wait for one slow client; more become a gap message."
    )
    resume_size: int = setting(
        whole(0, 1_000_000), "1024", "Messages remembered for clients that come back and resume."
    )
    ping_interval: float = setting(
        positive_duration, "20 s", "How often a silent client is pinged; gone after two pings without an answer."
    )
    handshake_timeout: float = setting(positive_duration, "5 s", "How long a client's request may take to arrive.")
    max_message: int = setting(size, "64 KiB", "The largest message that a client may send.")
    stats_interval: float = setting(positive_duration, "5 s", "How often clients are sent the statistics.")
    tls_certificate: Path | None = setting(optional_path, "", "PEM file with the certificate chain: turns TLS on.")
    tls_key: Path | None = setting(optional_path, "", "PEM file with the private key.")

    @property
    def url(self) -> str:
        """Where clients connect."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls_certificate else 'ws'}://{host}:{self.port}/ws"


@dataclass(frozen=True)
class Devices:
    """What counts as a device, and when it counts as gone."""

    networks: Networks = setting(
        networks, PRIVATE, "Networks whose addresses are devices here, where a source tells of flows without MACs."
    )
    offline_after: float = setting(age, "15 min", "Silence after which a device counts as offline.")


@dataclass(frozen=True)
class Ingest:
    """The queues between the sources and the workers."""

    queue_size: int = setting(
        whole(100, 10_000_000), "10000", "Events that may wait for a worker, for devices, flows and threats each."
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
        "control: ARP, DHCP, DNS, mDNS, LLMNR, SSDP, IPv6 ND, and TCP packets with SYN, FIN or RST. all: every packet.",
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
    """Zeek's logs, followed: the flows of conn.log and the devices of dhcp.log."""

    enabled: str = setting(one_of("yes", "no", "auto"), "no", "auto: on where the logs can be read.")
    directory: Path = setting(needed_path, "/opt/zeek/logs/current", "Where Zeek writes its logs.")


@dataclass(frozen=True)
class Eve:
    """Suricata's eve.json, followed: its flow, netflow and dhcp events."""

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
class Logging:
    """What is written to the journal."""

    level: str = setting(
        one_of("debug", "info", "warning", "error"), "info", "debug, info, warning or error, and what is worse."
    )
    statistics: float = setting(positive_duration, "1 h", "How often the statistics are written to the journal.")


def _section(name: str, kind: type) -> Any:
    return field(default_factory=kind, metadata={"section": name})


@dataclass(frozen=True)
class Config:
    """The whole configuration; `path` is None where no file was read."""

    path: Path | None = None
    storage: Storage = _section("storage", Storage)
    websocket: Websocket = _section("websocket", Websocket)
    devices: Devices = _section("devices", Devices)
    ingest: Ingest = _section("ingest", Ingest)
    neighbours: Neighbours = _section("source:neighbours", Neighbours)
    conntrack: Conntrack = _section("source:conntrack", Conntrack)
    capture: Capture = _section("source:capture", Capture)
    zeek: Zeek = _section("source:zeek", Zeek)
    eve: Eve = _section("source:eve", Eve)
    json: Json = _section("source:json", Json)
    netflow: Netflow = _section("source:netflow", Netflow)
    logging: Logging = _section("logging", Logging)


def sections() -> dict[str, dataclasses.Field[Any]]:
    """The fields of Config that are sections of config.ini, by the section's name."""
    return {f.metadata["section"]: f for f in dataclasses.fields(Config) if "section" in f.metadata}


def settings_of(section: type) -> dict[str, dataclasses.Field[Any]]:
    """The settings of a section's dataclass, by key."""
    return {f.name: f for f in dataclasses.fields(section)}


def state_directory(config: Config) -> Path:
    """Where the databases lie."""
    return config.storage.directory or Path(os.environ.get("STATE_DIRECTORY", "/var/lib/netwatchd"))


def runtime_directory() -> Path:
    """Where sockets and the pid file lie."""
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run/netwatchd"))
