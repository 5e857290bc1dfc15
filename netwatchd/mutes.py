"""Rules by which the user keeps threats from being told: `KIND WHO [WHOM]`, as in `port_scan kali`.

Pure: what is known of devices is given. A word is what it looks like: a MAC, an address or network, a port, else a name
or domain. Between double quotes it is a text that is taken as it stands; a double quote in it is written twice.
"""

import re
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from netwatchd.addresses import parse_mac
from netwatchd.catalog import KINDS, SCANS

ANY, NOBODY = "*", "-"
LONGEST = (
    2_000  # characters of a rule: kind, device and target have up to 255 each, doubled where they are quotation marks
)
Network = IPv4Network | IPv6Network

_WORD = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s"]+))(?=\s|$)')
_RULE = re.compile(r'(?:[^",]|"(?:[^"]|"")*"|")+')
_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")
# What needs no quotes: it neither separates, nor stands for anything else.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*")
_EXAMPLES = "such as 'port_scan kali', '* 3c:58:c2:de:ad:01' or 'beacon * example.org'"


class Side(NamedTuple):
    """Who did something, or whom it was done to, as a rule may name it."""

    text: str | None  # as it stands in the threat
    keys: frozenset[str] = frozenset()  # MACs of the device that it is
    name: str | None = None  # which the user gave it. Names that it gives itself would let it choose a rule
    addresses: tuple[str, ...] = ()  # of the device that it is


class Word(NamedTuple):
    """WHO or WHOM of a rule."""

    text: str
    literal: bool = False  # it stood between quotes
    mac: str | None = None
    network: Network | None = None
    host: str | None = None  # a name or domain, perhaps with * and ?
    port: int | None = None

    def means(self, side: Side) -> bool:
        """Whether this is who is meant."""
        if self.literal:
            return self.text in (side.text, side.name)
        if side.text is None or self.text in (ANY, NOBODY):
            return self.text == ANY or (self.text == NOBODY and side.text is None)
        if self.mac:
            return self.mac == side.text or self.mac in side.keys
        return self._means_host(side, *split_port(side.text))

    def _means_host(self, side: Side, host: str, port: int | None) -> bool:
        if self.port not in (None, port):
            return False
        if self.network:
            return any(_lies_in(each, self.network) for each in (host, *side.addresses))
        if self.host:
            texts = (host, side.text, side.name)
            return any(fnmatchcase(text.casefold(), self.host) for text in texts if text)
        return True


class Rule(NamedTuple):
    """What is not to be told."""

    text: str
    kind: str
    literal: bool  # the kind stood between quotes
    who: Word
    whom: Word | None  # None: whomever

    def is_about(self, kind: str) -> bool:
        """Whether it is about this kind of threats."""
        return kind == self.kind if self.literal else fnmatchcase(kind, self.kind)

    def silences(self, kind: str, who: Side, whom: Side) -> bool:
        """Whether a threat is not to be told."""
        return self.is_about(kind) and self.who.means(who) and (self.whom is None or self.whom.means(whom))


def rules(text: str) -> tuple[Rule, ...]:
    """A list of rules, separated by commas; raises ValueError with what would be right."""
    if text.count('"') % 2:
        raise ValueError(f"{text!r:.60} has a quotation mark that is not closed")
    return tuple(_rule(each.strip()) for each in _RULE.findall(text) if each.strip())


def _rule(text: str) -> Rule:
    if len(text) > LONGEST:
        raise ValueError(f"{text!r:.60} should have at most {LONGEST} characters")
    words: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if not match:
            raise ValueError(f"{text!r:.60} should be words, or texts between double quotes")
        literal = match[1] is not None
        words.append((match[1].replace('""', '"') if literal else match[2], literal))
        at = match.end()
    if not 2 <= len(words) <= 3:
        raise ValueError(f"{text!r:.60} should be KIND WHO, or KIND WHO WHOM, {_EXAMPLES}")
    (kind, literal), who, *whom = words
    if not literal and not any(fnmatchcase(known, kind) for known in KINDS):
        raise ValueError(
            f"there is no kind of threats {kind!r:.60}; there are {', '.join(sorted(KINDS))}, and * for all of them "
            f"(a kind that another program tells stands between double quotes)"
        )
    return Rule(text, kind, literal, _word(*who), _word(*whom[0]) if whom else None)


def _word(text: str, literal: bool) -> Word:
    if literal or text in (ANY, NOBODY):
        return Word(text, literal)
    try:
        return Word(text, mac=parse_mac(text))
    except ValueError:
        pass  # something else
    try:
        return Word(text, network=ip_network(text.strip("[]"), strict=False))
    except ValueError:
        pass  # perhaps with a port
    match = _PORT.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if not match or "/" in text or (port is not None and not 0 < port < 65536):
        raise ValueError(f"{text!r:.60} is no MAC, address, network, port (:22), name or domain; in doubt quote it")
    host = match["six"] or match["host"]
    if re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:]*::?[0-9A-Fa-f:.]*", host):
        try:
            return Word(text, network=ip_network(host), port=port)
        except ValueError:
            raise ValueError(f"{text!r:.60} is no IP address") from None
    return Word(text, host=host.casefold() or None, port=port)


def split_port(text: str) -> tuple[str, int | None]:
    """The host and the port of `host`, `host:port` or `[address]:port`."""
    match = _PORT.fullmatch(text)
    if not match or match["port"] is None:
        return text.strip("[]"), None
    return match["six"] or match["host"], int(match["port"])


def _lies_in(text: str, network: Network) -> bool:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return False
    return found.version == network.version and found.subnet_of(network)  # type: ignore[arg-type]


def rule_of(kind: str, device: str | None, target: str | None) -> str:
    """The rule that silences a threat, and nothing that another device does."""
    words = [kind if kind in KINDS else _quoted(kind), _written(device)]
    # Who scans tries many: the scanner is meant, whatever it scans.
    if target is not None and not (kind in SCANS and device is not None):
        words.append(_written(target))
    return " ".join(words)


def line_of(kind: str, device: str | None, target: str | None) -> str:
    """The line below [threats] of config.ini that silences a threat, and nothing that another device does."""
    return f"mute = {rule_of(kind, device, target)}"


def _written(text: str | None) -> str:
    """How a rule names who or what stands in a threat."""
    if text is None:
        return NOBODY
    try:
        word = _word(text, literal=False)
    except ValueError:
        return _quoted(text)
    plain = word.mac == text or word.network is not None or _PLAIN.fullmatch(text)
    return text if plain and "," not in text and '"' not in text and not re.search(r"\s", text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
