"""NetBIOS over UDP (RFC 1001, 1002): names that machines register for themselves, and by which they announce servers.

A name has 15 characters and a suffix that says whose it is: 00 is the machine, 20 its file server. Names of groups, and
other suffixes (users, browsers, domain controllers), say nothing of which machine it is.
"""

import struct

from netwatchd.addresses import Address
from netwatchd.decoders.clues import clue
from netwatchd.events import Clue

_HEADER = struct.Struct("!HHHHHH").unpack_from  # id, flags, questions, answers, authorities, additionals
_RESPONSE = 0x8000
_QUERY, _REGISTRATION, _REFRESH, _REFRESH_TOO, _MULTIHOMED = 0, 5, 8, 9, 15  # operations (RFC 1002 section 4.2.1.1)
_NB = 0x0020  # type of the record that holds flags and address
_GROUP = 0x8000  # the flag G of a name (section 4.2.1.3)
_MACHINE, _SERVER = 0x00, 0x20
_ENCODED = 32  # bytes of a name whose half-bytes are letters from A on (section 4.1)

# Datagrams (section 4.4): type, flags, id, source address and port; DIRECT_UNIQUE, DIRECT_GROUP, BROADCAST.
_DATAGRAM = struct.Struct("!BBHIH").unpack_from
_DATAGRAMS = (0x10, 0x11, 0x12)
# Behind the SMB header (MS-CIFS 2.2.4.33) stands the mailslot's name, and then the announcement (MS-BRWS 2.2.1, 2.2.3):
# command, update count, periodicity (4), name (16).
_MAILSLOT = b"\\MAILSLOT\\BROWSE\0"
_HOST, _LOCAL_MASTER = 1, 15  # commands of announcements by a machine of itself


def read_names(data: bytes, sender: Address) -> tuple[Clue, ...]:
    """The machine's name in a registration, a refresh or an answer of the name service with the sender's address."""
    try:
        return _names(data, sender)
    except (struct.error, IndexError, ValueError):
        return ()


def _names(data: bytes, sender: Address) -> tuple[Clue, ...]:
    _, flags, questions, answers, _, additionals = _HEADER(data)
    operation, response = flags >> 11 & 15, bool(flags & _RESPONSE)
    if response:
        if operation != _QUERY or flags & 15 or questions or answers != 1:
            return ()
        name, suffix, at = _name(data, 12)
    else:
        if operation not in (_REGISTRATION, _REFRESH, _REFRESH_TOO, _MULTIHOMED) or (questions, additionals) != (1, 1):
            return ()
        name, suffix, at = _name(data, 12)
        at += 4  # type and class of the question
        at = at + 2 if data[at] & 0xC0 == 0xC0 else _name(data, at)[2]
    kind, _, ttl, length, about, address = struct.unpack_from("!HHIHHI", data, at)
    # RFC 1002 gives 0 seconds to a name that has no end, so that only the flags speak here.
    if kind != _NB or length < 6 or about & _GROUP or address != sender or ttl < 0:
        return ()
    return clue("netbios_name", name) if suffix in (_MACHINE, _SERVER) else ()


def read_datagram(data: bytes, sender: Address) -> tuple[Clue, ...]:
    """The name of a machine that announces itself to the browsers of its network."""
    try:
        kind, _, _, source, _ = _DATAGRAM(data)
    except struct.error:
        return ()
    at = data.find(_MAILSLOT)
    if kind not in _DATAGRAMS or source != sender or at < 0 or b"\xffSMB\x25" not in data[:at]:
        return ()
    body = data[at + len(_MAILSLOT) :]
    if len(body) < 22 or body[0] not in (_HOST, _LOCAL_MASTER):
        return ()
    return clue("netbios_name", body[6:22].partition(b"\0")[0])


def _name(data: bytes, at: int) -> tuple[bytes, int, int]:
    """The name at `at`, its suffix, and where it ends, behind its scope; raises ValueError."""
    if data[at] != _ENCODED or len(data) < at + 33:
        raise ValueError("no name of NetBIOS")
    letters = [letter - 0x41 for letter in data[at + 1 : at + 33]]
    if any(not 0 <= letter < 16 for letter in letters):
        raise ValueError("no name of NetBIOS")
    raw = bytes(high << 4 | low for high, low in zip(letters[::2], letters[1::2], strict=True))
    at += 33
    while data[at]:  # the scope's labels; each is at least a byte, so that this ends
        at += data[at] + 1
    return raw[:15].rstrip(b" \0"), raw[15], at + 1
