"""Names of DNS as detectors look at them: below which domain they lie, how much of them can carry data, and whether
somebody made them up.

**The registered domain** is what data is sent below, as whoever registered it is who receives it. It is taken to be the
last two labels, or the last three where the second one is a registry's own (`co.uk`). A list of all public suffixes
would cost two megabytes and has to be kept up to date; where this rule knows a suffix too little, names of several
owners are counted together, which the thresholds bear.

**What carries data** are labels that are new from name to name. Labels that stay (a zone, a session) carry nothing, and
neither do the parts of which somebody else knows what they say: addresses that are looked up in a blocklist, services
(`_ldap._tcp`), and whole names to which a resolver has appended its search domain.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from math import log2

# Second labels under which a registry of a country gives out domains.
_REGISTRIES = frozenset((
    "ac", "asn", "asso", "co", "com", "ed", "edu", "firm", "go", "gob", "gouv", "gov", "govt", "gub", "id", "in", "ind",
    "info", "ltd", "me", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc", "police", "sch", "school", "web",
))  # fmt: skip
# What is no name of the world: what RFC 6761, 6762, 7686 and 8375 set apart, and what routers and people use at home.
# `arpa` holds reverse lookups, whose names are addresses.
_LOCAL = frozenset((
    "arpa", "corp", "domain", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost",
    "onion", "private", "wlan", "workgroup",
))  # fmt: skip
_LOCAL_DOMAINS = frozenset(("fritz.box", "speedport.ip"))

# Domains whose owner answers for every name below them, so that nobody else receives what names carry; and whose
# clients ask for many.
_OWN = (
    # Clouds and networks that deliver for others: an unreadable name for each customer, or each server.
    "1e100.net akadns.net akamai.net akamaiedge.net akamaihd.net akamaized.net amazonaws.com aaplimg.com "
    "apple-dns.net awsglobalaccelerator.com azure.com azureedge.net azurefd.net azurewebsites.net b-cdn.net "
    "cdn77.org cdninstagram.com cloudapp.net cloudfront.net edgecastcdn.net edgekey.net edgesuite.net fastly.net "
    "fastlylb.net fbcdn.net footprint.net googleusercontent.com googlevideo.com icloud-content.com icloud.com "
    "llnwd.net llnwi.net msedge.net nflxext.com nflxso.net nflxvideo.net nsatc.net office.com office.net "
    "office365.com onedrive.com sharepoint.com spotifycdn.com steamcontent.com trafficmanager.net ttvnw.net "
    "usercontent.goog whatsapp.net windows.com windows.net windowsupdate.com wns.com "
    # Measurements, advertisements and sandboxes, which make a name up each time, so that it is in no cache or apart.
    "apnic.net cedexis-radar.net cf-ipfs.com claudeusercontent.com dns-oarc.net dnsleaktest.com dotnxdomain.com "
    "dotnxdomain.net doubleclick.net footprintdns.com googlesyndication.com gstatic.com imrworldwide.com "
    "ipleak.net oaiusercontent.com online-metrix.net perfops.net "
    # Gateways to IPFS: a name for each file, which is its hash.
    "dweb.link ipfs.io nftstorage.link w3s.link "
    # A name for each device that a person owns, made from its address or its key.
    "myfritz.net myqnapcloud.com plex.direct quickconnect.to synology.me tailscale.io ts.net ui.direct "
    # Antivirus and filters ask by DNS whether a file, a page or a mail is known to be bad.
    "avast.com avcdn.net barracudabrts.com bitdefender.com bitdefender.net brightcloud.com cloudmark.com "
    "ctmail.com cymru.com e5.sk eset.com fortiguard.net fortinet.net kaspersky-labs.com mcafee.com opendns.com "
    "rspamd.com sophos.com sophosxl.com sophosxl.net sophosxl.org surfright.nl symantec.com trellix.com "
    "trendmicro.com "
    # Blocklists that mail servers ask (RFC 5782).
    "0spam.org abusix.zone backscatterer.org barracudacentral.org dnswl.org gbudb.net habeas.com invaluement.com "
    "isipp.com junkemailfilter.com mailspike.net mailspike.org manitu.net msbl.org nordspam.com returnpath.net "
    "s5h.net senderscore.com sorbs.net spamcop.net spameatingmonkey.net spamhaus.net spamhaus.org spamrats.com "
    "spfbl.net support-intelligence.net surbl.org surriel.com uceprotect.net uribl.com wpbl.info zapbl.net "
)
KNOWN = frozenset(_OWN.split())

# Last labels of most names, by which a name within a name is seen. Two letters may be a country, or a server's short
# name, and do not tell.
_TOPS = frozenset(("app", "biz", "cloud", "com", "dev", "edu", "gov", "info", "io", "net", "org", "tv", "uk", "de"))
_LONGEST_SERVICE = 16  # characters, with the underscore
_LONG = 24  # characters of a label from which on it is no word that a person registered

# Pairs of letters that make up most of what people write in the languages of Europe, and of the names they give. Of the
# pairs in words and names 0.8 are among these, of those in letters drawn by lot 0.26, of base32 0.18, of hex 0.11.
_PAIRS = frozenset(
    """
ab ac ad ag ai ak al am an ap ar as at au av ay ba be bi bl bo br ca ce ch ci ck cl co cr ct cu da de di do dr ea eb
ec ed ee ef eg ei el em en ep er es et ev ew ex fa fe fi fo fr ga ge gi gl go gr ha he hi ho ht ia ic id ie if ig il
im in io ir is it iv ke ki la ld le li ll lo lu ly ma mb me mi mo mp na nd ne ng ni no ns nt oc od of og ok ol om on
oo op or os ot ou ov ow pa pe ph pi pl po pp pr ra rd re ri rk rm rn ro rs rt ru sa sc se sh si so sp ss st su ta te
th ti to tr ts tt tu ty ub uc ue ul um un up ur us ut ve vi vo wa we wi wo
""".split()  # noqa: SIM905  # 181 quotes would hide them
)
_RANDOM = 0.42  # share of such pairs below which a pool of labels is drawn by lot
_ONE_RANDOM = 0.25  # the same of a single label, of which there are few pairs
_LEAST_PAIRS = 7  # of a single label
_ALIKE = 0.8  # share of a pool that differs in numbers only

_DIGITS = re.compile(r"[0-9]+")


def registered(name: str) -> tuple[str, str] | None:
    """The registered domain of a name, and what stands before it; None for a name of the local network."""
    parts = name.rsplit(".", 3)
    if len(parts) < 2 or parts[-1] in _LOCAL:
        return None
    is_three = len(parts[-1]) == 2 and parts[-2] in _REGISTRIES and len(parts) > 2
    domain = ".".join(parts[-3:] if is_three else parts[-2:])
    if domain in _LOCAL_DOMAINS:
        return None
    return domain, name[: -len(domain) - 1]


def carrying(labels: list[str], before: Iterable[str]) -> int:
    """Bytes of the labels below a domain that can carry data; `before` are those of the name before it."""
    if len(labels) > 1:
        labels = _without_name(labels[_address(labels) :])
    # An odd byte is written as four characters.
    return sum(len(each) - 3 * each.count("\\") for each in labels if each not in before and not _is_service(each))


def is_address(labels: list[str]) -> bool:
    """An IPv4 address backwards, or the 32 digits of an IPv6 address: what is looked up in a blocklist (RFC 5782)."""
    return _address(labels) > 0


def _address(labels: list[str]) -> int:
    """How many labels at the beginning are an address: what follows it may be anything."""
    if len(labels) < 4:
        return 0
    if all(each.isdigit() and len(each) <= 3 for each in labels[:4]):
        return 4
    return 32 if len(labels) >= 32 and all(len(each) == 1 for each in labels[:32]) else 0


def _is_service(label: str) -> bool:
    """`_http`: the name of a service has 15 characters at most (RFC 6335 section 5.1)."""
    return label[:1] == "_" and len(label) <= _LONGEST_SERVICE


def _without_name(labels: list[str]) -> list[str]:
    """The labels without a whole name in front of them, to which a resolver has appended what follows."""
    start = _appended(labels)
    if start == len(labels):
        return labels
    end = next(at for at in range(start, len(labels)) if labels[at] in _TOPS)
    return labels[:start] + labels[end + 1 :]


def is_appended(labels: list[str]) -> bool:
    """Whether these labels are a whole name, to which a resolver has appended what follows."""
    return _appended(labels) < len(labels)


def is_counted_up(pool: list[str]) -> bool:
    """Whether most of these labels differ in numbers only."""
    shapes: dict[str, int] = {}
    for label in pool:
        shape = _DIGITS.sub("0", label)
        if shape != label:
            shapes[shape] = shapes.get(shape, 0) + 1
    return max(shapes.values(), default=0) >= _ALIKE * len(pool)


def is_random(pool: list[str]) -> bool:
    """Whether these labels look drawn by lot, or are data."""
    common = pairs = 0
    for label in pool:
        known, told = _pairs(label)
        common += known
        pairs += told
    return pairs > 0 and common / pairs < _RANDOM


def is_label_random(label: str) -> bool:
    """Whether a single label looks as if it was drawn by lot; of short ones that cannot be told."""
    common, pairs = _pairs(label)
    return pairs >= _LEAST_PAIRS and common / pairs <= _ONE_RANDOM


def entropy(texts: Iterable[str]) -> float:
    """Bits per character, by how often each is there; over many texts together, as one is too short for it."""
    counts: dict[str, int] = {}
    for text in texts:
        for char in text:
            counts[char] = counts.get(char, 0) + 1
    total = sum(counts.values())
    return -sum(count / total * log2(count / total) for count in counts.values()) if total else 0.0


def _pairs(label: str) -> tuple[int, int]:
    """How many pairs of neighbours are common ones, and how many there are; of two digits nothing can be told."""
    common = pairs = 0
    for first, second in pairwise(label):
        if first == "-" or second == "-" or (first.isdigit() and second.isdigit()):
            continue
        pairs += 1
        common += first + second in _PAIRS
    return common, pairs


def _appended(labels: list[str]) -> int:
    """How many labels stand before the domain of a name within the name; all where there is none."""
    for at in range(1, len(labels)):
        if labels[at] in _TOPS:
            # A long label before it is no domain that anybody registered, and may be there to hide what it carries.
            return at if len(labels[at - 1]) > _LONG else at - 1
    return len(labels)
