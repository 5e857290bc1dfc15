"""The sections of config.ini that are about alerts: [alerts], and [alert:CHANNEL] for each way that they may go."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netwatchd.config.setting import setting
from netwatchd.values import (
    Hours,
    Url,
    host_name,
    hours,
    mail_address,
    mail_addresses,
    one_of,
    optional_path,
    optional_url,
    positive_duration,
    program,
    whole,
)

SEVERITIES = ("info", "low", "medium", "high", "critical")
LEAST_SECRET = 16  # characters: a key that is shorter is guessed from one signed message
_OWN = "The least severity that is sent here: info, low, medium, high or critical. Empty: that of [alerts]."
_CA = "PEM file with the certificates that are trusted. Empty: those of the system."
_LONGEST_COMMAND = 300.0


def _secret_file(key: str) -> str:
    return f"File with the {key}, instead of writing it here. A name alone: a credential of systemd (LoadCredential=)."


def _time_limit(text: str) -> float:
    seconds = positive_duration(text)
    if seconds > _LONGEST_COMMAND:
        raise ValueError(f"{text!r:.60} should be at most 5 min")
    return seconds


@dataclass(frozen=True)
class Alerts:
    """Threats that are told beyond this machine, by every channel that is configured below (docs/ALERTS.md)."""

    severity: str = setting(one_of(*SEVERITIES), "medium", "The least severity that is sent.")
    quiet_hours: Hours | None = setting(
        hours, "", "Local time, such as 22:00-07:00, in which less severe ones wait; one digest follows. Empty: none."
    )
    quiet_severity: str = setting(one_of(*SEVERITIES), "high", "The least severity that is sent in quiet hours, too.")
    budget: int = setting(
        whole(1, 1000), "10", "Alerts that a channel is sent in an hour; one digest tells what was held back."
    )


@dataclass(frozen=True)
class AlertNtfy:
    """Alerts to phones by ntfy: ntfy.sh, or a server of your own."""

    url: Url | None = setting(optional_url, "", "The topic, such as https://ntfy.sh/TOPIC. Empty: off.")
    severity: str = setting(one_of("", *SEVERITIES), "", _OWN)
    token: str = setting(str, "", "Access token, where the topic needs one.")
    token_file: Path | None = setting(optional_path, "", _secret_file("token"))
    click: Url | None = setting(optional_url, "", "The page that a tap on the notification opens. Empty: none.")
    ca_file: Path | None = setting(optional_path, "", _CA)


@dataclass(frozen=True)
class AlertWebhook:
    """Alerts as JSON, sent by HTTP POST and signed (docs/ALERTS.md has the recipe for checking the signature)."""

    url: Url | None = setting(optional_url, "", "Where it is sent. Empty: off.")
    severity: str = setting(one_of("", *SEVERITIES), "", _OWN)
    secret: str = setting(str, "", f"Key of the signature, {LEAST_SECRET} characters or more. Empty: not signed.")
    secret_file: Path | None = setting(optional_path, "", _secret_file("secret"))
    ca_file: Path | None = setting(optional_path, "", _CA)


@dataclass(frozen=True)
class AlertEmail:
    """Alerts by e-mail, through a mail server."""

    host: str = setting(host_name, "", "The mail server that takes them (SMTP). Empty: off.")
    port: int = setting(whole(1, 65535), "587", "Its port: 587 for starttls, 465 for tls, 25 for none.")
    security: str = setting(
        one_of("starttls", "tls", "none"),
        "starttls",
        "starttls: TLS is begun, or nothing is sent. tls: TLS from the start. none: plain text.",
    )
    user: str = setting(str, "", "User at the mail server. Empty: without.")
    password: str = setting(str, "", "The user's password.")
    password_file: Path | None = setting(optional_path, "", _secret_file("password"))
    sender: str = setting(mail_address, "", "The address that they come from.")
    to: tuple[str, ...] = setting(mail_addresses, "", "The addresses that they go to.")
    severity: str = setting(one_of("", *SEVERITIES), "", _OWN)
    ca_file: Path | None = setting(optional_path, "", _CA)


@dataclass(frozen=True)
class AlertCommand:
    """A program that is run for each alert: JSON on its standard input, the main fields in its environment."""

    command: tuple[str, ...] = setting(
        program, "", "Its path, and arguments, quoted as in a shell; no shell is used. Empty: off."
    )
    timeout: float = setting(_time_limit, "30 s", "How long it may run before it is killed with all that it started.")
    severity: str = setting(one_of("", *SEVERITIES), "", _OWN)


def contradictions(ntfy: AlertNtfy, webhook: AlertWebhook, email: AlertEmail) -> Iterator[tuple[str, str, str]]:
    """Section, key and sentence of what is wrong between settings that are each right by themselves."""
    if ntfy.url is None and (ntfy.token or ntfy.token_file or ntfy.click):
        yield "alert:ntfy", "url", "it is missing, and the other settings here do nothing without it"
    # Topics as ntfy allows them; also below a path, where the server is behind another one.
    if ntfy.url and not _is_topic(ntfy.url.path.rpartition("/")[2]):
        yield "alert:ntfy", "url", "it should end with a topic: 1 to 64 of the characters A-Z a-z 0-9 _ -"
    if ntfy.token and ntfy.token_file:
        yield "alert:ntfy", "token", "there should be either a token or a token_file"
    if webhook.url is None and (webhook.secret or webhook.secret_file):
        yield "alert:webhook", "url", "it is missing, and the other settings here do nothing without it"
    if webhook.secret and webhook.secret_file:
        yield "alert:webhook", "secret", "there should be either a secret or a secret_file"
    if webhook.secret and len(webhook.secret) < LEAST_SECRET:
        yield "alert:webhook", "secret", f"it should be {LEAST_SECRET} characters or more"
    yield from _of_email(email)


def _of_email(email: AlertEmail) -> Iterator[tuple[str, str, str]]:
    has_password = bool(email.password or email.password_file)
    if not email.host:
        if email.to or email.sender or email.user or has_password:
            yield "alert:email", "host", "it is missing, and the other settings here do nothing without it"
        return
    for key in ("sender", "to"):
        if not getattr(email, key):
            yield "alert:email", key, "it is missing, and no mail can be sent without it"
    if email.password and email.password_file:
        yield "alert:email", "password", "there should be either a password or a password_file"
    if bool(email.user) != has_password:
        missing = "password" if email.user else "user"
        yield "alert:email", missing, "a mail server wants both user and password, or neither"
    if has_password and email.security == "none" and not _is_here(email.host):
        yield "alert:email", "security", "a password is sent only by tls or starttls, unless the server is on loopback"


def _is_topic(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
