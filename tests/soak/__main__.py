"""The command: `python -m soak --minutes 60`. It fails where any promise was broken."""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from running import small_disk

from soak.options import Options
from soak.run import Soak

DISK = 4  # GB at most; what an hour leaves is about half of it


def options() -> Options:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--rate", type=float, default=0.0, help="flows a second in all (0: at full speed)")
    parser.add_argument("--full-minutes", type=float, default=10.0, help="at that speed; then 1,000 a second (10)")
    parser.add_argument("--producers", type=int, default=8, help="writers (8)")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two faults (5)")
    parser.add_argument("--kills", action="store_true", help="kill the daemon now and then, instead of a full disk")
    parser.add_argument("--no-faults", dest="faults", action="store_false", help="load only")
    parser.add_argument("--only", default="", metavar="FAULT", help="one fault alone, such as long_reader")
    parser.add_argument("--on-disk", action="store_true", help="no disk of its own, in memory, that can be full")
    given = vars(parser.parse_args())
    small = not given.pop("on_disk") and _may_mount() and _free_memory() > 2 * DISK
    return Options(**given, disk=f"{DISK}g" if small else "")


def _may_mount() -> bool:
    """Root may, but not in every container."""
    try:
        with tempfile.TemporaryDirectory() as directory, small_disk(Path(directory)):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _free_memory() -> float:
    text = Path("/proc/meminfo").read_text()
    return int(text.split("MemAvailable:")[1].split()[0]) / 2**20


def main() -> int:
    """Soaks, and prints what came of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what we started and mounted goes with us
    wanted = options()
    if not wanted.disk:
        print("the disk is never full: that needs root, and memory for a disk of its own")
    result = Soak(wanted, lambda line: print(line, flush=True)).run()
    print()
    for name, value in result.figures.items():
        print(f"{name:44} {value}")
    print()
    for mistake in result.mistakes[:50]:
        print(f"BROKEN: {mistake}")
    print("every promise was kept" if not result.mistakes else f"{len(result.mistakes)} promises were broken")
    return bool(result.mistakes)


if __name__ == "__main__":
    sys.exit(main())
