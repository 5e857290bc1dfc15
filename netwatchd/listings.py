"""What a list says of an address or a name: the word that travels from the lists to the detectors."""

from collections.abc import Sequence
from typing import NamedTuple


class Listing(NamedTuple):
    """An entry of a list that covers what was asked for."""

    list: str  # its name in config.ini
    purpose: str  # `threat`, or `tracker`: lists of advertising and trackers tell of no danger
    severity: str  # of a device that talks with what is listed
    fetched: int  # when the list was fetched that has it, Unix ms
    entry: str  # the network or name that matched
    note: str  # what the list says of it: a malware's name, a number; empty where it says nothing


Listings = Sequence[Listing]
NONE: Listings = ()
