"""One attempt to send a message, in a thread of its own.

Looking up a name may hang for as long as the system's resolver likes, and nothing can end that. So that nobody waits
for it, neither another channel nor the end of the daemon, whoever made an attempt only looks whether it is over.
"""

import logging
import threading
import time
from collections.abc import Callable

from netwatchd.alerts import Channel, Message, Postponed, Refused
from netwatchd.alerts.line import Line

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds after which the line is cut: a server may take its time, but not an hour in drops
GRACE = 5.0  # seconds


class Attempt:
    """Is begun when it is made."""

    def __init__(self, channel: Channel, message: Message, on_end: Callable[[], None]) -> None:
        """`on_end` is called by the attempt's thread when it is over."""
        self.failure: Postponed | Refused | None = None  # what came of it, once it is over
        self.over = threading.Event()
        self._line = Line()
        self._on_end = on_end
        self._deadline = time.monotonic() + max(PATIENCE, getattr(channel, "patience", 0.0) + 5)
        thread = threading.Thread(target=self._run, args=(channel, message), name=f"alert:{channel.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread is to be had now, such as beyond the unit's TasksMax=
            self.failure = Postponed(f"{error}, which it would need")
            self.over.set()

    def look(self) -> None:
        """Cuts the line, where it takes too long."""
        if time.monotonic() > self._deadline:
            self.cut()

    @property
    def is_stuck(self) -> bool:
        """Whether it goes on though its line was cut a while ago, as a name server that is silent may make it."""
        return not self.over.is_set() and time.monotonic() > self._deadline + GRACE

    def cut(self) -> None:
        """Ends it, if anything can."""
        self._line.cut()

    def _run(self, channel: Channel, message: Message) -> None:
        try:
            channel.send(message, self._line)
        except (Postponed, Refused) as error:
            self.failure = error
        except Exception as error:
            # All that can happen out there is one of the two above: each channel names what it catches. What comes here
            # is a mistake of ours, brought about by some text of a threat perhaps, which is the network's. It must not
            # end the daemon, as a thread's last frame does elsewhere: who finds such a text would end detection by it.
            # Nor may it be tried again for ever. It is said here, whole; who looks at the attempt counts it.
            mistake = {"repeat": f"alerts.mistake.{channel.name}", "event": "alert"}
            log.exception("sending an alert by %s failed, and it is given up", channel.name, extra=mistake)
            self.failure = Refused(f"{type(error).__name__}, which is a mistake in netwatchd")
            self.failure.__cause__ = error
        finally:
            self.over.set()
            self._on_end()
