"""config.ini as a file: found, read, and every mistake in it reported at once with section, key and line."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwatchd.config import alerts
from netwatchd.config.sections import Config, sections, settings_of

DEFAULT_PATH = Path("/etc/netwatchd/config.ini")


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in config.ini; `line` is 0 where no line is to blame."""

    section: str
    key: str
    line: int
    text: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        name = f"[{self.section}] {self.key}".rstrip() + ": " if self.section or self.key else ""
        return f"{where}{name}{self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `mistakes` says all that is wrong with it."""

    def __init__(self, path: Path | None, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(f"{path or 'configuration'}: {mistake}" for mistake in mistakes))
        self.mistakes = mistakes


def search_path(given: str | None) -> tuple[Path, bool]:
    """Where config.ini is looked for, and whether it must be there: --config, $NETWATCHD_CONFIG, /etc."""
    named = given or os.environ.get("NETWATCHD_CONFIG")
    return (Path(named), True) if named else (DEFAULT_PATH, False)


def load(given: str | None = None) -> Config:
    """The configuration of the file that `search_path` finds; the defaults where none need be there.

    Raises ConfigError with every mistake in the file.
    """
    path, required = search_path(given)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if not required:
            return Config()
        raise ConfigError(path, [Mistake("", "", 0, "there is no such file")]) from None
    except PermissionError as error:
        help_text = "try as root, or in the group netwatchd"
        raise ConfigError(path, [Mistake("", "", 0, f"it cannot be read: permission denied ({help_text})")]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, [Mistake("", "", 0, f"it cannot be read: {error}")]) from error
    return parse(text, path)


def parse(text: str, path: Path | None = None) -> Config:
    """The configuration that the text of a config.ini writes; raises ConfigError with every mistake in it."""
    mistakes: list[Mistake] = []
    lines: dict[tuple[str, str], int] = {}
    values: dict[str, dict[str, Any]] = {}
    for section, key, line, raw in _entries(text, mistakes):
        known = settings_of(_kind(section))
        if key not in known:
            mistakes.append(Mistake(section, key, line, f"there is no such key here; there are {', '.join(known)}"))
            continue
        how, read = known[key].metadata, values.setdefault(section, {})
        if (section, key) in lines and not how["repeats"]:
            mistakes.append(Mistake(section, key, line, f"it is set already in line {lines[section, key]}"))
            continue
        lines[section, key] = line
        try:
            read[key] = read[key] + how["read"](raw) if key in read and how["repeats"] else how["read"](raw)
        except ValueError as error:
            mistakes.append(Mistake(section, key, line, str(error)))
    made = {f.name: _kind(name)(**values.get(name, {})) for name, f in sections().items()} if not mistakes else {}
    config = Config(path=path, **made)
    mistakes += _contradictions(config, lines) if not mistakes else []
    if mistakes:
        raise ConfigError(path, sorted(mistakes, key=lambda mistake: mistake.line))
    return config


def _kind(section: str) -> Any:
    return sections()[section].default_factory


def _entries(text: str, mistakes: list[Mistake]) -> list[tuple[str, str, int, str]]:
    """(section, key, line, value) of each entry in known sections; what is no entry becomes a mistake."""
    entries: list[tuple[str, str, int, str]] = []
    section: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if header := re.fullmatch(r"\[(.*)\]", stripped):
            section = header[1].strip()
            if section not in sections():
                known = ", ".join(sections())
                mistakes.append(Mistake(section, "", number, f"there is no such section; there are {known}"))
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            mistakes.append(Mistake(section or "", "", number, f"{stripped!r:.60} should be 'key = value'"))
        elif section is None:
            mistakes.append(Mistake("", key.strip(), number, "it stands before the first [section]"))
        elif section in sections():
            entries.append((section, key.strip(), number, value.strip()))
    return entries


LOOPBACK = re.compile(r"localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1")


def _contradictions(config: Config, lines: dict[tuple[str, str], int]) -> list[Mistake]:
    """What is wrong between settings that are each right by themselves."""
    found = []

    def mistake(section: str, key: str, text: str) -> None:
        found.append(Mistake(section, key, lines.get((section, key), 0), text))

    websocket = config.websocket
    if not LOOPBACK.fullmatch(websocket.host) and not websocket.token:
        mistake(
            "websocket",
            "host",
            f"listening on {websocket.host!r} lets others in; set a token in [websocket], or listen on 127.0.0.1",
        )
    if websocket.token and not re.fullmatch(r"[A-Za-z0-9._~-]{8,}", websocket.token):
        mistake("websocket", "token", "it should be 8 or more of the characters A-Z a-z 0-9 . _ ~ -")
    if bool(websocket.tls_certificate) != bool(websocket.tls_key):
        missing = "tls_key" if websocket.tls_certificate else "tls_certificate"
        mistake("websocket", missing, "TLS needs both tls_certificate and tls_key")
    for section, key, text in alerts.contradictions(config.ntfy, config.webhook, config.email):
        mistake(section, key, text)
    for key, text in config.blocklists.contradictions():
        mistake("blocklists", key, text)
    return found
