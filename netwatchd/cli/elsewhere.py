"""Where the daemon is that a verb talks to: the one of the configuration, or one that a URL names."""

import argparse
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from netwatchd import config
from netwatchd.cli.answer import Misused, Trouble, Unanswered
from netwatchd.cli.reach import Place, reached

TOKEN = "NETWATCHD_TOKEN"  # noqa: S105 - the name of a variable
LONGEST_TOKEN = 4096  # characters of a file that could be one
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


def place(options: argparse.Namespace) -> Place:
    """Where `--url` says, else where the configuration does; raises Trouble, and ConfigError.

    The token is that of `--token-file`, of $NETWATCHD_TOKEN, or of the configuration, whichever is there first. It is
    no flag: what stands in a command line can be read by everybody on the machine.
    """
    token = _read(options.token_file) if options.token_file else os.environ.get(TOKEN, "")
    if options.url:
        return _named(options.url, _shown(token), options.certificate)
    here = reached(config.load(options.config).websocket)
    return here._replace(token=_shown(token or here.token))


def _named(url: str, token: str, certificate: str | None) -> Place:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misused(f"{url!r:.80} is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Misused(f"{url!r:.80} should be like ws://pi.lan:8765, or wss:// where TLS is spoken")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misused(f"a URL here has a host, a port and a path; for the token there is --token-file, or ${TOKEN}")
    path = parts.path if parts.path not in ("", "/") else "/ws"
    safe = parts.scheme in ("wss", "https")
    tls = _context(certificate) if safe else None
    return Place(parts.hostname, port or _PORTS[parts.scheme], token, tls, path)


def _context(certificate: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=certificate)
    except OSError as error:  # ssl.SSLError is one, too
        raise Unanswered(f"cannot read the certificate {certificate}: {error}") from error
    # One that is named is trusted by itself, whatever name it was made for: as that of the configuration is.
    context.check_hostname = certificate is None
    return context


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            token = file.read(LONGEST_TOKEN).strip()
    except OSError as error:
        raise Trouble(f"cannot read the token file {path}: {error.strerror or error}") from error
    if not token:
        raise Trouble(f"the token file {path} is empty")
    return token


def _shown(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise Trouble("the token should be one line of ASCII: it is sent in a header of HTTP")
    return token
