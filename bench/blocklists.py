"""Blocklists: what they take of memory and time, to build and to ask. CPU time, so that others may be busy."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.figures import show
from netwatchd.addresses import Address
from netwatchd.blocklists.allowed import Allowance
from netwatchd.blocklists.building import Builder
from netwatchd.blocklists.kept import Record
from netwatchd.blocklists.lists import Lists, Open, View
from netwatchd.blocklists.table import Table
from netwatchd.blocklists.taking import build
from netwatchd.config.blocklists import Source
from netwatchd.decoders.lists.entry import BELOW, Entry

KEY = bytes(16)
MILLION = 1_000_000
ASKED = 100_000
LINES: dict[str, Callable[[random.Random], str]] = {
    "addresses of IPv4": lambda r: f"{r.randrange(1, 224)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}",
    "addresses of IPv6": lambda r: f"2a0{r.randrange(10)}:{r.randrange(1, 65536):x}:{r.randrange(1, 65536):x}::1",
    "domains": lambda r: f"w{r.randrange(1 << 40):x}.ex{r.randrange(1 << 20)}.example",
}


def blocklists() -> None:
    """Builds tables of millions, each in a process of its own, and asks lists of them."""
    for kind, millions in (("addresses of IPv4", (1, 2, 5)), ("addresses of IPv6", (1,)), ("domains", (1, 2))):
        for count in millions:
            told = subprocess.run(
                [sys.executable, "-m", "bench.blocklists", kind, str(count * MILLION)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            seconds, memory, size = map(float, told.stdout.split())
            what = f"{count} million {kind}"
            show(f"{what}: to read and build", f"{seconds:.1f} s of CPU")
            show(f"{what}: memory for that, at its peak", f"{memory:.0f} MB")
            show(f"{what}: in the table, an entry", f"{size:.1f} bytes")
    _ask()


def _build(kind: str, count: int) -> None:
    """Prints the seconds, the megabytes and the bytes an entry of one table."""
    with tempfile.TemporaryDirectory() as place:
        text, table = Path(place) / "list", Path(place) / "table"
        numbers = random.Random(count)  # noqa: S311  # the same in each run
        with text.open("w") as file:
            file.writelines(f"{LINES[kind](numbers)}\n" for _ in range(count))
        memory, begun = _peak(), time.process_time()
        record = Record("list")
        build(text, table, record, KEY, lambda: None)
        print(time.process_time() - begun, _peak() - memory, table.stat().st_size / record.entries)


def _peak() -> float:
    """Megabytes; of getrusage() it would be the most that the process had before exec(), too."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def _ask() -> None:
    """What a lookup costs, in five lists of 200,000 addresses and 50,000 names each."""
    numbers = random.Random(1)  # noqa: S311  # the same in each run
    with tempfile.TemporaryDirectory() as place:
        found = []
        for number in range(5):
            builder = Builder(KEY)
            builder.take(Entry(numbers.randrange(1 << 32), 32) for _ in range(200_000))
            builder.take(Entry(numbers.randrange(1 << 24) << 8, 24) for _ in range(2000))
            builder.take(Entry(f"n{numbers.randrange(1 << 30)}.example", BELOW) for _ in range(50_000))
            path = Path(place) / str(number)
            builder.write(path)
            found.append(Open(Source(f"l{number}", ""), Record(f"l{number}"), Table(path)))
        begun = time.process_time()
        view = View(found, Allowance(), KEY)
        show("five lists of 252,000: to put in force", f"{(time.process_time() - begun) * 1000:.0f} ms of CPU")
        lists = Lists()
        lists.use(view)
        fresh = [numbers.randrange(1 << 32) for _ in range(ASKED)]
        usual = [each for each in fresh if not view.address(each)][:300] * (ASKED // 300)
        listed = [each.table for each in found]
        hits: list[Address] = [number for table in listed for _, all_ in table.networks4() for number in all_[:4000]]
        names = [f"www.site{number}.example.com" for number in range(300)] * (ASKED // 300)
        new_names = [f"www.site{number}.example.com" for number in range(ASKED)]
        for what, asked in (
            ("an address that was asked before, in no list", usual),
            ("an address that was not asked before", fresh),
            ("an address that is listed, the first time", hits[:20_000]),
            ("a name that was asked before", names),
            ("a name that was not asked before", new_names),
        ):
            show(f"lookup: {what}", f"{_each(lists.listed, asked):.2f} µs")  # type: ignore[arg-type]


def _each(ask: Callable[[object], object], asked: Sequence[object]) -> float:
    """Microseconds of one question."""
    begun = time.process_time()
    for each in asked:
        ask(each)
    return (time.process_time() - begun) / len(asked) * 1e6


if __name__ == "__main__":
    _build(sys.argv[1], int(sys.argv[2]))
