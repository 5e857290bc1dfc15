"""ntfy: a POST to a topic, with what is shown around the text in headers (docs.ntfy.sh/publish)."""

import base64

from netwatchd.alerts import Message
from netwatchd.alerts.credentials import secret
from netwatchd.alerts.http import TIMEOUT, ByHttp
from netwatchd.alerts.line import Line
from netwatchd.config import AlertNtfy

# From 1, which is hidden, to 5, which sounds through silence.
PRIORITIES = {"info": "2", "low": "2", "medium": "3", "high": "4", "critical": "5"}
# Short names of emojis, which ntfy shows in front of the title.
EMOJIS = {"info": "information_source", "low": "information_source", "medium": "warning", "high": "rotating_light",
          "critical": "rotating_light"}  # fmt: skip
LONGEST = 4000  # bytes of the text: from 4,096 on it would be an attachment


class Ntfy(ByHttp):
    """Sends to a topic."""

    name = "ntfy"

    def __init__(self, settings: AlertNtfy, timeout: float = TIMEOUT) -> None:
        super().__init__(settings, timeout)
        self._settings = settings

    def send(self, message: Message, line: Line) -> None:
        """Sends a message; raises Postponed or Refused."""
        settings = self._settings
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Title": _word(message.title),
            "Priority": PRIORITIES[message.severity],
            "Tags": ",".join([EMOJIS[message.severity], *_tag(message.kind)]),
            # A message with the same one takes the place of the other (ntfy 2.16; older ones do not know it).
            "X-Sequence-ID": message.id[:64],
        }
        if settings.click:
            click = settings.click
            headers["Click"] = f"{'https' if click.secure else 'http'}://{click.place}{click.path}"
        if token := secret(settings.token, settings.token_file):
            headers["Authorization"] = f"Bearer {token}"
        self.post(_cut(message.body), headers, line)


def _cut(text: str) -> bytes:
    """The text, not too long: what is left out stands before the last paragraph, which says how to go on."""
    whole = text.encode(errors="replace")
    if len(whole) <= LONGEST:
        return whole
    last = "…\n\n".encode() + whole.rpartition(b"\n\n")[2][-LONGEST // 2 :]
    return (whole[: LONGEST - len(last)] + last).decode(errors="ignore").encode()


def _word(text: str) -> str:
    """A header may be ASCII only; the rest is an encoded word (RFC 2047), which ntfy reads."""
    if text.isascii():
        return text
    return f"=?UTF-8?B?{base64.b64encode(text.encode(errors='replace')).decode()}?="


def _tag(kind: str) -> list[str]:
    tag = "".join(letter for letter in kind if letter.isascii() and (letter.isalnum() or letter in "_-"))
    return [tag[:60]] if tag else []
