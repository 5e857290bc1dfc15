"""Sampling rates, as options records tell them (RFC 3954 and RFC 7011 with the elements of RFC 5477)."""

import struct
from collections.abc import Mapping

from netwatchd.decoders.netflow import elements

MOST_SAMPLERS = 256  # an exporter has a few
# One of more packets than this is never looked at; such a number is nonsense.
MOST = 1 << 24

Values = Mapping[int, bytes]  # the fields of one options record, by element


def rate_of(values: Values) -> int | None:
    """One of how many packets is looked at, by an options record; None where it says nothing of it."""

    def number(element: int) -> int:
        return int.from_bytes(values.get(element, b"")[-8:], "big")

    rate = number(elements.SAMPLING_INTERVAL) or number(elements.SAMPLER_INTERVAL)
    if not rate and (interval := number(elements.PACKET_INTERVAL)):
        # So many packets in a row are looked at, and so many are not. Alone it says the distance.
        space = number(elements.PACKET_SPACE)
        rate = (interval + space) // interval if elements.PACKET_SPACE in values else interval
    if not rate and (size := number(elements.SIZE)):
        rate = number(elements.POPULATION) // size
    if not rate and len(probability := values.get(elements.PROBABILITY, b"")) in (4, 8):
        (chance,) = struct.unpack(">f" if len(probability) == 4 else ">d", probability)
        rate = round(1 / chance) if 1 / MOST <= chance <= 1 else 0
    return rate if 0 < rate <= MOST else None


class Sampling:
    """The rates of one stream: those of its samplers, and one for records that name none."""

    def __init__(self) -> None:
        self._general: int | None = None
        self._by_sampler: dict[int, int] = {}

    def learn(self, values: Values) -> None:
        """Takes in what an options record says."""
        rate = rate_of(values)
        if rate is None:
            return
        sampler = values.get(elements.SAMPLER) or values.get(elements.SELECTOR)
        if sampler is None:
            self._general = rate
        elif len(self._by_sampler) < MOST_SAMPLERS:
            self._by_sampler[int.from_bytes(sampler[-8:], "big")] = rate

    @property
    def general(self) -> int | None:
        """For records that name no sampler: what is said of all, or what all samplers have in common."""
        if self._general is None and len(rates := set(self._by_sampler.values())) == 1:
            return rates.pop()
        return self._general

    def of_sampler(self, sampler: int) -> int | None:
        """The rate of one sampler."""
        return self._by_sampler.get(sampler)
