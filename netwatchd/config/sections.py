"""The sections of config.ini, a frozen dataclass each; those of the sources are in `sources`."""

import dataclasses
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwatchd.addresses import PRIVATE, Networks
from netwatchd.config.alerts import AlertCommand, AlertEmail, AlertNtfy, Alerts, AlertWebhook
from netwatchd.config.blocklists import Blocklists
from netwatchd.config.detectors import Detectors
from netwatchd.config.setting import setting
from netwatchd.config.sources import (
    Capture,
    Conntrack,
    Dhcp,
    Eve,
    Hosts,
    Json,
    Leases,
    Mdns,
    Neighbours,
    Netflow,
    Rdns,
    Ssdp,
    Zeek,
)
from netwatchd.mutes import Rule, rules
from netwatchd.values import (
    age,
    duration,
    host_name,
    networks,
    one_of,
    optional_path,
    positive_duration,
    size,
    whole,
    words,
    yes_no,
)


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
    daily_retention: float = setting(
        age, "1825 d", "Roll-ups of days, sessions and traits of devices older than this are removed."
    )
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
        """Where programs connect to the live stream."""
        return f"{'wss' if self.tls_certificate else 'ws'}://{self._place}/ws"

    @property
    def page_url(self) -> str:
        """Where a browser finds the page."""
        return f"{'https' if self.tls_certificate else 'http'}://{self._place}/"

    @property
    def _place(self) -> str:
        is_everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - this only reads it
        host = socket.gethostname() if is_everywhere else self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(frozen=True)
class Metrics:
    """What Prometheus is told at /metrics, beside what it always is: docs/METRICS.md."""

    devices: int = setting(
        whole(0, 1000),
        "0",
        "Devices whose traffic is told each by itself, with MAC and the name that you gave: those that moved most. "
        "0: none is.",
    )


@dataclass(frozen=True)
class Devices:
    """What counts as a device, and when it counts as gone."""

    networks: Networks = setting(
        networks, PRIVATE, "Networks whose addresses are devices here, where a source tells of flows without MACs."
    )
    offline_after: float = setting(
        age, "15 min", "Silence after which a device counts as offline; longer where it is usually silent for longer."
    )
    probe: bool = setting(
        yes_no,
        "yes",
        "Ask a device that falls silent whether it is still here, by an ARP request or neighbour solicitation to it "
        "alone, before it counts as offline. Needs CAP_NET_ADMIN.",
    )
    probe_rate: int = setting(
        whole(1, 6000), "60", "How many devices are asked in a minute, at most; ten of them may be at once."
    )
    merge: bool = setting(
        yes_no,
        "yes",
        "Recognise a device that comes back with another private MAC as the one that it was.",
    )


@dataclass(frozen=True)
class Ingest:
    """The queues between the sources and the workers."""

    queue_size: int = setting(
        whole(100, 10_000_000), "10000", "Events that may wait for a worker, for devices, flows and threats each."
    )


@dataclass(frozen=True)
class Threats:
    """What becomes of threats that are seen again, and which are not told at all."""

    cooldown: float = setting(
        age,
        "1 h",
        "A threat that is seen again within this time goes on; later it has happened once more, and is told anew.",
    )
    mute: tuple[Rule, ...] = setting(
        rules,
        "",
        "Threats that are not told: a list of KIND WHO, or KIND WHO WHOM, such as 'port_scan kali' or 'beacon * "
        "example.org', separated by commas or in several such lines. Each threat names the line that mutes it; "
        "docs/THREATS.md explains the rest.",
        repeats=True,
    )
    retention: float = setting(
        age, "365 d", "Threats that were not seen for this long are removed, whatever was made of them."
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
class Config(Detectors):
    """The whole configuration; `path` is None where no file was read."""

    path: Path | None = None
    storage: Storage = _section("storage", Storage)
    websocket: Websocket = _section("websocket", Websocket)
    metrics: Metrics = _section("metrics", Metrics)
    devices: Devices = _section("devices", Devices)
    ingest: Ingest = _section("ingest", Ingest)
    threats: Threats = _section("threats", Threats)
    neighbours: Neighbours = _section("source:neighbours", Neighbours)
    conntrack: Conntrack = _section("source:conntrack", Conntrack)
    capture: Capture = _section("source:capture", Capture)
    zeek: Zeek = _section("source:zeek", Zeek)
    eve: Eve = _section("source:eve", Eve)
    json: Json = _section("source:json", Json)
    netflow: Netflow = _section("source:netflow", Netflow)
    leases: Leases = _section("source:leases", Leases)
    hosts: Hosts = _section("source:hosts", Hosts)
    rdns: Rdns = _section("source:rdns", Rdns)
    dhcp: Dhcp = _section("source:dhcp", Dhcp)
    mdns: Mdns = _section("source:mdns", Mdns)
    ssdp: Ssdp = _section("source:ssdp", Ssdp)
    blocklists: Blocklists = _section("blocklists", Blocklists)
    logging: Logging = _section("logging", Logging)
    alerts: Alerts = _section("alerts", Alerts)
    ntfy: AlertNtfy = _section("alert:ntfy", AlertNtfy)
    webhook: AlertWebhook = _section("alert:webhook", AlertWebhook)
    email: AlertEmail = _section("alert:email", AlertEmail)
    command: AlertCommand = _section("alert:command", AlertCommand)


def sections() -> dict[str, dataclasses.Field[Any]]:
    """The fields of Config that are sections of config.ini, by the section's name."""
    found = [f for f in dataclasses.fields(Config) if "section" in f.metadata]
    found.sort(key=lambda field: field.metadata["section"].startswith("detector:"))
    return {field.metadata["section"]: field for field in found}


def settings_of(section: type) -> dict[str, dataclasses.Field[Any]]:
    """The settings of a section's dataclass, by key."""
    return {f.name: f for f in dataclasses.fields(section)}


def state_directory(config: Config) -> Path:
    """Where the databases lie."""
    return config.storage.directory or Path(os.environ.get("STATE_DIRECTORY", "/var/lib/netwatchd"))


def runtime_directory() -> Path:
    """Where sockets and the pid file lie."""
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run/netwatchd"))
