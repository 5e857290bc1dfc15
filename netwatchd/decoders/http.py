"""Plain HTTP (RFC 9112): what a request says of who makes it."""

import re

from netwatchd.decoders.clues import clue
from netwatchd.events import Clue

_LONGEST = 4096  # bytes that are looked at: a segment has no more, unless the card has merged several
_REQUEST = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|PATCH|DELETE) [^\r\n]* HTTP/1\.[01]\r?\n")
_AGENT = re.compile(rb"\nuser-agent:([^\r\n]*)\r?\n", re.IGNORECASE)


def read_agent(data: bytes) -> tuple[Clue, ...]:
    """User-Agent of the request that the segment begins with; nothing where it is cut off within."""
    head = data[:_LONGEST].partition(b"\r\n\r\n")[0] + b"\r\n"
    if not _REQUEST.match(head):
        return ()
    match = _AGENT.search(head if len(data) <= _LONGEST or b"\r\n\r\n" in data[:_LONGEST] else head[:-2])
    return clue("http_agent", match[1]) if match else ()
