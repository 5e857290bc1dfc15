"""E-mail by SMTP (RFC 5321): plain text, marked as written by a machine (RFC 3834)."""

import smtplib
import ssl
from collections.abc import Iterable
from contextlib import closing, suppress
from email.message import EmailMessage
from email.utils import formatdate

from netwatchd.alerts import Message, Postponed, Refused
from netwatchd.alerts.credentials import secret
from netwatchd.alerts.http import TIMEOUT, reason_of, trust
from netwatchd.alerts.line import Line
from netwatchd.config import AlertEmail


class Email:
    """Sends through a mail server."""

    name = "email"

    def __init__(self, settings: AlertEmail, timeout: float = TIMEOUT) -> None:
        """`timeout`: seconds that connecting, and each further step, may take."""
        self._settings = settings
        self._timeout = timeout
        self.severity = settings.severity

    @property
    def place(self) -> str:
        """The mail server, and who is written to."""
        return f"{', '.join(self._settings.to)} by {self._settings.host}"

    def send(self, message: Message, line: Line) -> None:
        """Sends a message; raises Postponed or Refused."""
        host = self._settings.host
        try:
            self._send(message, line)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _judged(host, codes, "no recipient is accepted", error.recipients.values()) from None
        except smtplib.SMTPResponseException as error:
            what = "the user or the password is wrong" if isinstance(error, smtplib.SMTPAuthenticationError) else ""
            raise _judged(host, [error.smtp_code], what, [(error.smtp_code, error.smtp_error)]) from None
        except smtplib.SMTPNotSupportedError as error:
            # No refusal: who cuts STARTTLS out of an answer must not be rid of the message by that.
            raise Postponed(f"{host}: {error}") from None
        except smtplib.SMTPServerDisconnected as error:
            # smtplib says so too where the connection failed, or no answer came in time: that is in its context.
            behind = error.__context__
            why = reason_of(behind, self._timeout) if isinstance(behind, OSError) else "it closed the connection"
            raise Postponed(f"{host}: {why}") from None
        except OSError as error:  # also smtplib's own, such as SMTPHeloError
            raise Postponed(f"{host}: {reason_of(error, self._timeout)}") from None

    def _send(self, message: Message, line: Line) -> None:
        settings = self._settings
        context = trust(settings.ca_file)
        password = secret(settings.password, settings.password_file)
        if not (settings.user + password).isascii():
            raise Refused("user and password should be ASCII, as smtplib sends no other ones")
        with closing(_connected(settings, context, line, self._timeout)) as server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, password)
            server.send_message(_mail(message, settings), settings.sender, settings.to)
            with suppress(OSError):  # it has the message; how it says goodbye is its own business
                server.quit()


def _connected(settings: AlertEmail, context: ssl.SSLContext, line: Line, timeout: float) -> smtplib.SMTP:
    """The server, once it has greeted; a line that is cut ends also a greeting that comes in drops."""

    class Held(smtplib.SMTP):
        def getreply(self) -> tuple[int, bytes]:
            line.holds_connection(self)
            return super().getreply()

    class HeldByTls(Held, smtplib.SMTP_SSL):
        pass

    host, port = settings.host, settings.port
    # Who greets with its own name asks DNS for it, which may take long where there is none.
    name = "localhost"
    if settings.security == "tls":
        return HeldByTls(host, port, name, timeout=timeout, context=context)
    return Held(host, port, name, timeout=timeout)


def _mail(message: Message, settings: AlertEmail) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = formatdate(localtime=True)
    # The same whenever it is sent again: mail servers and clients drop what they have already.
    mail["Message-ID"] = f"<{message.id}.{_domain(message)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(f"{message.body}\n\n-- \nnetwatchd on {message.json['host']}\n", cte="quoted-printable")
    return mail


def _domain(message: Message) -> str:
    host = "".join(
        letter for letter in message.json["host"] if letter.isascii() and (letter.isalnum() or letter in "-.")
    )
    return f"netwatchd@{host.strip('.') or 'localhost'}"


def _judged(host: str, codes: Iterable[int], what: str, said: Iterable[tuple[int, bytes | str]]) -> Exception:
    """Postponed where one of the codes says that it may pass (4yz, RFC 5321 section 4.2.1), else Refused."""
    words = " ".join(f"{code} {_text(answer)}" for code, answer in said)
    why = f"{host}: {what and what + ': '}{words}"
    return Refused(why) if all(500 <= code < 600 for code in codes) else Postponed(why)


def _text(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
