"""Compares what netwatchd makes of other people's recordings with what others made of them.

`exports` compares what exporters sent, `packets` captures, `logs` the logs of other programs, `leases` the lease
files of DHCP servers, `devices` what is said of real devices, `verdicts` which threats are told. Each of these modules
has a function `rows(data)`, which takes the folder of the recordings and returns a Row for each thing compared; the
first paragraph of its docstring stands above its table in docs/ACCURACY.md. It may have two more: `headline(data)`, its
result in a sentence, where its rows cannot be added up with those of others; and `details(data)`, which stands below
its table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One kind of record of one origin, compared.

    `origin` says whose recordings and expectations these are (`zeek/zeek`), `what` which records or fields were
    compared, and by which bytes (`connections: 5-tuple, IP bytes both ways`). `files` is how many inputs were read.
    `expected` counts the records for which there is an expectation, `matched` those of them that came out as expected
    in everything that was compared. Each of `differences` is a sentence that explains some of the others, and says how
    many (`3 of mixed.pcap: ...`). What cannot be compared on this machine has no files, and a difference that says why.
    """

    origin: str
    what: str
    files: int
    expected: int
    matched: int
    differences: tuple[str, ...] = ()
