"""netwatchd notices the devices, flows and threats of a network, keeps them and tells whoever listens.

The way of one event, a stage a sentence:

1. `sources/` receives: a netlink message, a line on a socket. `decoders/` makes events of the bytes.
2. `ingest` takes the events in batches, a worker thread a kind, puts flows down to devices, and asks `detectors/`.
3. `storage/` keeps them: one connection to SQLite, what was received in an interval in one commit.
4. `broadcast/` pushes them, as they happen, to whoever listens by WebSocket.
5. `alerts/` tells people of threats, beyond this machine: by ntfy, webhook, e-mail, or a command.
6. `metrics/` tells Prometheus what all of them have counted, when it asks.

`daemon` builds the parts and is the only one to know them all; `replay` puts what was recorded through the same stages;
`cli` holds the verbs.
"""

__version__ = "0.5.0"
