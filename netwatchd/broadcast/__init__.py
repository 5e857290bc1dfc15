"""The way out: every event to every WebSocket client that listens, and no client may delay another.

`broadcaster` is the thread: it numbers the messages, remembers the latest in a `ring` for those who come back, and
hands them to each client's `outbox`. What a client's socket does not take at once waits in the `backlog`, with the
deadlines of `patience`. `server` accepts, and a `connection` is one client's thread: `http` and `access` for its
request, `commands` for what it asks. `messages` writes the JSON; `transport` and `tls` are the two kinds of socket.
"""
