"""The lease files of ISC dhcpd, dhcpd.leases and dhcpd6.leases, as dhcpd.leases(5) describes them.

    lease ADDRESS { statements }            a lease; a later block of the same address replaces an earlier one
    host NAME { statements }                a host that was declared while the server ran
    ia-na "IAID and DUID" { iaaddr ... }    the addresses (ia-pd: prefixes) of one client, all of them

The server appends blocks, and now and then writes a new file. A block begins at the beginning of a line: so one that is
damaged does not take those behind it along.
"""

import re
from collections.abc import Hashable, Iterator

from netwatchd.addresses import Address, parse_address
from netwatchd.decoders.json_lines import Malformed as NoTime
from netwatchd.decoders.leases.lease import (
    NEVER,
    Book,
    Lease,
    Malformed,
    duid_of_client_id,
    hex_bytes,
    identifier,
    mac_of,
    mac_of_duid,
    shown,
)
from netwatchd.decoders.log_values import micros

_BLOCKS = r"lease|host|ia-na|ia-ta|ia-pd"
_DECLARATIONS = rf"{_BLOCKS}|server-duid|failover|authoring-byte-order|group|subclass|class|key|zone"
MARK = re.compile(rf"(?:{_BLOCKS}|server-duid|failover|authoring-byte-order)\s".encode())

_BEGINNING = re.compile(rf"^[ \t]*(?:{_DECLARATIONS})(?=\s)", re.MULTILINE)
_WORD = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{};]|[^\s{};"#]+|"')
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_LETTERS = {"t": "\t", "r": "\r", "n": "\n", "b": "\b"}
_DEEPEST = 8  # blocks within each other: `on expiry { if ... { } }` has three

Statement = tuple[list[str], list["Statement"]]


class Isc:
    """Reads blocks into a book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._little = True  # the order of the bytes in an IAID; files without a word about it are from little machines
        self._members: dict[str, set[Hashable]] = {}  # the leases of each ia, by its words

    def read(self, text: str) -> int:
        """Reads the whole blocks of `text`; returns where the rest begins, which is a block that is not closed yet."""
        starts = [match.start() for match in _BEGINNING.finditer(text)]
        done = 0
        for at, end in zip(starts, [*starts[1:], None], strict=False):
            try:
                statement, length = _declaration(text[at:end])
            except Malformed as error:
                if end is None and not text.endswith("\n"):
                    return at  # it may only be cut
                self._book.blame(str(error))
                continue
            if statement is not None:
                self._take(statement)
                done = at + length
            elif end is None:
                return at
            else:
                self._book.blame("a block is not closed")
        # What is left is blank, a comment, or half a word, to which more may come.
        return max(done, text.rfind("\n") + 1)

    def _take(self, statement: Statement) -> None:
        words, body = statement
        if words[0] == "authoring-byte-order" and len(words) > 1:
            self._little = words[1] != "big-endian"
        if not re.fullmatch(_BLOCKS, words[0]):
            return
        self._book.records += 1
        try:
            if len(words) < 2:
                raise Malformed(f"a {words[0]} has no name")
            if words[0] == "lease":
                self._book.put(_lease(_address(words[1]), body))
            elif words[0] == "host":
                self._host(words[1], body)
            else:
                self._association(words[0], words[1], body)
        except Malformed as error:
            self._book.blame(str(error))

    def _host(self, name: str, body: list[Statement]) -> None:
        said = _by_word(body)
        mac = mac_of(hex_bytes(said.get("hardware", ["", "", ""])[-1]))
        name = next((_text(words[2]) for words, _ in body if words[:2] == ["option", "host-name"] and len(words) > 2),
                    name)  # fmt: skip
        addresses = [_address(word) for word in " ".join(said.get("fixed-address", [])[1:]).replace(",", " ").split()
                     if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", word)]  # fmt: skip
        lease = Lease(None, mac, shown(_text(name)), end=NEVER, state="static")
        without: list[Address | None] = [None] if mac else []
        for address in addresses or without:
            key = self._book.put(lease._replace(address=address))
            if "deleted" in said and key is not None:
                self._book.drop(key)

    def _association(self, kind: str, name: str, body: list[Statement]) -> None:
        """An ia: it names all addresses that its client has now."""
        packed = _text(name).encode("latin-1", "replace")
        if len(packed) < 6:
            raise Malformed(f"the name of an {kind} should be an IAID and a DUID")
        duid, mac = packed[4:], mac_of_duid(packed[4:])
        heard = _time(_by_word(body).get("cltt"))
        found: set[Hashable] = set()
        for words, inner in body:
            if words[0] not in ("iaaddr", "iaprefix") or len(words) < 2:
                continue
            address, _, length = words[1].partition("/")
            lease = _lease(_address(address), inner)
            key = self._book.put(
                lease._replace(
                    mac=mac,
                    derived=mac is not None,
                    duid=identifier(duid),
                    heard=heard,
                    prefix=int(length) if length.isascii() and length.isdecimal() and len(length) < 4 else None,
                    temporary=kind == "ia-ta",
                    iaid=int.from_bytes(packed[:4], "little" if self._little else "big"),
                )
            )
            if key is not None:
                found.add(key)
        for key in self._members.get(f"{kind} {name}", set()) - found:
            self._book.drop(key)
        if len(self._members) < 2 * len(self._book.leases) + 1:
            self._members[f"{kind} {name}"] = found


def _declaration(text: str) -> tuple[Statement | None, int]:
    """The declaration that `text` begins with, and its length; None where it does not end."""
    words: list[str] = []
    stack: list[Statement] = [([], [])]
    for word, end in _words(text):
        if word not in (";", "{", "}"):
            words.append(word)
            continue
        if word == "{":
            stack.append((words, []))
        elif words:  # the last statement of a block may lack its semicolon
            stack[-1][1].append((words, []))
        words = []
        if word == "}":
            _close(stack)
        if len(stack) == 1 and stack[0][1]:
            return stack[0][1][0], end
        if len(stack) > _DEEPEST:
            raise Malformed("blocks are nested too deeply")
    return None, 0


def _close(stack: list[Statement]) -> None:
    """Ends the innermost block."""
    done = stack.pop()
    if not stack:
        raise Malformed("a block ends that never began")
    if done[0]:
        stack[-1][1].append(done)


def _words(text: str) -> Iterator[tuple[str, int]]:
    """The words and marks, and where each ends."""
    for match in _WORD.finditer(text):
        word = match[0]
        if word == '"':
            raise Malformed("a text is not closed")
        if word[0] != "#":
            yield word, match.end()


def _by_word(body: list[Statement]) -> dict[str, list[str]]:
    """The statements by their first word; of several alike the last."""
    return {words[0]: words for words, _ in body}


def _lease(address: Address, body: list[Statement]) -> Lease:
    said = _by_word(body)
    uid = said.get("uid", [])
    client = _packed(uid[1]) if len(uid) > 1 else None
    hardware = said.get("hardware", [])
    start, end = _time(said.get("starts")), _time(said.get("ends"))
    return Lease(
        address,
        mac_of(hex_bytes(hardware[2])) if hardware[1:2] == ["ethernet"] and len(hardware) > 2 else None,
        shown(_second(said, "client-hostname") or _set(body, "ddns-fwd-name")),
        identifier(client),
        identifier(duid_of_client_id(client)),
        shown(_set(body, "vendor-class-identifier")),
        start=None if start == NEVER else start,
        end=end,
        state=_state(said),
        heard=_time(said.get("cltt")),
    )


def _state(said: dict[str, list[str]]) -> str:
    # `next binding state` and `rewind binding state` begin with other words.
    words = said.get("binding", [])
    if len(words) > 2 and words[1] == "state":
        return words[2][:20]
    # Versions before 3.0 have no states.
    return "abandoned" if "abandoned" in said else "active"


def _second(said: dict[str, list[str]], word: str) -> str | None:
    words = said.get(word, [])
    return _text(words[1]) if len(words) > 1 else None


def _set(body: list[Statement], variable: str) -> str | None:
    """The text that `set VARIABLE = "text";` gives a variable."""
    for words, _ in body:
        if words[:3] == ["set", variable, "="] and len(words) > 3 and words[3][0] == '"':
            return _text(words[3])
    return None


def _text(word: str) -> str:
    """What a word says, a character a byte."""
    if len(word) < 2 or word[0] != '"':
        return word
    return _ESCAPE.sub(_unescaped, word[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "01234567":
        return chr(int(code, 8) & 255)
    return chr(int(code[1:], 16)) if len(code) == 3 else _LETTERS.get(code, code)


def _packed(word: str) -> bytes | None:
    return _text(word).encode("latin-1", "replace") if word[0] == '"' else hex_bytes(word)


def _time(words: list[str] | None) -> int | None:
    """Unix ms of `starts 4 2017/10/05 15:22:29`, `starts epoch 1507217549` or `starts never` (NEVER); None of none."""
    if words is None or len(words) < 2:
        return None
    if words[1] == "never":
        return NEVER
    if words[1] == "epoch":
        if len(words) < 3 or not re.fullmatch("[0-9]{1,12}", words[2]):
            raise Malformed("a time is none")
        return min(int(words[2]) * 1000, NEVER)
    if len(words) < 4:
        raise Malformed("a time is none")
    try:
        return micros(f"{words[2].replace('/', '-')} {words[3]}", "a time") // 1000
    except NoTime:
        raise Malformed("a time is none") from None


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError:
        raise Malformed("the address is none") from None
