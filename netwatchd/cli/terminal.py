"""What a terminal can take: tables that fit it, and text that does nothing to it, whatever the network made of it."""

import os
import sys
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

ROOMY = 112  # columns from which on there is room for more than the most important: a MAC, longer names of makers
WIDE = 1000  # characters of a line in a pipe


def add(table: Table, *cells: str | Text) -> None:
    """Adds a row."""
    # As Text, because a plain str may hold markup, and a device names itself as it likes.
    table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """The text without what would act on the terminal that shows it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def cut(text: str, columns: int) -> str:
    """The text in so many columns at most: where it is longer, its middle is left out, since both ends tell."""
    if cell_len(text) <= columns:
        return text
    mark = letters("\N{HORIZONTAL ELLIPSIS}", "~")
    tail = (columns - 1) // 3
    end = text[-tail:] if tail else ""
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, columns - 1 - cell_len(end)).rstrip() + mark + end


def print_page(*parts: Table | Text) -> None:
    """Prints one below the other; into a pipe without the blanks that fill up a table's lines."""
    print("\n".join(page_lines(*parts)))


def page_lines(*parts: Table | Text, width: int | None = None) -> list[str]:
    """The lines of what is printed, as the terminal takes them; `width` in columns, where not that of the terminal."""
    out = console()
    if width is not None:
        out.width = width
    with out.capture() as page:
        for part in parts:
            out.print(part)
    return [line.rstrip(" ") for line in page.get().splitlines()]


def print_lines(lines: Iterable[str], hanging: int = 11) -> None:
    """Prints lines; those that are too long for the terminal are wrapped, the rest of them so far to the right."""
    out = console()
    for line in lines:
        if into_pipe() or cell_len(line) <= out.width:
            print(line, flush=True)
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        first, *rest = Text(line.lstrip()).wrap(out, out.width - len(indent))
        print(indent + first.plain.rstrip())
        left = Text(line.lstrip()[len(first.plain) :].lstrip())
        for each in left.wrap(out, out.width - hanging) if rest else ():
            print(" " * hanging + each.plain.rstrip(), flush=True)


def print_sections(title: Text, sections: Iterable[tuple[str, Iterable[str | Text]]]) -> None:
    """Prints what is known of one thing: a title, and below it labels, each with its lines."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, lines in sections:
        for line in lines:
            add(grid, Text(label, "bold"), line)
            label = ""
    print_page(title, grid)


def console() -> Console:
    """As wide as the terminal; into a pipe nothing is folded, so that grep finds whole words."""
    return Console(width=WIDE) if into_pipe() else Console()


def into_pipe() -> bool:
    """Whether no terminal shows what is printed."""
    return not (sys.stdout.isatty() or "COLUMNS" in os.environ)


def letters(wanted: str, instead: str) -> str:
    """What is `wanted`, or what stands for it where the terminal lacks such letters."""
    try:
        wanted.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return instead
    return wanted
