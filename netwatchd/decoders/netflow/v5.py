"""NetFlow v1, v5 and v7: fixed records behind a header (Cisco, "NetFlow Export Datagram Format")."""

import struct

from netwatchd.decoders.netflow.elements import Field
from netwatchd.decoders.netflow.header import Header, Malformed
from netwatchd.decoders.netflow.layout import Layout

# No element; what is behind a template's fields that we do not know is passed over all the same.
_UNUSED = 0

_COMMON = [(8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2)]
_RECORDS = {
    # ..., padding, protocol, type of service, flags, padding
    1: [*_COMMON, (_UNUSED, 2), (4, 1), (5, 1), (6, 1), (_UNUSED, 7)],
    # ..., padding, flags, protocol, type of service, autonomous systems, prefix lengths, padding
    5: [*_COMMON, (_UNUSED, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (_UNUSED, 2)],
    # ... the same, with the router that was bypassed at the end
    7: [*_COMMON, (_UNUSED, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (_UNUSED, 6)],
}  # fmt: skip
_LAYOUTS = {version: Layout([Field(*field) for field in fields]) for version, fields in _RECORDS.items()}
# Cisco pads v1 to 52 bytes, softflowd to 48.
_LONG_V1 = Layout([Field(*field) for field in [*_RECORDS[1], (_UNUSED, 4)]])

# version, count, sysUptime, unix seconds, nanoseconds; flow sequence, engine type and id, sampling
_SHORT, _LONG = struct.Struct(">HHIII"), struct.Struct(">HHIIIIHH")

# Two bits of the sampling field are its mode. The rate counts whatever they say: exporters forget to set them.
_RATE = 0x3FFF


def header(data: bytes) -> Header:
    """The header; raises Malformed where the records that it tells of are not all there."""
    version = int.from_bytes(data[:2], "big")
    layout = _LAYOUTS[version]
    form = _SHORT if version == 1 else _LONG
    if len(data) < form.size:
        raise Malformed("a header that is cut off")
    _, count, uptime, seconds, nanoseconds, *rest = form.unpack_from(data)
    if version == 1 and len(data) >= form.size + count * _LONG_V1.size:
        layout = _LONG_V1
    end = form.size + count * layout.size
    if len(data) < end:
        raise Malformed("fewer records than the header says")
    sequence, engine, sampling = rest or (None, 0, 0)
    return Header(
        version,
        seconds * 1000 + min(nanoseconds // 1_000_000, 999),
        uptime,
        sequence,
        engine,
        form.size,
        end,
        sampling & _RATE if version == 5 else 0,
        layout,
    )
