"""The manual pages netwatchd(1) and netwatchd.ini(5), made of the parser and of the settings: `make man`.

Run as `python -m netwatchd.cli.manual 1` or `5`. The macros are those of man(7), which groff and mandoc know.
"""

import os
import re
import sys
import time
from collections.abc import Iterable
from typing import Any

from netwatchd import __version__, config
from netwatchd.cli.grammar import Verb, Word, verbs
from netwatchd.cli.main import EPILOG, parser
from netwatchd.reload import reloadable

ABOUT = "watches the devices, flows and threats of a home network"
DESCRIPTION = """
netwatchd runs on a small Linux machine, such as a router or a Raspberry Pi. It notices the devices on the network,
counts the flows between them and the world, and recognises threats. It keeps all three in SQLite databases, and tells
of every change to whoever listens on its WebSocket, where there is also a page for a browser.
|
Verbs that look at what is stored open the databases read-only, and work whether or not the daemon runs. Verbs that
change something have the running daemon do it.
|
Tables fit the terminal: columns that matter least give way, and what is too long is cut in its middle; a pipe gets
every column and every word whole. There are no colours where the output is no terminal, where the terminal is dumb, or
where NO_COLOR is set. Whatever the network made of names is shown without what could act on a terminal.
"""
OF_SETTINGS = """
A file of sections in brackets, and in these lines of a key, = and a value; # begins a line that is a comment. All of it
is optional. What is not known is a mistake: netwatchd check-config names every one, with its line. Where it says so
here, systemctl reload netwatchd is enough for a change; else it counts from the next start on.
"""
VALUES = {
    "TIME": "30 min, 2 h or 7 d (ago), 2026-11-23 or '2026-11-23 14:05' (local time), or Unix milliseconds",
    "DEVICE": "a MAC, also one that was merged into a device, an address, the name that you gave, a host name or its"
    " first label",
    "N": "a number; 0 is all of them, where a verb lists something",
}
FILES = {
    "/etc/netwatchd/config.ini": "the configuration: netwatchd.ini(5)",
    "/var/lib/netwatchd/core.db": "devices, threats, and sums of traffic: SQLite",
    "/var/lib/netwatchd/flows-YYYYMMDD.db": "the flows of one day (UTC): SQLite",
    "/run/netwatchd/events.sock": "takes events of other programs as lines of JSON",
    "/run/netwatchd/netwatchd.pid": "the number of the daemon's process",
}
EXAMPLES = {
    "netwatchd status": "Is all well, and what does it do?",
    "netwatchd watch": "What happens, as it happens.",
    "netwatchd watch --json --topics threats | jq .threat.description": "The same for a script: a message a line.",
    "netwatchd watch --url ws://pi.lan:8765 --token-file ~/pi.token": "That of another machine.",
    "netwatchd top --live": "Who moves most just now.",
    "netwatchd flows --device tv --since '2 h' --port 443": "What a device was up to.",
    "netwatchd threats --severity high": "What is bad, the worst first.",
    "netwatchd replay capture.pcap --into found": "Looks into a capture as if it were happening.",
    "source <(netwatchd completion bash)": "Has this shell complete verbs, flags and devices.",
}


def command() -> str:
    """The page netwatchd(1)."""
    known = verbs(parser())
    parts = [
        _head("NETWATCHD", 1, f"netwatchd {__version__}", "User Commands"),
        _section("NAME", [_text(f"netwatchd - {ABOUT}")]),
        _section("SYNOPSIS", [line for verb in known for line in _synopsis(verb)]),
        _section("DESCRIPTION", [_paragraphs(DESCRIPTION)]),
        _section("COMMANDS", [line for verb in known for line in _verb(verb)]),
        _section("VALUES", [_item(f".I {_text(name)}", text) for name, text in VALUES.items()]),
        _section("FILES", [_item(f".I {_text(name)}", text) for name, text in FILES.items()]),
        _section("ENVIRONMENT", [_item(f".B {_text(name)}", text) for name, text in _environment()]),
        _section("EXIT STATUS", [_item(f".B {code}", text) for code, text in _codes()]),
        _section("EXAMPLES", ["\n.PP\n".join(_example(*each) for each in EXAMPLES.items())]),
        _section("SEE ALSO", [".BR netwatchd.ini (5),\n.BR journalctl (1),\n.BR systemctl (1),\n.BR sqlite3 (1)"]),
    ]
    return "\n".join(parts) + "\n"


def settings() -> str:
    """The page netwatchd.ini(5)."""
    parts = [
        _head("NETWATCHD.INI", 5, f"netwatchd {__version__}", "File Formats"),
        _section("NAME", [_text("netwatchd.ini - /etc/netwatchd/config.ini, the settings of netwatchd")]),
        _section("DESCRIPTION", [_paragraphs(OF_SETTINGS)]),
    ]
    for name, section in config.sections().items():
        kind: Any = section.default_factory
        items = []
        for key, field in config.settings_of(kind).items():
            default = field.metadata["default"]
            more = f" Default: {default}." if default else ""
            more += " Changed by a reload." if key in reloadable(name) else ""
            items.append(_item(f".B {_text(key)}", field.metadata["meaning"] + more))
        about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        parts.append(_section(f"[{name}]", [_text(about), *items]))
    parts.append(_section("SEE ALSO", [".BR netwatchd (1)"]))
    return "\n".join(parts) + "\n"


def _head(title: str, number: int, source: str, manual: str) -> str:
    # Packages that are to be the same whenever they are built say the time of their source.
    made = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    date = time.strftime("%Y-%m-%d", made)
    return f'.\\" made by netwatchd.cli.manual\n.TH {title} {number} {date} "{source}" "{manual}"\n.nh\n.ad l'


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f'.SH "{_text(title)}"', *lines])


def _synopsis(verb: Verb) -> Iterable[str]:
    flags = " ".join("[" + "|".join(each.flags) + (f" {each.metavar}" if each.metavar else "") + "]"
                     for each in verb.flags if "--help" not in each.flags)  # fmt: skip
    yield f".HP\n.B netwatchd {_text(verb.name)}\n{_text(' '.join(filter(None, (flags, *map(_place, verb.places)))))}"


def _place(word: Word) -> str:
    forms = {"?": f"[{word.metavar}]", "*": f"[{word.metavar} ...]", "+": f"{word.metavar} ..."}
    return forms.get(word.nargs or "", word.metavar)


def _verb(verb: Verb) -> Iterable[str]:
    yield f'.SS "netwatchd {_text(verb.name)}"\n{_text(_sentence(verb.help))}'
    for place in verb.places:
        yield _item(f".I {_text(place.metavar)}", _about(place))
    for flag in verb.flags:
        if "--help" not in flag.flags:
            names = ", ".join(f"\\fB{_text(each)}\\fR" for each in flag.flags)
            value = f" \\fI{_text(flag.metavar)}\\fR" if flag.metavar else ""
            yield _item(names + (value if flag.nargs != "?" else f" [{value.strip()}]"), _about(flag))


def _about(word: Word) -> str:
    words = f" One of: {', '.join(word.words)}." if word.words and len(word.words) <= 30 else ""
    return (_sentence(word.help) if word.help else "") + words


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _item(tag: str, text: str) -> str:
    return f".TP\n{tag}\n{_text(text)}"


def _example(line: str, text: str) -> str:
    return f"{_text(text)}\n.PP\n.nf\n.RS\n{_text(line)}\n.RE\n.fi"


def _paragraphs(text: str) -> str:
    return "\n.PP\n".join(_text(" ".join(part.split())) for part in text.split("|"))


def _environment() -> list[tuple[str, str]]:
    (block,) = re.findall(r"environment:\n(.*?)\n\n", EPILOG, re.DOTALL)
    return re.findall(r"^  (\w+) +(.*)$", block, re.MULTILINE)


def _codes() -> list[tuple[str, str]]:
    (line,) = re.findall(r"exit codes: (.*)", EPILOG)
    return re.findall(r"(\d+) ([^,]+)", line)


def _text(text: str) -> str:
    """Text without what groff would take for its own."""
    safe = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    )
    return re.sub(r"^\.", "\\\\&.", safe, flags=re.MULTILINE).replace("~", "\\(ti").replace("^", "\\(ha")


if __name__ == "__main__":
    print({"1": command, "5": settings}[sys.argv[1]](), end="")
