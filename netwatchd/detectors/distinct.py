"""How many different addresses there were, in a few bytes, however many come.

HyperLogLog (Flajolet et al., 2007) with 256 registers: an error of 1.04 / 16 = 6.5 %. Few are counted by how many
registers are still empty (linear counting), which is nearly exact.
"""

import math

from netwatchd.addresses import Address

REGISTERS = 256
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_HASH = (1 << 64) - 1


class Distinct:
    """Counts addresses, each once."""

    __slots__ = ("_registers",)

    def __init__(self) -> None:
        self._registers = bytearray(REGISTERS)

    def add(self, address: Address) -> None:
        """One more, or one that came before."""
        # Python's hash of bytes has a secret of its own in each run, so that nobody can choose addresses that collide.
        packed = address.to_bytes(4, "big") if isinstance(address, int) else address
        hashed = hash(packed) & _HASH
        rank = 57 - (hashed >> 8).bit_length()  # zeros before the first one of 56 bits, plus one
        register = hashed & (REGISTERS - 1)
        if rank > self._registers[register]:
            self._registers[register] = rank

    def __len__(self) -> int:
        empty = self._registers.count(0)
        estimate = _ALPHA * REGISTERS**2 / sum(2.0**-rank for rank in self._registers)
        if estimate <= 2.5 * REGISTERS and empty:
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return round(estimate)
