"""Options records: what an exporter says of itself, such as its sampling and when it booted."""

from collections.abc import Iterator, Sequence

from netwatchd.decoders.netflow.elements import VARIABLE, Field
from netwatchd.decoders.netflow.layout import field_length

# A data set of options records says the same of many interfaces or applications; more are not looked at.
MOST_RECORDS = 4096


def records(fields: Sequence[Field], data: bytes) -> Iterator[dict[int, bytes]]:
    """The fields of each record by element, without those of enterprises. Raises layout.Unreadable."""
    at = 0
    least = sum(1 if field.length == VARIABLE else field.length for field in fields)
    for _ in range(min(len(data) // least, MOST_RECORDS) if least else 0):
        if len(data) - at < least:
            return
        values: dict[int, bytes] = {}
        for field in fields:
            length, at = field_length(field, data, at)
            if not field.enterprise:
                values.setdefault(field.element, data[at : at + length])
            at += length
        yield values
