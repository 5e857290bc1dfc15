"""Has the kernel track connections where no firewall rule asks for it.

Connection tracking is switched on in a network namespace by the first nftables rule that looks at it, and off by the
last one that goes. So we add a table with a chain and such a rule. The chain has no hook: no packet ever passes it,
which changes and costs nothing, and yet its rule counts. The table belongs to our socket (NFT_TABLE_F_OWNER, Linux
5.12): the kernel removes it when the socket closes, also when we are killed. Without that flag we make none, because
it could be left behind.
"""

import errno
import logging
import struct

from netwatchd.decoders.netlink import ACK, APPEND, CREATE, EXCLUSIVE, attribute, nested
from netwatchd.sources.netlink import NETFILTER, NetlinkSocket

log = logging.getLogger(__name__)

TABLE = "netwatchd"

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_INET = 1  # NFPROTO_INET: IPv4 and IPv6
_BEGIN, _END = 0x10, 0x11  # NFNL_MSG_BATCH_*
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = (_SUBSYSTEM << 8 | kind for kind in (0, 3, 6))  # NFT_MSG_*
_OWNER = 2  # NFT_TABLE_F_OWNER
_COMMENT = b"counts connections while netwatchd runs; no packet passes this table"


def _text(kind: int, text: bytes) -> bytes:
    return attribute(kind, text + b"\0")


def _word(kind: int, number: int) -> bytes:
    return attribute(kind, struct.pack(">I", number))


def _expression(name: bytes, *data: bytes) -> bytes:
    # NFTA_LIST_ELEM { NFTA_EXPR_NAME, NFTA_EXPR_DATA }
    return nested(1, _text(1, name), nested(2, *data))


def _rule() -> bytes:
    """`ct state new`, as nft writes it: load the state, mask it, compare; without a verdict."""
    new = struct.pack("=I", 8)  # NF_CT_STATE_BIT(IP_CT_NEW); registers are in the order of this machine
    none = struct.pack("=I", 0)
    load = _expression(b"ct", _word(1, 1), _word(2, 0))  # NFTA_CT_DREG, NFTA_CT_KEY = NFT_CT_STATE
    mask = _expression(  # NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR
        b"bitwise", _word(1, 1), _word(2, 1), _word(3, 4), nested(4, attribute(1, new)), nested(5, attribute(1, none))
    )
    differ = _expression(b"cmp", _word(1, 1), _word(2, 1), nested(3, attribute(1, none)))  # NFT_CMP_NEQ
    return load + mask + differ


def _transaction() -> list[tuple[int, int, bytes]]:
    # struct nfgenmsg { __u8 family; __u8 version; __be16 res_id; }
    batch = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
    inet = struct.pack(">BBH", _INET, 0, 0)
    table, chain = TABLE.encode(), b"tracking"
    note = struct.pack("BB", 0, len(_COMMENT) + 1) + _COMMENT + b"\0"  # NFTNL_UDATA_TABLE_COMMENT
    return [
        (_BEGIN, 0, batch),
        (_NEW_TABLE, CREATE | EXCLUSIVE, inet + _text(1, table) + _word(2, _OWNER) + attribute(6, note)),
        (_NEW_CHAIN, CREATE | EXCLUSIVE, inet + _text(1, table) + _text(3, chain)),
        (_NEW_RULE, CREATE | APPEND | ACK, inet + _text(1, table) + _text(2, chain) + nested(4, _rule())),
        (_END, 0, batch),
    ]


def start_tracking() -> NetlinkSocket | None:
    """The socket that owns the table: tracking is on until it is closed. None, and a log line, where refused."""
    owner = NetlinkSocket(NETFILTER)
    try:
        owner.send_batch(_transaction())
    except OSError as error:
        owner.close()
        # EPERM too: who subscribed to conntrack has the privilege, so it is the table that has another owner.
        if error.errno in (errno.EEXIST, errno.EPERM):
            log.info("table inet %s is there already: connections are tracked as long as its owner lives", TABLE)
            return None
        log.warning(
            "cannot have connections tracked by a table of our own: %s (needs nftables and Linux 5.12); "
            "flows are seen only where a firewall rule looks at connections",
            error.strerror,
            extra={"source": "conntrack"},
        )
        return None
    return owner
