"""How the value of a setting is read: each raises ValueError with a sentence that says what would be right.

Whatever is read here can be used: a duration fits into a timer, a size into what the kernel or SQLite takes.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from netwatchd.addresses import Networks, parse_address

# poll() and epoll count milliseconds in 31 bits, which is 24 days.
LONGEST_WAIT = 20 * 86400.0
GREATEST_AGE = 36_500 * 86400.0

_DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _with_unit(text: str, units: dict[str, Any], example: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text)
    if not match or match[2] not in units:
        raise ValueError(f"{text!r:.60} should be a number with one of the units {', '.join(units)}, such as {example}")
    return float(match[1]) * float(units[match[2]])


def span(text: str) -> float:
    """Seconds, however many."""
    return _with_unit(text, _DURATIONS, "'5 s'")


def age(text: str) -> float:
    """Seconds up to a hundred years, more than none: what is compared, and never waited for."""
    return _more_than_nothing(text, _within(text, GREATEST_AGE))


def duration(text: str) -> float:
    """Seconds that a timer can count."""
    return _within(text, LONGEST_WAIT)


def positive_duration(text: str) -> float:
    """Seconds that a timer can count, more than none."""
    return _more_than_nothing(text, duration(text))


def _within(text: str, most: float) -> float:
    seconds = span(text)
    if seconds > most:
        raise ValueError(f"{text!r:.60} should be at most {most / 86400:.0f} d")
    return seconds


def _more_than_nothing(text: str, seconds: float) -> float:
    if seconds <= 0:
        raise ValueError(f"{text!r:.60} should be longer than nothing, such as '5 s'")
    return seconds


def size_up_to(most: int) -> Callable[[str], int]:
    """Bytes, up to `most` MiB."""

    def read(text: str) -> int:
        found = _with_unit(text, _SIZES, "'500 MB'")
        if found > most << 20:
            raise ValueError(f"{text!r:.60} should be at most {most} MiB")
        return int(found)

    return read


size = size_up_to(2**40)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r:.60} should be a whole number from {low} to {high}")
        return int(text)

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """One of the words."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"{text!r:.60} should be {' or '.join(words)}")
        return text.lower()

    return read


def yes_no(text: str) -> bool:
    """`yes` or `no`, and what else people write for them."""
    words = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r:.60} should be yes or no")
    return words[text.lower()]


def words(text: str) -> tuple[str, ...]:
    """A list, separated by commas or white space."""
    return tuple(re.split(r"[\s,]+", text)) if text else ()


def networks(text: str) -> Networks:
    """A list of networks such as `192.168.0.0/16` or `fd00::/8`, or of single addresses."""
    try:
        return Networks(words(text))
    except ValueError as error:
        raise ValueError(f"{error} (it should be networks such as 192.168.0.0/16 or fd00::/8)") from None


def endpoints(text: str) -> tuple[tuple[str, int], ...]:
    """A list of addresses with ports, such as `0.0.0.0:2055` or `[::]:2055`."""
    return tuple(map(_endpoint, words(text)))


def _endpoint(word: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", word)
    try:
        if match and 1 <= int(match[3]) <= 65535:
            parse_address(match[1] or match[2])
            return match[1] or match[2], int(match[3])
    except ValueError:
        pass  # said below
    raise ValueError(f"{word!r:.60} should be an address and a port, such as 0.0.0.0:2055 or [::]:2055")


def interfaces(text: str) -> tuple[str, ...]:
    """A list of network interfaces, by names that the kernel takes (dev_valid_name in net/core/dev.c)."""
    names = words(text)
    for name in names:
        if not re.fullmatch(r"[^/:\0]+", name) or name in (".", "..") or len(name.encode()) > 15:
            raise ValueError(f"{name!r:.60} is no name of a network interface")
    return names


def optional_path(text: str) -> Path | None:
    """A path, or nothing."""
    if "\0" in text:
        raise ValueError(f"{text!r:.60} is no path")
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:  # ~ or ~somebody, of whom the system knows no home
        raise ValueError(f"{text!r:.60} cannot be used: {error}") from error


def needed_path(text: str) -> Path:
    """A path."""
    path = optional_path(text)
    if path is None:
        raise ValueError("there should be a path")
    return path


def paths(text: str) -> tuple[Path, ...]:
    """A list of paths."""
    found = tuple(map(needed_path, words(text)))
    if not found:
        raise ValueError("there should be a path")
    return found


def addresses(text: str) -> tuple[str, ...]:
    """A list of IP addresses, as text."""
    found = words(text)
    for word in found:
        parse_address(word)
    return found


def host_name(text: str) -> str:
    """An address or a name to listen on."""
    try:
        text.encode("idna")  # as getaddrinfo() will
    except UnicodeError as error:
        raise ValueError(f"{text!r:.60} is neither an address nor a name: {error}") from error
    if not text.isprintable():
        raise ValueError(f"{text!r:.60} is neither an address nor a name")
    return text


class Hours(NamedTuple):
    """A part of the day by local time, in minutes since midnight; past midnight where it ends before it begins."""

    start: int
    end: int


def hours(text: str) -> Hours | None:
    """A part of the day such as `22:00-07:00`, or nothing."""
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})", text)
    parts = list(map(int, match.groups())) if match else [24, 0, 24, 0]
    found = Hours(parts[0] * 60 + parts[1], parts[2] * 60 + parts[3])
    if max(parts[0], parts[2]) > 23 or max(parts[1], parts[3]) > 59 or found.start == found.end:
        raise ValueError(f"{text!r:.60} should be a time of the day to another one, such as 22:00-07:00")
    return found


class Url(NamedTuple):
    """Where something is sent by HTTP. What stands behind the host is often a secret, and shown to nobody."""

    secure: bool
    host: str
    port: int
    path: str  # with the query

    @property
    def place(self) -> str:
        """The part that may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def optional_url(text: str) -> Url | None:
    """An address of HTTP or HTTPS, or nothing."""
    if not text:
        return None
    # It is not repeated: it may hold a secret.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it should be printable ASCII without spaces, such as https://ntfy.example/topic")
    try:
        parts = urlsplit(text)
        host, port = host_name(parts.hostname or ""), parts.port
    except ValueError:
        raise ValueError("it is no address of the web, such as https://ntfy.example/topic") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("it should begin with https:// or http:// and the name of a host")
    if parts.username is not None or parts.fragment:
        raise ValueError("it should hold neither user and password nor a part behind #")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(secure, host, port or (443 if secure else 80), path)


def program(text: str) -> tuple[str, ...]:
    """A program by its whole path, with arguments, quoted as in a shell; or nothing."""
    try:
        found = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{text!r:.60} cannot be taken apart: {error}") from None
    if found and not found[0].startswith("/"):
        raise ValueError(f"{text!r:.60} should begin with the whole path of a program, such as /usr/local/bin/alarm")
    if "\0" in text:
        raise ValueError(f"{text!r:.60} is no command")
    return found


def mail_addresses(text: str) -> tuple[str, ...]:
    """A list of addresses of e-mail, as bare ones: no names, ASCII only (RFC 5321 section 4.1.2, without quoting)."""
    found = words(text)
    for word in found:
        if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.:\[\]-]{1,253}", word):
            raise ValueError(f"{word!r:.60} should be an address such as pi@example.org")
    return found


def mail_address(text: str) -> str:
    """One address of e-mail, or nothing."""
    found = mail_addresses(text)
    if len(found) > 1:
        raise ValueError(f"{text!r:.60} should be a single address")
    return found[0] if found else ""
