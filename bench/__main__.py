"""`python -m bench [PART...]`: runs the parts named, or all of them, and prints a table of figures."""

import argparse
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import blocklists, capture, delay, detectors, memory, rate, records, stalled, storage, wear

PARTS: dict[str, Callable[[], None]] = {
    "startup": memory.startup,
    "rest": memory.at_rest,
    "rate": rate.stored,
    "storage": storage.storage,
    "records": records.records,
    "live": rate.broadcast,
    "delay": delay.delays,
    "stalled": stalled.stalled,
    "memory": memory.with_load,
    "wear": wear.wear,
    "capture": capture.captured,
    "blocklists": blocklists.blocklists,
    "detectors": detectors.detectors,
}


def main() -> None:
    """Runs the parts."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures netwatchd on this machine.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}\n")
    for part in chosen:
        begun = time.monotonic()
        print(f"{part}:")
        PARTS[part]()
        print(f"    ({time.monotonic() - begun:.0f} s)\n", flush=True)


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    )


main()
