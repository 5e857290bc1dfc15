"""What all versions say of a datagram as a whole."""

from typing import NamedTuple

from netwatchd.decoders.netflow.layout import Layout


class Malformed(ValueError):
    """What came is none of what its version allows."""


class Header(NamedTuple):
    """A datagram's header."""

    version: int
    export: int  # when it was sent, by the exporter's clock (Unix ms)
    uptime: int | None  # how long the exporter has been up, ms; IPFIX does not say it
    sequence: int | None
    domain: int  # observation domain, source id, or engine type and id
    begin: int  # where in the datagram the sets or records begin, and end
    end: int
    sampling: int = 0  # one of so many packets was looked at; 0: it is not said here
    layout: Layout | None = None  # of the records, where there are no sets
