"""The channels that are configured."""

from netwatchd.alerts import Channel
from netwatchd.alerts.box import Rules
from netwatchd.config import Alerts, Config

# A channel, its section of the configuration ([alert:NAME]), its file and its counters share one word.
NAMES = ("ntfy", "webhook", "email", "command")


def configured(settings: Config) -> dict[str, Channel]:
    """Those that have what they need, by name.

    Each is loaded when it is needed: SMTP, HTTP and MIME take two megabytes, and most daemons alert nobody.
    """
    channels: dict[str, Channel] = {}
    if settings.ntfy.url:
        from netwatchd.alerts.ntfy import Ntfy

        channels["ntfy"] = Ntfy(settings.ntfy)
    if settings.webhook.url:
        from netwatchd.alerts.webhook import Webhook

        channels["webhook"] = Webhook(settings.webhook)
    if settings.email.host:
        from netwatchd.alerts.email import Email

        channels["email"] = Email(settings.email)
    if settings.command.command:
        from netwatchd.alerts.command import Command

        channels["command"] = Command(settings.command)
    return channels


def rules_of(channel: Channel, settings: Alerts) -> Rules:
    """What the user wants of a channel."""
    return Rules(channel.severity or settings.severity, settings.quiet_hours, settings.quiet_severity, settings.budget)
