"""`python -m accuracy [--data DIR] [--write]`: compares, shows the tables, and says whether anything got worse."""

import argparse
import importlib
import importlib.util
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from accuracy import Row, page

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/ACCURACY.md"
DATA = ROOT.parent / "shared/data"
_WIDE = 160  # columns, where nobody says how many there are
MODULES = ("exports", "packets", "logs", "leases", "devices", "blocklists", "verdicts")


def main() -> int:
    """Compares; returns 1 where something got worse, or where there is nothing to compare with."""
    options = _options()
    data: Path = options.data
    if not (data / "_truth").is_dir():
        print(
            f"accuracy: there are no recordings with their truths in {data} (it should have a folder _truth); "
            "--data or $NETWATCHD_DATA names another folder",
            file=sys.stderr,
        )
        return 1
    tables: dict[str, list[Row]] = {}
    introductions: dict[str, str] = {}
    details: dict[str, str] = {}  # a table below the rows, where a module has one
    headlines: dict[str, str] = {}  # its sum in a sentence, where its rows cannot be added up with those of others
    for name in options.modules or MODULES:
        if importlib.util.find_spec(f"accuracy.{name}") is None:
            continue
        begun = time.process_time()
        module = importlib.import_module(f"accuracy.{name}")
        tables[name] = module.rows(data)
        introductions[name] = (module.__doc__ or "").strip().split("\n\n")[0]
        if options.write and hasattr(module, "details"):
            details[name] = module.details(data)
        if hasattr(module, "headline"):
            headlines[name] = module.headline(data)
        _show(name, tables[name], time.process_time() - begun, headlines.get(name))
    worse = page.worse(tables, PAGE.read_text(encoding="utf-8")) if PAGE.exists() else []
    for sentence in worse:
        print(f"worse than {PAGE.name} says: {sentence}")
    lacking = {text for rows in tables.values() for row in rows if not row.files for text in row.differences}
    if options.write and lacking:
        print(f"not written, because not all could be compared: {', '.join(sorted(lacking))}", file=sys.stderr)
        return 1
    if options.write:
        PAGE.write_text(page.render(tables, introductions, details, headlines), encoding="utf-8")
        print(f"written: {PAGE}")
        return 0
    return 1 if worse else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m accuracy",
        description="Compares what netwatchd makes of other people's recordings with what others made of them.",
    )
    given = os.environ.get("NETWATCHD_DATA")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)} (all that there are)")
    parser.add_argument(
        "--data", type=Path, default=Path(given) if given else DATA, metavar="DIR",
        help="the recordings, one folder an origin, and _truth ($NETWATCHD_DATA, else ../shared/data)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name} anew")
    options = parser.parse_args()
    if unknown := [name for name in options.modules if name not in MODULES]:
        parser.error(f"there is no module {', '.join(unknown)}; there are {', '.join(MODULES)}")
    if options.write and options.modules:
        parser.error("--write writes the whole page: it goes with no MODULE")
    return options


def _show(name: str, rows: list[Row], seconds: float, headline: str | None) -> None:
    table = Table(title=f"{page.TITLES[name]} ({seconds:.0f} s of CPU time)", title_justify="left")
    for column in ("origin", "compared", "files", "expected", "matched"):
        table.add_column(column, justify="left" if column in ("origin", "compared") else "right", overflow="fold")
    total = page.together(rows)
    for row in rows if headline else (*rows, total):
        if row is total:
            table.add_section()
        style = "" if row.matched == row.expected else "yellow"
        numbers = (f"{row.files:,}", f"{row.expected:,}", f"{row.matched:,}")
        table.add_row(*(Text(cell) for cell in (row.origin, row.what, *numbers)), style=style)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    console.print(table)
    if headline:
        console.print(f"{page.TITLES[name]}: {headline}", highlight=False, soft_wrap=True)
    for row in rows:
        for text in row.differences:
            console.print(Text(f"{row.origin}, {row.what}: {text}"), soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
