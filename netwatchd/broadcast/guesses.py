"""Guessing the token is slow: a wrong one costs its address a second, however many connections guess at once.

An address may owe a few seconds, as a page does that opens several sockets with a mistyped token. Beyond that, what it
shows is not looked at, and is answered at once: no thread waits for anybody. Others are not concerned. Whoever shares
an address with a guesser, as behind a proxy, waits with him: were the right token taken meanwhile, guessing would not
be slow.
"""

import hmac
import threading

from netwatchd.addresses import Address
from netwatchd.broadcast.access import shown_token
from netwatchd.broadcast.http import Refusal, Request

COST = 1.0  # seconds
CREDIT = 5.0  # seconds
MOST_GUESSERS = 4096  # addresses that are remembered, some 200 bytes each; of more, those that guessed longest ago go


class Guesses:
    """Checks tokens, and remembers who showed wrong ones. Any thread may call."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._lock = threading.Lock()
        self._paid: dict[Address, float] = {}  # when each will have paid for its guesses; the latest guess comes last

    def check(self, request: Request, origin: Address, now: float) -> None:
        """Raises Refusal where the token is missing or wrong, or too many were wrong; `word` tells them apart."""
        if not self._token:
            return
        shown = shown_token(request)
        if shown is None:
            raise Refusal(401, "a token is needed", "no_token", {"WWW-Authenticate": "Bearer"})
        # Looking and charging are one step: of a hundred guesses that come together, five are looked at.
        with self._lock:
            owed = max(self._paid.get(origin, now) - now, 0.0)
            heard = owed + COST <= CREDIT
            if heard and hmac.compare_digest(shown.encode(errors="replace"), self._token):
                return
            if heard:
                self._charge(origin, now + owed + COST)
        if heard:
            raise Refusal(401, "the token is wrong", "wrong_token", {"WWW-Authenticate": "Bearer"})
        raise Refusal(429, "too many wrong tokens came from your address", "guessing", {"Retry-After": "2"})

    def _charge(self, origin: Address, paid: float) -> None:
        self._paid.pop(origin, None)
        self._paid[origin] = paid
        if len(self._paid) > MOST_GUESSERS:
            del self._paid[next(iter(self._paid))]
