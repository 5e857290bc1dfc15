"""What people look for in flows: an address or a network, a port, a protocol, a name, as they write it.

Each function makes of a text what must be true of a flow. Raises Misasked where it cannot be meant.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_network

from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.answers import Misasked
from netwatchd.answers.find import find, keys_of
from netwatchd.events import PROTOCOL_NUMBERS, Device
from netwatchd.storage.search import Either

MOST_TERMS = 8
LONGEST = 200  # characters of a text that is searched for
Ranges = tuple[tuple[Address, Address], ...]


def of_device(given: str, known: Sequence[Device]) -> Either:
    """The flows that were put down to the device that is given; raises NotFound."""
    return Either(devices=frozenset(keys_of(find(given, known))))


def of_peer(given: str, known: Sequence[Device]) -> Either:
    """An address, a network or a device, on either side; raises NotFound."""
    if found := _network(given):
        return Either(ranges=(found,))
    device = find(given, known)
    return Either(frozenset(device.ips), devices=frozenset(keys_of(device)))


def of_port(given: str) -> Either:
    """`443`, or `tcp/443` as `top` tells them."""
    if found := _port(given):
        return Either(ports=(found,))
    raise Misasked(f"{given!r:.40} should be a port such as 443 or tcp/443")


def of_protocol(given: str) -> Either:
    """`tcp`, `udp`, ..., or a number."""
    number = _protocol(given)
    if number is None:
        raise Misasked(
            f"{given!r:.40} should be a protocol such as {', '.join(list(PROTOCOL_NUMBERS)[:4])}, or a number"
        )
    return Either(protocols=frozenset((number,)))


def of_states(given: str) -> Either:
    """One state, or several with commas between them."""
    return Either(states=frozenset(word.strip().casefold() for word in given.split(",")))


def of_text(given: str, known: Sequence[Device]) -> tuple[Either, ...]:
    """What somebody has typed into a search box: all of its words must be true of a flow.

    A word may be an address or its beginning, a network, a port, a protocol, a state, or a part of what a device is
    called.
    """
    terms = given.casefold().split()
    if len(given) > LONGEST or len(terms) > MOST_TERMS:
        raise Misasked(f"a text may have {LONGEST} characters and {MOST_TERMS} words")
    return tuple(_of_word(word, known) for word in terms)


def _of_word(word: str, known: Sequence[Device]) -> Either:
    mac = mac_part(word)
    meant = [
        device
        for device in known
        if any(word in name for name in _names(device)) or (mac and any(mac in key for key in keys_of(device)))
    ]
    network, port = _network(word), _port(word)
    protocol = None if word.isdecimal() else _protocol(word)
    return Either(
        addresses=frozenset(ip for device in meant for ip in device.ips),
        ranges=(network,) if network and not word.endswith("::") else _beginnings(word),
        ports=(port,) if port else (),
        # Nobody who types it thinks of IPv4 alone.
        protocols=frozenset((1, 58) if protocol in (1, 58) else () if protocol is None else (protocol,)),
        states=frozenset((word,)),
        devices=frozenset(key for device in meant for key in keys_of(device)),
    )


def forms_of(word: str) -> list[str]:
    """How a word may stand in a text: as it is, and as MACs and addresses stand there that it writes otherwise."""
    forms = [word, mac_part(word) or word]
    with suppress(ValueError):
        forms.append(address_text(parse_address(word)))
    return forms


def mac_part(word: str) -> str | None:
    """A MAC or a part of one, as MACs stand everywhere, where a word looks like that.

    Two digits would be found in every other MAC.
    """
    if re.fullmatch("[0-9a-f]{12}", word):
        return ":".join(re.findall("..", word))
    return word.replace("-", ":") if ":" in word or re.fullmatch("([0-9a-f]{2}-){2,5}[0-9a-f]{0,2}", word) else None


def _names(device: Device) -> Iterator[str]:
    for name in (device.name, device.hostname, device.model, device.vendor):
        if name:
            yield name.casefold()


def _network(text: str) -> tuple[Address, Address] | None:
    """The first and the last address of a network, or twice an address."""
    try:
        if "/" not in text:
            address = parse_address(text)
            return address, address
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    first, last = (parse_address(str(network[at])) for at in (0, -1))
    return first, last


def _port(text: str) -> tuple[int | None, int] | None:
    protocol, slash, port = text.strip().casefold().rpartition("/")
    number = _protocol(protocol) if slash else None
    if (slash and number is None) or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        return None
    return number, int(port)


def _protocol(text: str) -> int | None:
    word = text.strip().casefold()
    if re.fullmatch("[0-9]{1,3}", word):
        return int(word) if int(word) < 256 else None
    return PROTOCOL_NUMBERS.get(word)


def _beginnings(word: str) -> Ranges:
    """The addresses whose text begins so: `192.168.`, `10.1` (10.1.*, 10.10.* to 10.19.*, ...), `fe80:`."""
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}\.[0-9]{0,3}", word):
        return tuple(_begin_with(word.split("."), 10, 8, 4))
    if re.fullmatch(r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6}:[0-9a-f]{0,4}", word) or re.fullmatch(
        r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6}::", word
    ):
        return tuple(_begin_with(word.removesuffix("::").split(":") + [""] * word.endswith("::"), 16, 16, 8))
    return ()


def _begin_with(groups: list[str], base: int, bits: int, count: int) -> Iterator[tuple[Address, Address]]:
    """Ranges of addresses of `count` groups of so many bits, of which the first are given, and the last begins so."""
    *whole, last = groups
    numbers = [int(group, base) for group in whole]
    if any(number >> bits for number in numbers) or len(groups) > count:
        return
    above = 0
    for number in numbers:
        above = above << bits | number
    for low, high in _completions(last, base, bits):
        rest = bits * (count - len(groups))
        yield _address((above << bits | low) << rest, count), _address(((above << bits | high) + 1 << rest) - 1, count)


def _completions(digits: str, base: int, bits: int) -> Iterator[tuple[int, int]]:
    """The numbers that are written with these digits at their beginning, in ranges."""
    most = (1 << bits) - 1
    if not digits:
        yield 0, most
        return
    low = high = int(digits, base)
    while low <= most:
        yield low, min(high, most)
        if not low:
            return
        low, high = low * base, high * base + base - 1


def _address(number: int, groups: int) -> Address:
    return number if groups == 4 else number.to_bytes(16, "big")
