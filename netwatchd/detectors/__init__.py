"""What is worth knowing in what happens. A detector is shown events, `see(event)`, and returns what it finds.

Detectors are pure: no clock, no thread, no outside. The time comes with the event, and what they remember is bounded.
"""

from netwatchd.events import TakenBack, Threat

Finding = Threat | TakenBack
