"""Lease files of dnsmasq, ISC dhcpd and Kea, read by the decoders that serve the source `leases`.

The files of ISC dhcpd are compared with what isc_dhcp_leases 0.10.0 makes of them, lease by lease; those of dnsmasq and
Kea with a plain splitting at blanks and commas. A prefix is compared with its length, and the empty file as none.
"""

import csv
import gzip
import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from accuracy import Row
from netwatchd.addresses import address_text
from netwatchd.decoders.leases import NEVER, Lease, LeaseFile

Values = dict[str, Any]

_STATES = {"0": "active", "1": "declined", "2": "expired", "3": "released"}


def rows(data: Path) -> list[Row]:
    """The rows of docs/ACCURACY.md on leases; `data` is the folder of the recordings."""
    truth: dict[str, Values] = json.loads((data / "_truth/leases_expected.json").read_text())
    isc = {name: told for name, told in truth.items() if "leases" in told}
    found = []
    for origin in dict.fromkeys(name.split("/")[0] for name in isc):
        mine = {name: told for name, told in isc.items() if name.startswith(f"{origin}/")}
        found += [_blocks(data, origin, mine), _states(data, origin, mine)]
    return [*found, *_dnsmasq(data, truth), *_kea(data)]


def _read(path: Path) -> LeaseFile:
    raw = path.read_bytes()
    file = LeaseFile()
    file.read(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return file


# ISC dhcpd.


def _blocks(data: Path, origin: str, truth: dict[str, Values]) -> Row:
    """The last block of each address, as the other parser reads it."""
    expected = matched = 0
    differences = []
    for name, told in truth.items():
        got = Counter(map(_ours, _read(data / name).leases.values()))
        # Its list has every block; the last one of an address is what counts.
        wanted = Counter({lease["ip"]: _theirs(lease) for lease in told["leases"]}.values())
        expected += wanted.total()
        matched += (got & wanted).total()
        if different := (got - wanted) + (wanted - got):
            differences.append(f"{(wanted - got).total()} of {Path(name).name}: {next(iter(different))}")
    what = "ISC dhcpd: address or prefix, MAC, host name, state, start, end"
    return Row(origin.replace("+", "/"), what, len(truth), expected, matched, tuple(differences))


def _ours(lease: Lease) -> tuple[Any, ...]:
    address = address_text(lease.address) if lease.address is not None else ""
    end = lease.end if lease.end != NEVER else None
    length = f"/{lease.prefix}" if lease.prefix is not None else ""
    # The other one takes no MAC from a DUID.
    return address + length, None if lease.derived else lease.mac, lease.hostname, lease.state, lease.start, end


def _theirs(told: Values) -> tuple[Any, ...]:
    start, end = (_millis(told[key]) if key in told else None for key in ("start", "end"))
    return told["ip"], told.get("ethernet"), told.get("hostname"), told["binding_state"], start, end


def _millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _states(data: Path, origin: str, truth: dict[str, Values]) -> Row:
    """How many blocks, addresses, and of the addresses how many in each state."""
    expected = matched = 0
    differences = []
    for name, told in truth.items():
        file = _read(data / name)
        # Its states are those of its blocks; where blocks were replaced, those of the last ones.
        last = {lease["ip"]: lease["binding_state"] for lease in told["leases"]}
        pairs = [
            (file.records, told["records"]),
            (len(file.leases), told["distinct_ip"]),
            (Counter(lease.state for lease in file.leases.values()), Counter(last.values())),
        ]
        expected += len(pairs)
        matched += sum(ours == theirs for ours, theirs in pairs)
        differences += [f"{Path(name).name}: {ours}, not {theirs}" for ours, theirs in pairs if ours != theirs]
    what = "ISC dhcpd: numbers of blocks, of addresses, and of addresses in each state"
    return Row(origin.replace("+", "/"), what, len(truth), expected, matched, tuple(differences))


# dnsmasq.


def _dnsmasq(data: Path, truth: dict[str, Values]) -> Iterator[Row]:
    for name, told in truth.items():
        if "duid_line" not in told:
            continue
        path = data / name
        file = _read(path)
        kinds = Counter(isinstance(lease.address, int) for lease in file.leases.values())
        pairs = [(kinds[True], told["v4"]), (kinds[False], told["v6"]), (file.bad.total(), 0)]
        lines = Counter(_line(line.split()) for line in path.read_text().splitlines() if not line.startswith("duid"))
        got = Counter(map(_fields, file.leases.values()))
        origin = name.split("/")[0].replace("+", "/")
        yield Row(origin, "dnsmasq: numbers of leases of IPv4 and of IPv6, none malformed", 1, len(pairs),
                  sum(ours == theirs for ours, theirs in pairs))  # fmt: skip
        yield Row(origin, "dnsmasq: address, MAC or IAID, DUID, name, end", 1, lines.total(), (got & lines).total())


def _line(words: list[str]) -> tuple[Any, ...]:
    end, hardware, address, name, client = words
    of_ipv6 = ":" in address
    mac = client[-17:] if of_ipv6 else hardware  # a DUID-LLT ends with the MAC
    identifier = None if client == "*" else client.replace(":", "")
    return (str(ipaddress.ip_address(address)), mac, int(hardware) if of_ipv6 else None, identifier,
            None if name == "*" else name, int(end) * 1000)  # fmt: skip


def _fields(lease: Lease) -> tuple[Any, ...]:
    address = address_text(lease.address) if lease.address is not None else ""
    identifier = lease.duid if lease.iaid is not None else lease.client_id
    return address, lease.mac, lease.iaid, identifier, lease.hostname, lease.end


# Kea.


def _kea(data: Path) -> Iterator[Row]:
    paths = sorted(data.glob("isc-projects+kea/**/*.csv"))
    expected = matched = 0
    for path in paths:
        with path.open(newline="") as file:
            wanted = Counter(map(_row, csv.DictReader(file)))
        got = Counter(map(_columns, _read(path).leases.values()))
        expected += wanted.total()
        matched += (got & wanted).total()
    what = "Kea: address, DUID or client id, name, state, start, end, IAID"
    yield Row("isc-projects/kea", what, len(paths), expected, matched)


def _row(row: dict[str, str]) -> tuple[Any, ...]:
    end = int(row["expire"]) * 1000
    return (str(ipaddress.ip_address(row["address"])), (row.get("duid") or row.get("client_id") or "").replace(":", ""),
            row["hostname"].replace("&#x2c", ","), _STATES[row["state"]], end - int(row["valid_lifetime"]) * 1000, end,
            int(row["iaid"]) if "iaid" in row else None)  # fmt: skip


def _columns(lease: Lease) -> tuple[Any, ...]:
    address = address_text(lease.address) if lease.address is not None else ""
    return (address, lease.duid or lease.client_id or "", lease.hostname or "", lease.state, lease.start, lease.end,
            lease.iaid)  # fmt: skip
