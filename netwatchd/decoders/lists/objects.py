"""Lists in JSON: an object a line as those of Spamhaus, or one document as MISP's warning lists and abuse.ch's exports.

An object tells what it lists under one of the names that columns of CSV have.
"""

import json
from collections.abc import Iterator
from typing import Any

from netwatchd.decoders.lists.columns import VALUES, of_columns
from netwatchd.decoders.lists.entry import Entries, NotOurs, thing

# Kinds of MISP's warning lists that netwatchd can look for: others are parts of names, or regular expressions.
_MISP = ("cidr", "hostname", "string")
_DEEPEST = 4  # of a document: ThreatFox has lists in an object


def json_line(line: str) -> Entries:
    """What an object of a line lists; raises ValueError or NotOurs."""
    line = line.strip()
    if not line or line[0] in "#;":
        return ()
    return of_object(json_of(line))


def of_object(told: Any) -> Entries:
    """What an object lists, or a text that stands for itself; raises ValueError or NotOurs."""
    if isinstance(told, str):
        return (thing(told),)
    if not isinstance(told, dict):
        raise ValueError("this is neither an object nor a text")
    column = next((each for each in VALUES if isinstance(told.get(each), str)), None)
    if "asn" in told and column not in ("cidr", "ip", "network", "ip_address", "address", "dst_ip"):
        # Its domain is that of the provider, who is not listed. Which system an address belongs to nobody tells us.
        raise NotOurs("asn")
    if column is None:
        if told.get("type") == "metadata":
            return ()
        raise ValueError("an object lists nothing")
    return (of_columns({key: str(value) for key, value in told.items()}, column),)


def items(document: Any, depth: int = 0) -> Iterator[Any]:
    """The objects and texts of a document that may list something."""
    if isinstance(document, list):
        for each in document:
            yield from items(each, depth + 1) if isinstance(each, list) and depth < _DEEPEST else (each,)
    elif isinstance(document, dict) and isinstance(document.get("list"), list):
        if document.get("type", "string") in _MISP:
            yield from document["list"]
    elif isinstance(document, dict) and any(isinstance(document.get(each), str) for each in VALUES):
        yield document
    elif isinstance(document, dict) and depth < _DEEPEST:
        for each in document.values():
            if isinstance(each, list | dict):
                yield from items(each, depth + 1)


def json_of(text: str) -> Any:
    """What JSON says; raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("this JSON is too deep") from error
