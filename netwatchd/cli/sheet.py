"""Tables that fit the terminal: what is least needed gives way first, what is too long is cut where it tells least.

A row is one line, whatever stands in it, unless a column of sentences wraps; no word is broken in two. A pipe gets all
columns, and every cell whole.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from netwatchd.cli.terminal import WIDE, console, cut, into_pipe, page_lines, print_page, printable

BETWEEN = 2  # columns between two of a table
INDENT = " " * 4  # of what stands below a row
Cell = str | Text


class Column(NamedTuple):
    """A column: its title, and how it gives way where there is no room."""

    title: str
    number: bool = False  # to the right
    least: int | None = None  # so many columns are enough for it; None: it is never cut
    spare: int = 0  # columns with a higher number are left out first, those with 0 never
    sentence: bool = False  # it is wrapped between words, not cut

    @property
    def is_flexible(self) -> bool:
        """Whether it may be narrower than what stands in it."""
        return self.least is not None


def print_sheet(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], otherwise: str, below: Sequence[str] = ()
) -> None:
    """Prints the rows, or what is to be said where there are none; `below` has a sentence for below each row."""
    made = [[_text(cell) for cell in row] for row in rows]
    if not made:
        print_page(Text(otherwise))
        return
    room = WIDE if into_pipe() else console().width
    table = table_in(columns, made, room)
    lines = page_lines(table, width=max(room, sum(each.width or 0 for each in table.columns) + BETWEEN * len(columns)))
    if below:
        head, body = lines[: -len(made)], lines[-len(made) :]
        lines = [*head, *(line for row, text in zip(body, below, strict=True) for line in (row, *_wrapped(text, room)))]
    print("\n".join(lines))


def table_in(columns: Sequence[Column], rows: Sequence[Sequence[Text]], room: int) -> Table:
    """The table, made for so many columns of a terminal."""
    shown, widths = _fit(columns, rows, room)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for at, width in zip(shown, widths, strict=True):
        table.add_column(
            Text(columns[at].title), justify="right" if columns[at].number else "left", width=width,
            no_wrap=not columns[at].sentence, overflow="fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*(_fitted(row[at], width, columns[at]) for at, width in zip(shown, widths, strict=True)))
    return table


def _wrapped(text: str, room: int) -> list[str]:
    """The lines of what stands below a row."""
    width = max(room - len(INDENT), 20)
    words = Text(" ".join(cut(word, width) for word in printable(text).split(" ")))
    return [INDENT + line.plain.rstrip() for line in words.wrap(console(), width)]


def _fit(columns: Sequence[Column], rows: Sequence[Sequence[Text]], room: int) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide each of them is."""
    natural = [
        max([cell_len(column.title), *(cell_len(row[at].plain) for row in rows)]) for at, column in enumerate(columns)
    ]
    least = [
        min(width, max(column.least, cell_len(column.title))) if column.least is not None else width
        for column, width in zip(columns, natural, strict=True)
    ]
    shown = list(range(len(columns)))

    def free() -> int:
        return room - sum(least[at] for at in shown) - BETWEEN * (len(shown) - 1)

    while free() < 0 and (spare := max(shown, key=lambda at: columns[at].spare)) and columns[spare].spare:
        shown.remove(spare)
    widths, left = dict(zip(shown, (least[at] for at in shown), strict=True)), max(free(), 0)
    # Those that need least more get it first, and of what is left all others as much as each other.
    growing = sorted((at for at in shown if columns[at].is_flexible), key=lambda at: natural[at] - least[at])
    for number, at in enumerate(growing):
        more = min(natural[at] - least[at], left // (len(growing) - number))
        widths[at] += more
        left -= more
    return shown, [widths[at] for at in shown]


def _fitted(cell: Text, width: int, column: Column) -> Text:
    if not column.sentence:
        return cell if cell_len(cell.plain) <= width else Text(cut(cell.plain, width), cell.style)
    # A word that is longer than the column, such as a URL.
    words = [cut(word, width) for word in cell.plain.split(" ")]
    return Text(" ".join(words), cell.style)


def _text(cell: Cell) -> Text:
    # As Text, because a plain str may hold markup, and a device names itself as it likes.
    return cell if isinstance(cell, Text) else Text(printable(cell))
