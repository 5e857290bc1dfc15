"""The command line: its verbs, their flags, and the exit codes."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from netwatchd import __version__
from netwatchd.addresses import parse_mac
from netwatchd.broadcast.commands import LONGEST_NAME
from netwatchd.cli import run
from netwatchd.cli.moments import moment
from netwatchd.events import SEVERITIES
from netwatchd.values import positive_duration

EPILOG = """
environment:
  NETWATCHD_CONFIG   the configuration file, where --config does not say it (else /etc/netwatchd/config.ini)
  STATE_DIRECTORY    where the databases lie (else /var/lib/netwatchd)
  RUNTIME_DIRECTORY  where sockets and the pid file lie (else /run/netwatchd)
  NETWATCHD_TOKEN    what `watch` shows to another machine's daemon, where --token-file does not say it
  NO_COLOR           set to anything: no colours

exit codes: 0 fine, 1 failed, 2 usage, 69 no daemon or database, 78 a mistake in config.ini, 130 stopped by Ctrl-C
"""

CHANNELS = ("ntfy", "webhook", "email", "command")
# Shells; and what their scripts ask for while somebody types.
SHELLS = ("bash", "zsh", "fish", "devices", "threats")
FORMATS = ("packets", "netflow", "zeek", "eve", "nfdump", "argus")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a verb and exits with its code."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter must not stop the table
    try:
        code = options.verb(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130  # as a shell says of a process that SIGINT ended
    except BrokenPipeError:
        # The reader of our output, such as `head`, has had enough; what is left to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    sys.exit(code)


def parser() -> argparse.ArgumentParser:
    """All verbs and flags: what is completed, and told in the manual, is made of them, too."""
    parser = argparse.ArgumentParser(
        prog="netwatchd",
        description="Notices the devices, flows and threats of a network, keeps them, and tells whoever listens.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"netwatchd {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    verb = _verb(verbs, "run", run.run, "run in the foreground")
    verb.add_argument("--daemon", action="store_true", help="detach, with a pid file (for systems without systemd)")
    _verb(verbs, "check-config", run.check_config, "name every mistake in config.ini")

    verb = _verb(verbs, "status", _later("look", "status"), "what runs, what came in, what was stored and dropped")
    _json(verb)
    verb = _verb(
        verbs, "doctor", _later("doctor", "doctor"), "what works and what does not, and which threats can be seen"
    )
    verb.add_argument("--limits", action="store_true", help="also what of these threats is not seen even so")
    _json(verb)
    _devices(verbs)
    _flows(verbs)
    _threats(verbs)
    verb = _verb(verbs, "top", _later("look", "top"), "who moved most bytes")
    verb.add_argument("by", nargs="?", choices=("device", "destination", "port"), default="device")
    verb.add_argument("--since", type=moment, default=moment("24 h"), metavar="TIME", help="since when (24 h)")
    verb.add_argument("--limit", type=_count, metavar="N", help="how many (10; 0: all)")
    verb.add_argument("--live", action="store_true", help="keep it on the screen, with what is moved now; q ends it")
    verb.add_argument(
        "--interval", type=_interval, default=5.0, metavar="TIME", help="how often that is done anew (5 s)"
    )
    _state(verb)
    _json(verb)

    _watch(verbs)

    _lists(verbs)
    verb = _verb(
        verbs, "replay", _later("replay", "replay"), "read captures and logs of the past, into a directory of their own"
    )
    verb.add_argument("files", nargs="+", metavar="FILE", help="pcap, pcapng, logs, a directory of Zeek's; gzip; -")
    verb.add_argument("--into", metavar="DIR", help="an empty or new directory, or one that no daemon uses (a new one)")
    verb.add_argument(
        "--as", dest="format", choices=FORMATS, help="what the files hold, where that is not told by their content"
    )
    verb.add_argument("--quiet", action="store_true", help="without a progress bar")
    _json(verb)

    verb = _verb(
        verbs, "alert-test", _later("alert_test", "alert_test"), "send a test by the configured channels of alerts, now"
    )
    verb.add_argument("channel", nargs="?", choices=CHANNELS, help="only by this one")
    _completion(verbs)
    return parser


def _devices(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verbs that are about devices."""
    verb = _verb(verbs, "devices", _later("devices", "devices"), "the devices that are known")
    _filters(verb, since="seen since", limit=None)
    verb.add_argument("--online", action="store_true", help="only those that are here now")
    verb.add_argument("--kind", metavar="KIND", help="only those of a kind: phone, printer, ..., unknown")
    verb.add_argument(
        "--new", nargs="?", type=moment, const=moment("24 h"), metavar="TIME",
        help="only those that were never seen before this time (24 h)",
    )  # fmt: skip

    verb = _verb(verbs, "device", _later("devices", "device"), "everything that is known of one device")
    verb.add_argument("device", metavar="DEVICE", help="its MAC, address or name")
    verb.add_argument("--since", type=moment, default=moment("7 d"), metavar="TIME", help="how far back to look (7 d)")
    verb.add_argument("--limit", type=_count, default=10, metavar="N", help="how many peers (10; 0: all)")
    _state(verb)
    _json(verb)

    verb = _verb(verbs, "name", _later("act", "name"), "give a device a name")
    verb.add_argument("device", metavar="DEVICE", help="its MAC, address or name")
    verb.add_argument("name", nargs="?", type=_name, metavar="NAME", help="what you call it")
    verb.add_argument("--remove", action="store_true", help="take your name away")
    _json(verb)
    verb = _verb(verbs, "forget", _later("act", "forget"), "keep nothing of a device; seen again, it is new")
    verb.add_argument("device", metavar="DEVICE", help="its MAC, address or name")
    verb.add_argument("--yes", action="store_true", help="do not ask")
    _json(verb)
    verb = _verb(verbs, "merge", _later("act", "merge"), "tell that a device is another one that is known already")
    verb.add_argument("device", metavar="DEVICE", help="the one that is no device of its own")
    verb.add_argument("into", metavar="INTO", help="the one that it is")
    _json(verb)
    verb = _verb(
        verbs, "split", _later("act", "split"), "tell that a MAC which was merged into a device is one of its own"
    )
    verb.add_argument("device", metavar="DEVICE", help="its MAC, address or name")
    verb.add_argument("mac", nargs="?", type=_mac, metavar="MAC", help="the MAC (the only one that was merged)")
    _json(verb)


def _flows(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verb that looks at flows."""
    verb = _verb(verbs, "flows", _later("look", "flows"), "the newest conversations")
    _filters(verb, since="first seen since", limit=50)
    verb.add_argument("--until", type=moment, metavar="TIME", help="only those first seen until then")
    verb.add_argument("--before", type=_id, metavar="ID", help="only those with lower ids: those before that one")
    verb.add_argument("--peer", metavar="WHO", help="only those with an address, a network or a device")
    verb.add_argument("--port", metavar="PORT", help="only those with a port: 443, tcp/443")
    verb.add_argument("--protocol", metavar="NAME", help="only those of a protocol: tcp, udp, icmp, ..., or its number")
    verb.add_argument("--status", metavar="STATE", help="only those in a state, or in several: new,active")
    verb.add_argument(
        "--text", metavar="WORDS", help="only those with all of these: parts of addresses and names, ports, protocols"
    )


def _threats(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verbs that are about threats."""
    verb = _verb(verbs, "threats", _later("threats", "threats"), "what was recognised: the worst first")
    _filters(verb, since="seen since", limit=50)
    verb.add_argument(
        "--status", choices=("open", "acknowledged", "dismissed", "all"), help="only those (all but dismissed ones)"
    )
    verb.add_argument("--all", action="store_true", help="also those that were dismissed: --status all")
    verb.add_argument("--kind", metavar="KIND", help="only those of a kind: port_scan, beacon, ...")
    verb.add_argument("--severity", choices=SEVERITIES, help="only those, and what is worse")
    verb.add_argument(
        "--text", metavar="WORDS", help="only those that say all of these words, or are about who is called so"
    )
    verb = _verb(verbs, "threat", _later("threats", "threat"), "everything that is known of one threat")
    verb.add_argument("id", type=_count, metavar="ID", help="its number, as `netwatchd threats` shows it")
    _state(verb)
    _json(verb)
    for name, help_text in (
        ("acknowledge", "note that you know of threats: they are told no more"),
        ("dismiss", "put threats away: they are none, or do not matter"),
        ("reopen", "have threats be open that were acknowledged or dismissed"),
    ):
        verb = _verb(verbs, name, _later("judge", name), help_text)
        verb.add_argument("ids", nargs="*", type=_count, metavar="ID", help="their numbers")
        if name != "reopen":
            verb.add_argument("--kind", metavar="KIND", help="all open ones of a kind")
            verb.add_argument("--device", metavar="DEVICE", help="all open ones that are about a device")
        _json(verb)


def _lists(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verbs that are about blocklists."""
    verb = _verb(verbs, "lists", _later("lists", "lists"), "the blocklists: their entries, their age, what went wrong")
    verb.add_argument("--update", action="store_true", help="have the daemon fetch them now")
    _state(verb)
    _json(verb)
    verb = _verb(verbs, "lookup", _later("lists", "lookup"), "which blocklists have an address or a name")
    verb.add_argument("what", metavar="WHAT", help="an address, or a name of DNS")
    _state(verb)
    _json(verb)


def _watch(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verb that follows the stream."""
    verb = _verb(verbs, "watch", _later("watch", "watch"), "what happens, as it happens, until Ctrl-C")
    verb.add_argument("--topics", metavar="TOPICS", help="devices, threats, flows, stats: some of them, with commas")
    verb.add_argument("--device", metavar="DEVICE", help="only what is about a device, by MAC, address or name")
    verb.add_argument("--severity", choices=SEVERITIES, help="only threats that are so bad, and what is worse")
    verb.add_argument("--url", metavar="URL", help="another machine's daemon: ws://pi.lan:8765, wss://...")
    verb.add_argument("--token-file", metavar="FILE", help="the file with its token (else $NETWATCHD_TOKEN)")
    verb.add_argument("--certificate", metavar="FILE", help="its certificate (PEM), where no authority signed it")
    _json(verb, "each message in a line, as it came")


def _completion(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The verb that makes shells complete the others."""
    verb = _verb(
        verbs, "completion", _later("completion", "completion"), "what makes a shell complete verbs, flags and devices"
    )
    verb.add_argument("what", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish; their scripts ask for more")
    verb.add_argument("begun", nargs="?", default="", metavar="BEGUN", help="what is typed already, of such a question")
    _state(verb)


def _later(module: str, verb: str) -> Callable[[argparse.Namespace], int]:
    """A verb by its module and name, which is loaded when it is run: the daemon needs neither tables nor queries."""

    def run(options: argparse.Namespace) -> int:
        code: int = getattr(import_module(f"netwatchd.cli.{module}"), verb)(options)
        return code

    return run


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, function: object, help_text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    verb.add_argument("--config", metavar="FILE", help="the configuration file")
    verb.set_defaults(verb=function)
    return verb


def _filters(verb: argparse.ArgumentParser, since: str, limit: int | None) -> None:
    verb.add_argument("--since", type=moment, default=0, metavar="TIME", help=f"only those {since}: 2 h, 2026-11-23")
    shown = "all" if limit is None else f"{limit}; 0: all"
    verb.add_argument("--limit", type=_count, default=limit, metavar="N", help=f"how many ({shown})")
    verb.add_argument("--device", metavar="DEVICE", help="only those of a device, by MAC, address or name")
    _state(verb)
    _json(verb)


def _state(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--state", metavar="DIR", help="where the databases lie, such as those of a replay")


def _json(verb: argparse.ArgumentParser, more: str = "") -> None:
    verb.add_argument("--json", action="store_true", help="for scripts" + (f": {more}" if more else ""))


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r:.60} should be a name of 1 to {LONGEST_NAME} characters")
    return name


def _interval(text: str) -> float:
    try:
        seconds = positive_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r:.60} should be from 1 s to 1 h")
    return seconds


def _mac(text: str) -> str:
    try:
        return parse_mac(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _id(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r:.60} should be the id of a flow")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r:.60} should be a whole number below a thousand million")
    return int(text)
