"""Who asks all on the link for another's address is observed; who checks his own, or on a neighbour, is not."""

import pytest
from packet_kit import A6, MAC_A, B, arp, ethernet, ip6, packed
from test_stations import GLOBAL, LINK_LOCAL, Seen, nd

from netwatchd.addresses import address_text
from netwatchd.observations import AddressAsked

ALL = "ff02::1"
NODE = "ff02::1:ff00:99"


def solicited(target: str, to: str, src: str = LINK_LOCAL) -> bytes:
    body = bytes((135, 0, 0, 0)) + bytes(4) + packed(target)
    return ethernet(ip6(body, src, to, 58, hops=255), MAC_A)


@pytest.mark.parametrize(
    ("frame", "asked"),
    [
        (arp(), B),
        (arp(ip="0.0.0.0"), B),
        (arp(asked="192.168.1.5"), None),  # gratuitous
        (arp(operation=2), None),
        (solicited("fe80::99", NODE), "fe80::99"),
        (solicited(GLOBAL, NODE, A6), GLOBAL),
        (nd(135, "fe80::99"), "fe80::99"),
        (solicited("fe80::99", NODE, "::"), None),  # may I have it?
        (solicited("fe80::99", "fe80::99"), None),  # are you still there?
        (solicited(LINK_LOCAL, NODE), None),  # its own
        (nd(135, "fe80::99", hops=254), None),  # from another link
        (nd(136, "fe80::99"), None),
        (solicited("fe80::99", NODE)[:-4], None),  # cut off
    ],
)  # fmt: skip
def test_a_question_for_somebody_elses_address_is_observed(frame: bytes, asked: str | None) -> None:
    seen = Seen()
    seen.see(frame)
    observed = [each for each in seen.table.observations() if isinstance(each, AddressAsked)]
    assert [address_text(each.target) for each in observed] == ([asked] if asked else [])
    assert all(each.mac == MAC_A.hex(":") and each.source == "capture" for each in observed)
