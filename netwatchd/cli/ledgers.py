"""The loss ledger and the write budget, as lines of `status`."""

from collections.abc import Iterator, Mapping
from typing import Any

from netwatchd.budget import size_text
from netwatchd.cli.moments import counted
from netwatchd.ledger import KINDS

_ONE = {
    "devices": "device", "flows": "flow", "threats": "threat", "observations": "observation", "messages": "message",
    "alerts": "alert", "answers": "answer",
}  # fmt: skip
Line = tuple[str, str]


def sources(answer: Mapping[str, Any]) -> Iterator[Line]:
    """A line a source: whether it works, what it has handed in, and what of that is missing."""
    books = {book["name"]: book for book in answer["ledger"]["sources"]}
    for source in answer["sources"]:
        state = source["state"] + (f": {source['reason']}" if source["reason"] else "")
        told = _told(books[source["name"]]) if source["name"] in books else ""
        yield f"source {source['name']}", f"{state}; {told}" if told else state


def _told(book: Mapping[str, Any]) -> str:
    came = _counts({kind: book[kind] for kind in (*KINDS, "observations")})
    parts = [came and f"received {came}", f"{book['merged']:,} merged" if book["merged"] else ""]
    parts += [_named(word, book[word]) for word in ("passed", "dropped", "lost")]
    return "; ".join(filter(None, parts))


def kinds(ledger: Mapping[str, Any]) -> Iterator[Line]:
    """A line a kind: what came, and what became of it; and what was sent, which is of all sources together."""
    for book in ledger["kinds"]:
        came = f"{book['received']:,} received"
        if book["recalled"]:
            came += f" and {book['recalled']:,} of the last run"
        became = _counts({"merged": book["merged"], "waiting": book["waiting"], "ignored": book["ignored"]})
        rows = f"{book['stored']:,} stored"
        if book["kind"] != "flows":
            rows = f"{counted(book['stored'], 'row')} stored"
        parts = [came, rows, became, _named("dropped", book["dropped"])]
        yield f"ledger {book['kind']}", "; ".join(filter(None, parts))
    yield "sent", _counts(ledger["sent"]) or "nothing"


def budget(answer: Mapping[str, Any]) -> Iterator[Line]:
    """What is written to the disk, and what comes of it."""
    told = answer["budget"]
    if told["written"] is None:
        yield "written today", "unknown: the system does not count it"
    else:
        daily = f"; about {size_text(told['written_a_day'])} a day" if told["written_a_day"] is not None else ""
        since = f"{size_text(told['written'])} since the start, in {counted(answer['database']['commits'], 'commit')}"
        yield "written today", f"{size_text(told['written_today'])}{daily}; {since}"
    growth = f"grows by about {size_text(told['growth'])} a day; " if told["growth"] is not None else ""
    yield "budget", growth + told["text"]


def _named(word: str, counts: Mapping[str, int]) -> str:
    return f"{word} {_counts(counts)}" if counts else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count:,} {_ONE[name] if count == 1 and name in _ONE else name.replace('_', ' ')}"
        for name, count in counts.items()
        if count
    )
