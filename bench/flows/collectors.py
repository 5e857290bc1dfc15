"""The three collectors: how each is started, what it stored in the end, and what it says of its own losses."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

BUFFER = 32 * 2**20  # bytes of socket buffer that each is told to ask for


class Stored(NamedTuple):
    """What lies on disk. A flow of both directions counts twice in `flows`, as its exporter sent it."""

    flows: int
    octets: int
    packets: int
    rows: int


class Collector(Protocol):
    """One program that is measured; each trial has a directory of its own."""

    name: str
    first: float  # flows a second, where the search begins
    ends_on: signal.Signals
    environment: dict[str, str]

    def missing(self) -> str | None:
        """What is not installed."""

    def command(self, directory: Path, port: int) -> list[str]:
        """Writes its configuration and returns what starts it."""

    def says(self, directory: Path) -> str:
        """What it says of its losses, while it runs."""

    def said(self, directory: Path) -> str:
        """What it says of them in the end."""

    def stored(self, directory: Path) -> Stored:
        """What it stored."""

    def files(self, directory: Path) -> list[Path]:
        """Where it stored it."""


class Netwatchd:
    """This project's daemon with the shipped settings; every other source is off."""

    name, first, ends_on = "netwatchd", 200_000, signal.SIGTERM

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def missing(self) -> str | None:
        """It is always there."""
        return None

    def command(self, directory: Path, port: int) -> list[str]:
        """Everything but the source netflow is off."""
        (directory / "state").mkdir()
        off = "".join(f"[source:{name}]\nenabled = no\n" for name in ("json", "neighbours", "conntrack"))
        file = directory / "config.ini"
        file.write_text(
            f"[websocket]\nport = {_free_port()}\n{off}[source:netflow]\nenabled = yes\nlisten = 127.0.0.1:{port}\n"
        )
        self.environment |= {"STATE_DIRECTORY": f"{directory}/state", "RUNTIME_DIRECTORY": f"{directory}/run"}
        return [sys.executable, "-m", "netwatchd", "run", "--config", str(file)]

    def says(self, directory: Path) -> str:
        """Its counters of all that did not become rows."""
        command = [sys.executable, "-m", "netwatchd", "status", "--json", "--config", str(directory / "config.ini")]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            return answer.stderr.strip()
        (directory / "status.json").write_text(answer.stdout)
        counters = json.loads(answer.stdout)["counters"]
        kinds = ("lost", "dropped", "malformed", "refused")
        return ", ".join(filter(None, (_leaves(counters.get(kind, {}), kind) for kind in kinds))) or "nothing lost"

    def said(self, directory: Path) -> str:
        """Nothing more than it did while it ran."""
        return ""

    def stored(self, directory: Path) -> Stored:
        """Adds up the rows; a side that sent nothing was not exported."""
        total = [0, 0, 0, 0]
        for file in sorted((directory / "state").glob("flows-*.db")):
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
                sums = db.execute(
                    "SELECT total(packets_out > 0) + total(packets_in > 0), total(bytes_out) + total(bytes_in), "
                    "total(packets_out) + total(packets_in), count(*) FROM flows"
                ).fetchone()
                total = [have + int(more) for have, more in zip(total, sums, strict=True)]
        return Stored(*total)

    def files(self, directory: Path) -> list[Path]:
        """The databases."""
        return sorted((directory / "state").glob("*.db*"))


class Nfcapd:
    """nfcapd of nfdump: appends compact records to a plain file."""

    name, first, ends_on = "nfcapd", 1_600_000, signal.SIGTERM

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def missing(self) -> str | None:
        """The package to install."""
        return None if shutil.which("nfcapd") else "nfcapd (apt install nfdump)"

    def command(self, directory: Path, port: int) -> list[str]:
        """One file for the whole trial, not compressed."""
        (directory / "flows").mkdir()
        where = ["-w", f"{directory}/flows", "-b", "127.0.0.1", "-p", str(port)]
        return ["nfcapd", *where, "-t", "3600", "-B", str(BUFFER)]

    def says(self, directory: Path) -> str:
        """It says nothing while it runs."""
        return ""

    def said(self, directory: Path) -> str:
        """Its last line in the log."""
        found = re.findall(r"Sequence Errors: (\d+), Bad Packets: (\d+)", (directory / "log").read_text())
        lost = [f"{errors} sequence errors, {bad} bad packets" for errors, bad in found if (errors, bad) != ("0", "0")]
        return ", ".join(lost) or "nothing lost"

    def stored(self, directory: Path) -> Stored:
        """Adds up what nfdump reads from its files."""
        total = [0, 0, 0, 0]
        for file in self.files(directory):
            told = subprocess.run(["nfdump", "-r", str(file), "-I"], capture_output=True, text=True, check=True).stdout
            sums = dict(re.findall(r"^(Flows|Bytes|Packets): (\d+)$", told, re.MULTILINE))
            more = (sums["Flows"], sums["Bytes"], sums["Packets"], sums["Flows"])
            total = [have + int(each) for have, each in zip(total, more, strict=True)]
        return Stored(*total)

    def files(self, directory: Path) -> list[Path]:
        """Its files; a trial across an hour's end has two."""
        return sorted((directory / "flows").glob("nfcapd.*"))


class Nfacctd:
    """nfacctd of pmacct with the plugin sqlite3: a row a flow, as netwatchd has it, inserted every second."""

    name, first, ends_on = "nfacctd", 50_000, signal.SIGINT

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def missing(self) -> str | None:
        """The package to install, or the plugin that this build lacks."""
        if not shutil.which("nfacctd"):
            return "nfacctd (apt install pmacct)"
        told = subprocess.run(["nfacctd", "-V"], capture_output=True, text=True, check=False).stdout
        return None if "sqlite" in told else "pmacct's sqlite3 plugin, which this build lacks"

    def command(self, directory: Path, port: int) -> list[str]:
        """Generous buffers, inserts only, and a cache that holds what comes within a second."""
        with closing(sqlite3.connect(directory / "flows.db")) as db:
            db.execute(
                "CREATE TABLE flows (ip_src TEXT, ip_dst TEXT, src_port INT, dst_port INT, ip_proto TEXT, "
                "timestamp_start INTEGER, timestamp_start_residual INT, timestamp_end INTEGER, "
                "timestamp_end_residual INT, packets INT, bytes INT)"
            )
        file = directory / "nfacctd.conf"
        file.write_text(f"""
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_pipe_size: {BUFFER}
plugins: sqlite3[flows]
aggregate[flows]: src_host, dst_host, src_port, dst_port, proto, timestamp_start, timestamp_end
plugin_pipe_size: 268435456
plugin_buffer_size: 131072
sql_db[flows]: {directory}/flows.db
sql_table[flows]: flows
sql_refresh_time[flows]: 1
sql_dont_try_update[flows]: true
sql_optimize_clauses[flows]: true
sql_cache_entries[flows]: 1000003
timestamps_since_epoch: true
""")
        return ["nfacctd", "-f", str(file)]

    def says(self, directory: Path) -> str:
        """It says nothing while it runs."""
        return ""

    def said(self, directory: Path) -> str:
        """The warnings and errors in its log, each once."""
        found = re.findall(r"(?:WARN|ERROR) \( \S+ \): (.{0,60})", (directory / "log").read_text(errors="replace"))
        return "; ".join(f"{found.count(each)} x {each}" for each in sorted(set(found))) or "nothing lost"

    def stored(self, directory: Path) -> Stored:
        """Adds up the rows."""
        with closing(sqlite3.connect(directory / "flows.db")) as db:
            rows, *sums = db.execute("SELECT count(*), total(bytes), total(packets) FROM flows").fetchone()
        return Stored(rows, *map(int, sums), rows)

    def files(self, directory: Path) -> list[Path]:
        """The database."""
        return sorted(directory.glob("flows.db*"))


COLLECTORS: tuple[Collector, ...] = (Netwatchd(), Nfcapd(), Nfacctd())


def _leaves(tree: dict[str, object] | int, name: str) -> str:
    """Counters that are not zero, as words."""
    if isinstance(tree, int):
        return f"{name}: {tree:,}" if tree else ""
    return ", ".join(filter(None, (_leaves(below, f"{name}.{key}") for key, below in tree.items())))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
