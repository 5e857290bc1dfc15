"""SSDP (UPnP Device Architecture 2.0, section 1): what devices announce, and answer to who searches.

A message whose LOCATION is at another host's address was made for that one, and is not put down to the sender.
`ssdp:byebye` takes back what was announced: no clue. Who searches tells what it is in USER-AGENT, and nothing else.
"""

import re

from netwatchd.addresses import Address, parse_address
from netwatchd.decoders.clues import MOST_AT_ONCE, clue
from netwatchd.events import Clue

_MOST_HEADERS = 64
_LONGEST = 8192  # bytes that are looked at; a message has a few hundred
_HOST = re.compile(r"https?://(?:\[([0-9A-Fa-f:.]+)(?:%[^\]]*)?\]|([0-9.]+))(?:[:/]|$)", re.IGNORECASE)
# Up to the two colons behind which the type follows. Some makers write something else than a UUID, with colons in it.
_UUID = re.compile(r"uuid:((?:(?!::)\S){4,128})", re.IGNORECASE)
_ANY = ("upnp:rootdevice", "ssdp:all")  # what every device is


def read_ssdp(data: bytes, sender: Address) -> tuple[Clue, ...]:
    """What the message says of its sender; nothing where it is none."""
    first, *lines = data[:_LONGEST].split(b"\n")[: _MOST_HEADERS + 1]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode(errors="replace").partition(":")
        headers.setdefault(name.strip().upper(), value.strip())
    words = first.upper().split()
    if words[:1] == [b"M-SEARCH"]:
        return clue("http_agent", headers.get("USER-AGENT", ""))
    if words[:1] == [b"NOTIFY"] and headers.get("NTS", "").lower() in ("ssdp:alive", "ssdp:update"):
        kind = headers.get("NT", "")
    elif words[:1] and words[0].startswith(b"HTTP/") and words[1:2] == [b"200"] and "USN" in headers:
        kind = headers.get("ST", "")
    else:
        return ()
    if not _is_of(headers.get("LOCATION", ""), sender):
        return ()
    return _clues(kind, headers)[:MOST_AT_ONCE]


def _clues(kind: str, headers: dict[str, str]) -> tuple[Clue, ...]:
    found = () if kind.lower() in _ANY or _UUID.match(kind) else clue("ssdp_type", kind)
    uuid = _UUID.match(headers.get("USN", "")) or _UUID.match(kind)
    if uuid and uuid[1].strip("0-"):
        found += clue("ssdp_uuid", uuid[1].lower())
    return found + clue("ssdp_server", headers.get("SERVER", ""))


def _is_of(location: str, sender: Address) -> bool:
    """Whether the description is at the sender's own address, or at one that does not say whose it is."""
    match = _HOST.match(location)
    if not match:
        return True
    try:
        return parse_address(match[1] or match[2]) == sender
    except ValueError:
        return False
