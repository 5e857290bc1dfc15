"""The word for how a flow ended, or why its exporter tells of it. None of them is one of events.LIVE.

By what is said most clearly: a firewall's or a translator's event, then flowEndReason, then the TCP flags.
"""

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

# Beside the TCP flags of a record: which side of the exporter it was counted on, where that is said (flowDirection).
HAS_DIRECTION, EGRESS = 1 << 16, 1 << 17

ENDED, CONTINUES, DENIED, CREATED = "closed", "continues", "denied", "created"


def _by_flags(flags: int) -> str:
    if flags & RST:
        return "reset"
    if flags & (FIN | SYN | ACK) == FIN:  # TCP sends no FIN without ACK; 0 may also mean that nobody looked
        return "xmas" if flags & (PSH | URG) else "fin"
    return "syn" if flags & (SYN | ACK | FIN) == SYN else ENDED


def _table(words: dict[int, str], otherwise: str | None = None) -> list[str | None]:
    return [words.get(number, otherwise) for number in range(256)]


# By tcpControlBits (6), the lower byte of it: only the first packet came, it was reset, FIN and XMAS scans (as in
# decoders.conversations), or anything else.
BY_FLAGS = [_by_flags(flags) for flags in range(256)]

# By flowEndReason (136): after an active timeout the rest of the flow comes as another record.
BY_REASON = _table({1: "idle", 2: CONTINUES, 3: ENDED, 4: "forced", 5: "evicted"})

# By firewallEvent (233): deleted, denied, update; 0 is "ignore the event", so the record tells of a flow. Nothing is
# told of created (1): update and deleted say when it was, and what it carried. Alerts (4) come beside the others.
BY_FIREWALL = _table({0: ENDED, 2: ENDED, 3: DENIED, 5: CONTINUES})

# By natEvent (230, RFC 8158): a session was created. That it was deleted (2, 5, 7) says nothing that is not known, as
# there are no counters. Bindings, quotas and exhausted pools are no flows.
BY_NAT = _table({0: ENDED, 1: CREATED, 4: CREATED, 6: CREATED})

# What is answered to a FIN or XMAS scan is a RST, which says less than what asked for it.
_RANKS = ("syn", "closed", "idle", "evicted", "forced", "continues", "reset", "fin", "xmas")
_WEIGHT = {word: at for at, word in enumerate(_RANKS)}
_WORDS = (*_WEIGHT, DENIED, CREATED)
# Looked up, because this is asked for every flow that is joined.
_OF_BOTH = {
    (one, other): ENDED if one == other == "syn" else max(one, other, key=lambda word: _WEIGHT.get(word, len(_WEIGHT)))
    for one in _WORDS
    for other in _WORDS
}


def of_both(one: str, other: str) -> str:
    """The word for a flow of whose halves these are told: what says more; an answered SYN is no lone one."""
    return _OF_BOTH[one, other]
