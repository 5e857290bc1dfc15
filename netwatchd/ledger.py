"""The loss ledger: what came, what became of it, and what is missing, reckoned from the counters alone.

Its theory: a source hands in sightings of devices, flows and threats. A sighting or a finding goes into what is known
of its device or threat, of which the latest state is stored: so it is `merged`, and rows are something else. A flow is
stored itself, unless a later word on it comes before its row is written (`merged`), there is no room (`dropped`), or it
still waits. So per kind

    received + recalled = merged + stored (of flows) + ignored (of devices) + dropped + saved + waiting

and `unaccounted` is what is missing from that: 0 where nothing is being worked on.

What is stored and sent is told by kind and not by source: a row may hold what several sources have told, and a message
the latest of many. Nothing here is counted, and nothing is read: whoever asks pays for it, and nobody else.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Tree = Mapping[str, Any]
KINDS = ("devices", "flows", "threats")
# sFlow comes in by the source `netflow`, and is counted by its own name.
_ALSO = {"netflow": ("sflow",)}
# What one counter without a second word counts, where it is no record.
_UNITS = {"zeek": "rests_of_logs", "eve": "rests_of_logs", "mdns": "announcements", "ssdp": "announcements"}
# What a source read that tells of nothing here, by the first word of its counters; and what it could not take.
_PASSED = ("skipped", "ignored", "refused")
_GIVEN_UP = ("malformed", "untracked")
# Of how many devices, flows and threats each was dropped tells another word.
_OF_DEVICES = ("too_many",)


class Stages(NamedTuple):
    """What is no counter: how far events have come, by kind."""

    seen: Mapping[str, int]  # events that the workers have dealt with, ever
    rows: Mapping[str, int]  # rows that are not committed yet
    held: int = 0  # flows that live and have more than their row has
    messages: int = 0  # that wait for clients


def reckon(counters: Tree, sources: Iterable[tuple[str, str]], stages: Stages) -> dict[str, Any]:
    """The ledger of a tree of counters, where `sources` are names and states of all that there are."""
    found = [_source(name, state, counters) for name, state in sources]
    return {
        "sources": [each for each in found if each["state"] != "off" or _has_told(each)],
        "kinds": [_kind(kind, counters, stages) for kind in KINDS],
        "sent": {
            "messages": _at(counters, "sent", "messages"),
            "alerts": total(counters.get("alerts", {}).get("sent", 0)),
            "answers": total(counters.get("asked", 0)),
        },
        "dropped": leaves({kind: each for kind, each in counters.get("dropped", {}).items() if kind in _GENERAL}),
    }


# What is dropped by no source, though their tree is the same: `dropped.capture.clues` is the source's.
_GENERAL = frozenset({"devices", "flows", "records", "rows", "events", "news", "messages", "clients"})


def _source(name: str, state: str, counters: Tree) -> dict[str, Any]:
    def of(family: str) -> dict[str, int]:
        """The counters of a family that are this source's, by what they count."""
        units: dict[str, int] = {}
        for word in (name, *_ALSO.get(name, ())):
            prefix = "" if word == name else f"{word}_"
            part = counters.get(family, {}).get(word, 0)
            if isinstance(part, int):
                part = {_UNITS.get(name, "records") if family == "lost" else family: part}
            units |= {f"{prefix}{what}": count for what, count in leaves(part).items() if count}
        return units

    came = counters.get("events", {}).get(name, {})
    times = {family: total(of(family)) for family in ("overflows", "unreadable")}
    return {
        "name": name,
        "state": state,
        "received": _at(counters, "received", name),
        **{kind: came.get(kind, 0) for kind in KINDS},
        "observations": _at(counters, "observed", name),
        "merged": _at(counters, "merged", "flows", name) + _at(counters, "repeated", name),
        "passed": {what: count for family in _PASSED for what, count in of(family).items()},
        "dropped": of("dropped") | {what: count for family in _GIVEN_UP for what, count in of(family).items()},
        "lost": of("lost") | {family: count for family, count in times.items() if count},
    }


def _has_told(source: dict[str, Any]) -> bool:
    return any(value for key, value in source.items() if key not in ("name", "state"))


def _kind(kind: str, counters: Tree, stages: Stages) -> dict[str, Any]:
    received = sum(each.get(kind, 0) for each in counters.get("events", {}).values())
    recalled = _at(counters, "recalled", kind)
    stored = _at(counters, "stored", kind)
    saved, unsaved = _at(counters, "saved", kind), _at(counters, "unsaved", kind)
    # What was given up at the end, saved or not, is in no queue any more.
    rows = max(stages.rows.get(kind, 0) - saved - unsaved, 0)
    seen = stages.seen.get(kind, 0)
    dropped = leaves(counters.get("dropped", {}).get(kind, {}))
    if rejected := _at(counters, "rejected", kind):
        dropped["rejected"] = rejected
    if unsaved:
        dropped["no_spool"] = unsaved
    queued = max(received + recalled - seen, 0)  # also what waits at the door of a full queue
    ignored = total(counters.get("ignored", {}).get(kind, 0))
    if kind == "flows":
        merged = _at(counters, "coalesced", "flows")
        waiting = queued + stages.held + rows
        left = merged + stored + saved + total(dropped) + waiting
    else:
        refused = sum(dropped.get(reason, 0) for reason in _OF_DEVICES)
        merged, waiting = max(seen - refused - ignored, 0), queued
        left = merged + refused + ignored + waiting
    return {
        "kind": kind, "received": received, "recalled": recalled, "merged": merged, "stored": stored,
        "ignored": ignored, "dropped": dropped, "saved": saved, "waiting": waiting, "pending": rows,
        "unaccounted": received + recalled - left,
    }  # fmt: skip


def since(before: Tree, counters: Tree) -> dict[str, Any]:
    """What a tree of counters has counted since it was as `before`; what has not counted is not there."""
    found: dict[str, Any] = {}
    for name, value in counters.items():
        earlier = before.get(name, 0 if isinstance(value, int) else {})
        difference = value - earlier if isinstance(value, int) else since(earlier, value)
        if difference:
            found[name] = difference
    return found


def leaves(tree: Any, above: str = "") -> dict[str, int]:
    """The counts of a tree by their names: `{"flows storage_full": 3}`."""
    found: dict[str, int] = {}
    for name, value in tree.items():
        found |= {f"{above}{name}": value} if isinstance(value, int) else leaves(value, f"{above}{name} ")
    return found


def total(tree: Any) -> int:
    """All the counts of a tree."""
    return tree if isinstance(tree, int) else sum(map(total, tree.values()))


def _at(counters: Tree, *path: str) -> int:
    """One counter; 0 where it never counted."""
    node: Any = counters
    for word in path:
        node = node.get(word, {}) if isinstance(node, Mapping) else {}
    return node if isinstance(node, int) else 0


# As a line of the journal.


def line(counters: Tree) -> str:
    """What came, and what became of it, in one line: only what is not nothing."""
    came = {name: total(kinds) for name, kinds in counters.get("received", {}).items()}
    stored = {kind: count for kind, count in counters.get("stored", {}).items() if kind != "spooled"}
    sent = {"messages": _at(counters, "sent", "messages"), "alerts": total(counters.get("alerts", {}).get("sent", 0))}
    told = [f"received {_sum(came)}", f"stored {_sum(stored)}", f"sent {_words(sent) or 'nothing'}"]
    merged = total(counters.get("merged", 0)) + total(counters.get("coalesced", 0)) + total(counters.get("repeated", 0))
    told += [f"merged {merged:,} flows"] if merged else []
    dropped = leaves(counters.get("dropped", {})) | {
        f"{name} {family}": count for family in _GIVEN_UP for name, count in leaves(counters.get(family, {})).items()
    }
    lost = leaves(counters.get("lost", {})) | {
        f"{name} overflows": count for name, count in leaves(counters.get("overflows", {})).items()
    }
    saved = leaves(counters.get("saved", {}))
    for word, what in (("dropped", dropped), ("lost", lost), ("saved for the next start", saved)):
        told += [f"{word} {text}"] if (text := _words(what)) else [f"{word} nothing"] if word == "dropped" else []
    return ", ".join(told)


def _sum(counts: Mapping[str, int]) -> str:
    return f"{total(counts):,} ({text})" if (text := _words(counts)) else "nothing"


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
