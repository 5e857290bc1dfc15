"""The channels that are configured."""

from netwatchd.alerts import Channel
from netwatchd.alerts.box import Rules
from netwatchd.alerts.command import Command
from netwatchd.alerts.email import Email
from netwatchd.alerts.ntfy import Ntfy
from netwatchd.alerts.webhook import Webhook
from netwatchd.config import Alerts, Config

# A channel, its section of the configuration ([alert:NAME]), its file and its counters share one word.
NAMES = ("ntfy", "webhook", "email", "command")


def configured(settings: Config) -> dict[str, Channel]:
    """Those that have what they need, by name."""
    channels: dict[str, Channel] = {}
    if settings.ntfy.url:
        channels["ntfy"] = Ntfy(settings.ntfy)
    if settings.webhook.url:
        channels["webhook"] = Webhook(settings.webhook)
    if settings.email.host:
        channels["email"] = Email(settings.email)
    if settings.command.command:
        channels["command"] = Command(settings.command)
    return channels


def rules_of(channel: Channel, settings: Alerts) -> Rules:
    """What the user wants of a channel."""
    return Rules(channel.severity or settings.severity, settings.quiet_hours, settings.quiet_severity, settings.budget)
