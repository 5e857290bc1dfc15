"""Secrets: written in config.ini, or in a file of their own. They are read when they are needed, and never said."""

import os
from pathlib import Path

from netwatchd.alerts import Postponed

LONGEST = 4096  # bytes


def secret(text: str, file: Path | None) -> str:
    """The secret that stands in the setting, or in the file; raises Postponed where that cannot be read.

    A path that is not absolute names a credential of systemd (systemd.exec(5), LoadCredential=).
    """
    if file is None:
        return text
    path = file if file.is_absolute() else Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / file
    try:
        with path.open("rb") as opened:
            found = opened.read(LONGEST).decode().strip()
    except OSError as error:
        raise Postponed(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Postponed(f"{path} holds no text") from None
    if not found:
        raise Postponed(f"{path} is empty")
    return found
