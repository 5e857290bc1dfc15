"""The section [blocklists] of config.ini, and the lists that are known by a name alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from netwatchd.addresses import Networks
from netwatchd.config.setting import setting
from netwatchd.values import needed_path, positive_duration, size_up_to, words

FORMATS = ("plain", "hosts", "urls", "adblock", "dnsmasq", "csv", "json-lines", "json")
SEVERITIES = ("info", "low", "medium", "high", "critical")
THREAT, TRACKER = "threat", "tracker"


class Source(NamedTuple):
    """One list: where it comes from, and what it means to talk with what it lists."""

    name: str
    place: str  # a URL, or a path
    form: str | None = None  # None: told by the content
    severity: str = "high"
    purpose: str = THREAT
    terms: str = ""  # of those who publish it

    @property
    def is_url(self) -> bool:
        """Whether it is fetched, and not a file here."""
        return "://" in self.place


# Lists that many use, by name. None is fetched unless config.ini names it. How bad it is to talk with what they list:
# command servers of malware are contacted by what is infected (high); hosts that attack others may be anybody's
# infected machine, which a file-sharing program meets by chance (medium).
PRESETS = {
    each.name: each
    for each in (
        Source("spamhaus-drop", "https://www.spamhaus.org/drop/drop_v4.json", "json-lines",
               terms="free, with the notice (c) Spamhaus; at most once an hour"),
        Source("spamhaus-drop6", "https://www.spamhaus.org/drop/drop_v6.json", "json-lines",
               terms="free, with the notice (c) Spamhaus; at most once an hour"),
        Source("feodo", "https://feodotracker.abuse.ch/downloads/ipblocklist.csv", "csv", terms="abuse.ch, CC0"),
        Source("threatfox", "https://threatfox.abuse.ch/export/csv/recent/", "csv", terms="abuse.ch, CC0, fair use"),
        Source("urlhaus", "https://urlhaus.abuse.ch/downloads/csv_recent/", "csv", "medium",
               terms="abuse.ch, CC0, fair use"),
        Source("ipsum-3", "https://raw.githubusercontent.com/stamparm/ipsum/master/levels/3.txt", "plain", "medium",
               terms="Unlicense"),
        Source("ipsum-5", "https://raw.githubusercontent.com/stamparm/ipsum/master/levels/5.txt", "plain", "medium",
               terms="Unlicense"),
        Source("firehol-level1", "https://iplists.firehol.org/files/firehol_level1.netset", "plain", "medium",
               terms="of the lists that it is made of"),
        Source("adaway", "https://adaway.org/hosts.txt", "hosts", "info", TRACKER, terms="CC BY 3.0"),
    )
}  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Allowed(NamedTuple):
    """What is never told, whatever a list says."""

    networks: Networks = Networks(())
    names: frozenset[str] = frozenset()  # with all that is below them
    files: tuple[Path, ...] = ()  # lists of the same, in the formats that lists have

    def __str__(self) -> str:
        return " ".join((str(self.networks), *sorted(self.names), *map(str, self.files))).strip()


def _sources(text: str) -> tuple[Source, ...]:
    """`feodo mine=https://lists.example/bad.txt other=/etc/netwatchd/other.txt`."""
    found: dict[str, Source] = {}
    for word in words(text):
        name, equals, place = word.partition("=")
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{word!r:.80} should be NAME=URL or NAME=/path, the name in lower case, or one of {_known()}"
            )
        if not equals and name not in PRESETS:
            raise ValueError(f"{word!r:.80} is none of the lists that are known by name ({_known()}); write NAME=URL")
        if name in found:
            raise ValueError(f"{name} is there twice")
        found[name] = (
            PRESETS[name]
            if not equals
            else PRESETS.get(name, Source(name, ""))._replace(place=_place(place), form=None)
        )
    return tuple(found.values())


def _known() -> str:
    return ", ".join(PRESETS)


def _place(text: str) -> str:
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{text!r:.80} should be a URL that begins with https:// or http://")
        return text
    path = needed_path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r:.80} should be a URL, or a path that begins with /")
    return str(path)


def _pairs(values: tuple[str, ...], meaning: str) -> Callable[[str], tuple[tuple[str, str], ...]]:
    """NAME=VALUE, with one of the values."""

    def read(text: str) -> tuple[tuple[str, str], ...]:
        found = []
        for word in words(text):
            name, _, value = word.partition("=")
            if not _NAME.fullmatch(name) or value not in values:
                raise ValueError(f"{word!r:.80} should be NAME={meaning}, with one of {', '.join(values)}")
            found.append((name, value))
        return tuple(found)

    return read


def _allowed(text: str) -> Allowed:
    networks, names, files = [], set(), []
    for word in words(text):
        if word[0] in "/~":
            files.append(needed_path(word))
        elif ":" in word or (word[0].isdigit() and not re.search("[g-zG-Z]", word)):
            try:
                Networks((word,))
            except ValueError as error:
                raise ValueError(f"{word!r:.80} is no network: {error}") from error
            networks.append(word)
        elif _DOMAIN.fullmatch(word.lower().strip(".")):
            names.add(word.lower().strip("."))
        else:
            raise ValueError(f"{word!r:.80} should be a network, a domain, or a path that begins with /")
    return Allowed(Networks(networks), frozenset(names), tuple(files))


@dataclass(frozen=True)
class Blocklists:
    """Lists of addresses and domains that others publish. Nothing is fetched unless a list is named here."""

    lists: tuple[Source, ...] = setting(
        _sources,
        "",
        "Lists, by a known name or as NAME=URL or NAME=/path. Known are spamhaus-drop, spamhaus-drop6, feodo, "
        "threatfox, urlhaus, ipsum-3, ipsum-5, firehol-level1 and adaway: each is fetched from those who publish it, "
        "who thereby learn the address of this network.",
    )
    interval: float = setting(
        positive_duration, "6 h", "How often the lists are asked for anew; files are read again when they change."
    )
    formats: tuple[tuple[str, str], ...] = setting(
        _pairs(FORMATS, "FORMAT"),
        "",
        "Formats of lists as NAME=FORMAT, where the content does not tell: plain (also netsets), hosts, urls, "
        "adblock, dnsmasq, csv, json-lines or json.",
    )
    severities: tuple[tuple[str, str], ...] = setting(
        _pairs(SEVERITIES, "SEVERITY"),
        "",
        "How bad it is when a device talks with what a list has, as NAME=SEVERITY; high where nothing else is known.",
    )
    trackers: tuple[str, ...] = setting(
        words, "", "Names of lists that are about advertising and trackers, and not about threats."
    )
    allow: Allowed = setting(
        _allowed,
        "",
        "What is never told, whatever lists say: networks, domains with all below them, and files of these. Private "
        "and own networks, this machine's resolvers and gateways, well-known public resolvers and addresses that the "
        "customers of a CDN share are allowed in any case.",
    )
    max_size: int = setting(size_up_to(1024), "64 MB", "The largest list that is taken, unpacked.")

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lists, with what the other settings say of them."""
        formats, severities = dict(self.formats), dict(self.severities)
        return tuple(
            each._replace(
                form=formats.get(each.name, each.form),
                severity=severities.get(each.name, each.severity),
                purpose=TRACKER if each.name in self.trackers else each.purpose,
            )
            for each in self.lists
        )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Names of lists that are not there: the setting, and a sentence."""
        known = {each.name for each in self.lists}
        told = {
            "formats": [name for name, _ in self.formats],
            "severities": [name for name, _ in self.severities],
            "trackers": self.trackers,
        }
        for key, names in told.items():
            for name in names:
                if name not in known:
                    yield key, f"{name!r:.60} is none of those that `lists` names"
