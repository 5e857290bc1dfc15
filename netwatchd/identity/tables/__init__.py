"""What each piece of evidence says about the kind of device, a file for each sort of evidence.

A row says what it is, for which kind it speaks, how sure it is alone, and why, in words for the person who asks.
"""

from typing import NamedTuple

# How sure a piece of evidence is alone, of 100. A kind needs kinds.ENOUGH of it.
SURE = 90  # it says what it is, in a field that is made for saying it
STRONG = 70  # hardly anything else has it
FAIR = 50  # it is mostly so, and enough where nothing speaks against it
WEAK = 30  # two of them from different sorts of evidence would do
HINT = 15  # it only helps others


class Vote(NamedTuple):
    """One piece of evidence: it speaks for `kind` with `strength`, and `why` is a sentence about the device."""

    kind: str
    strength: int
    why: str
