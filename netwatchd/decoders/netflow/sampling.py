"""Sampling rates, as options records tell them (RFC 3954 and RFC 7011 with the elements of RFC 5477)."""

import struct
from collections.abc import Mapping

from netwatchd.decoders.netflow import elements

MOST_SAMPLERS = 256  # an exporter has a few
# One of more packets than this is never looked at; such a number is nonsense.
MOST = 1 << 24

_RATES = tuple(elements.RATES.values())
Values = Mapping[int, bytes]  # the fields of one options record, by element


def rate_of(numbers: Mapping[int, int]) -> int | None:
    """One of how many packets is looked at, by elements and their numbers; None where they say nothing of it."""
    rate = numbers.get(elements.SAMPLING_INTERVAL) or numbers.get(elements.RANDOM_INTERVAL)
    if not rate and (size := numbers.get(elements.SIZE)):
        rate = numbers.get(elements.POPULATION, 0) // size
    if not rate and (interval := numbers.get(elements.PACKET_INTERVAL)):
        # So many packets in a row are looked at, and so many are not. Alone it says the distance.
        space = numbers.get(elements.PACKET_SPACE)
        rate = interval if space is None else (interval + space) // interval
    return rate if rate and rate <= MOST else None


def _rate_of_record(values: Values) -> int | None:
    rate = rate_of({element: int.from_bytes(values[element][-8:], "big") for element in _RATES if element in values})
    if rate is None and len(probability := values.get(elements.PROBABILITY, b"")) in (4, 8):
        (chance,) = struct.unpack(">f" if len(probability) == 4 else ">d", probability)
        return round(1 / chance) if 1 / MOST <= chance <= 1 else None
    return rate


class Sampling:
    """The rates of one stream: those of its samplers, and one for records that name none."""

    def __init__(self) -> None:
        self._general: int | None = None
        self._by_sampler: dict[int, int] = {}

    def learn(self, values: Values) -> None:
        """Takes in what an options record says."""
        rate = _rate_of_record(values)
        if rate is None:
            return
        samplers = [values[element] for element in elements.SAMPLERS if element in values]
        if not samplers:
            self._general = rate
        elif len(self._by_sampler) < MOST_SAMPLERS:
            self._by_sampler[int.from_bytes(samplers[0][-8:], "big")] = rate

    @property
    def general(self) -> int | None:
        """For records that name no sampler: what is said of all, or what all samplers have in common."""
        if self._general is None and len(rates := set(self._by_sampler.values())) == 1:
            return rates.pop()
        return self._general

    def of_sampler(self, sampler: int) -> int | None:
        """The rate of one sampler."""
        return self._by_sampler.get(sampler)
