"""What is asked of the databases, and answered as JSON: by the command line, and over HTTP by the page.

    find            which device is meant
    devices         those that are known; everything about one (`portrait`)
    flows, threats  the newest, and the worst
    top             who moved most
    moments         times as people write them

Each answer is made of a connection of its own that cannot write. Who asks may be another process than the daemon, or a
thread of a client's in it; neither waits for a writer.
"""


class NotFound(LookupError):
    """What is asked for is not there, in a sentence that says what there is."""


class Misasked(ValueError):
    """What is asked for cannot be meant, in a sentence that says what would be right."""
