"""Lists of which each line is an entry: plain ones, hosts files, and those that ad blockers and dnsmasq read.

Each function takes a line and returns what it lists: nothing, where it is a comment. It raises ValueError for a line
that it cannot read, and NotOurs for one that lists something else.
"""

import re
from ipaddress import ip_address

from netwatchd.addresses import parse_address
from netwatchd.decoders.lists.entry import Entries, Entry, NotOurs, host, name, note_of, span, thing

# Up to a blank, a comma, a semicolon or a comment; what follows is a note: `1.10.16.0/20 ; SBL256894`.
_FIRST = re.compile(r"([^\s,;#|]+)[\s,;#|]*(.*)")
_SPAN = re.compile(r"([0-9.]+\s*-\s*[0-9.]+)[\s,;#|]*(.*)")
# Where a hosts file leads what it blocks.
_NOWHERE = frozenset(("0.0.0.0", "127.0.0.1", "127.0.1.1", "::", "::1", "0", "255.255.255.255"))  # noqa: S104
# What stands in every hosts file, blocking nothing.
_LOCAL = frozenset((
    "localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback", "ip6-localnet",
    "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts", "0.0.0.0",  # noqa: S104
))  # fmt: skip
_ADBLOCK = re.compile(r"\|\|([^\^/$|*]+)\^?(?:\$(.*))?")
# Options of a rule that still blocks the whole host, for whomever and whatever.
_WHOLE = frozenset(("all", "important", "third-party", "3p", "document", "doc", "popup"))
_DNSMASQ = re.compile(r"(?:address|server|local)=/(.+)/(.*)")


def is_comment(line: str) -> bool:
    """Whether a line, without blanks around it, lists nothing in any of the formats."""
    return not line or line[0] in "#;!" or line.startswith("//") or (line[0] == "[" and line.startswith("[Adblock"))


def plain(line: str) -> Entries:
    """An address, network, range or name, and perhaps a note: also FireHOL's netsets, and DROP of Spamhaus."""
    line = line.strip()
    if is_comment(line):
        return ()
    if (
        ":" not in line and line[0] <= "9" and line[-1].isdigit() and len(line) < 16
    ):  # the usual line of a list of millions
        try:
            return (Entry(parse_address(line), 32),)
        except ValueError:
            pass  # something else than an address of IPv4
    if "-" in line and (match := _SPAN.fullmatch(line)):
        return span(match[1], note_of(match[2]))
    match = _FIRST.fullmatch(line)
    if not match or (match[2] and match[1] in _NOWHERE):  # that is a line of a hosts file
        raise ValueError(f"{line!r:.60} is no entry")
    return (thing(match[1], note_of(match[2])),)


def hosts(line: str) -> Entries:
    """A line of a hosts file: `0.0.0.0 ads.example tracker.example  # note`."""
    told, _, note = line.partition("#")
    address, *names = told.split() or [""]
    if not address:
        return ()
    if address not in _NOWHERE:
        # A router's or multicast's address with a name blocks nothing; anything else is no hosts file.
        ip_address(address.partition("%")[0])
        raise NotOurs("other_address")
    if not names:
        raise ValueError(f"{line!r:.60} names no host")
    note = note_of(note)
    return [name(each, note) for each in names if each.lower() not in _LOCAL]


def adblock(line: str) -> Entries:
    """A rule of ad blockers that blocks a whole host, `||ads.example^`; others block parts of pages."""
    line = line.strip()
    if is_comment(line):
        return ()
    match = _ADBLOCK.fullmatch(line)
    if not match or not set((match[2] or "all").split(",")) <= _WHOLE:
        if re.search(r"##|#@#|#\?#|\||\*|/|\$|^@@|^\.|^-|^&|\?", line):
            raise NotOurs("rule")
        raise ValueError(f"{line!r:.60} is no rule")
    return (thing(match[1]),)


def dnsmasq(line: str) -> Entries:
    """`address=/ads.example/`, also `local=` and `server=`, with several names, as dnsmasq's configuration has them."""
    line = line.strip()
    if is_comment(line):
        return ()
    match = _DNSMASQ.fullmatch(line)
    if not match:
        raise ValueError(f"{line!r:.60} is no line of dnsmasq's that blocks a name")
    if match[2] not in _NOWHERE | {"", "#"}:
        raise NotOurs("other_address")  # it leads the name to a server that is meant
    return [name(each) for each in match[1].split("/") if each]


def urls(line: str) -> Entries:
    """A URL, whose host is what can be seen."""
    line = line.strip()
    if is_comment(line):
        return ()
    if "://" not in line:
        raise ValueError(f"{line!r:.60} is no URL")
    return (host(line.split()[0]),)
