"""Who is asked whether he is still here: a queue, and a token bucket over all devices.

Asking is soft: one packet to the one device, only when its silence is about to be taken for its absence, and never
more than `rate` a minute, however many fall silent at once. `Presence` calls with the lock of `Devices` held.
"""

from collections import OrderedDict
from collections.abc import Callable

from netwatchd.addresses import Address
from netwatchd.counters import Counters
from netwatchd.decoders.routes import Question
from netwatchd.events import Device

RATE = 60  # questions a minute
BURST = 10  # of them at once
ANSWER = 5.0  # seconds in which a sign of life counts as an answer; the kernel gives up after 3


class Doubts:
    """The questions that wait, and those that wait for an answer."""

    def __init__(self, counters: Counters) -> None:
        self.ask: Callable[[Question], None] | None = None  # puts a question, and never blocks; None: nobody is asked
        self.rate = RATE
        self._counters = counters
        self._waiting: OrderedDict[str, Question] = OrderedDict()
        self._asked: OrderedDict[str, float] = OrderedDict()  # steady time, of those that did not answer yet
        self._tokens = float(BURST)
        self._filled: float | None = None

    def wonder(self, key: str, device: Device, attempt: int, *, urgent: bool = False) -> bool:
        """Has a device be asked as soon as may be; returns whether it can be.

        Each attempt begins at another address.
        """
        if self.ask is None or device.mac is None or not device.ips:
            return False
        if urgent or key not in self._waiting:
            ips = sorted(device.ips, key=_rank)
            first = attempt % len(ips)
            mac = device.macs[0] if device.macs else device.mac
            self._waiting[key] = Question(key, mac, (*ips[first:], *ips[:first]))
            self._waiting.move_to_end(key, last=not urgent)
        return True

    def put(self, steady: float) -> list[str]:
        """Puts as many questions as the bucket allows; returns who was asked."""
        if not self._waiting or self.ask is None:
            return []
        if self._filled is not None:
            self._tokens = min(self._tokens + max(steady - self._filled, 0) * self.rate / 60, BURST)
        self._filled = steady
        asked = []
        while self._waiting and self._tokens >= 1:
            key, question = self._waiting.popitem(last=False)
            self._tokens -= 1
            self._asked[key] = steady
            self._asked.move_to_end(key)
            self.ask(question)
            self._counters.add("probes.asked")
            asked.append(key)
        while self._asked and next(iter(self._asked.values())) <= steady - ANSWER:
            self._asked.popitem(last=False)
        return asked

    def answered(self, key: str, steady: float) -> None:
        """The device has shown itself at `steady`: it need not be asked."""
        self._waiting.pop(key, None)
        asked = self._asked.get(key) if self._asked else None
        if asked is not None and steady >= asked:
            del self._asked[key]
            if steady - asked <= ANSWER:
                self._counters.add("probes.answered")

    def forget(self, key: str) -> None:
        """The device is no more."""
        self._waiting.pop(key, None)
        self._asked.pop(key, None)


def _rank(ip: Address) -> int:
    """IPv4 first, for which sleeping Wi-Fi cards answer most often; then what is sure to be on the link."""
    return 0 if isinstance(ip, int) else 1 if ip[:2] == b"\xfe\x80" else 2
