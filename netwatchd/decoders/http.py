"""Plain HTTP (RFC 9112): what a request says of who makes it."""

import re

from netwatchd.decoders.clues import clue
from netwatchd.events import Clue

_LONGEST = 4096  # bytes that are looked at: a segment has no more, unless the card has merged several
_REQUEST = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|PATCH|DELETE) [^\r\n]* HTTP/1\.[01]\r?\n")
_AGENT = re.compile(rb"\nuser-agent:([^\r\n]*)\r?\n", re.IGNORECASE)


def read_agent(data: bytes) -> tuple[Clue, ...]:
    """User-Agent of the request that the segment begins with; nothing where it is cut off within."""
    head, end, _ = data[:_LONGEST].partition(b"\r\n\r\n")
    head += end[:2]
    match = _AGENT.search(head) if _REQUEST.match(head) else None
    return clue("http_agent", match[1]) if match else ()
