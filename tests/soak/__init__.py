"""A soak: the daemon as a process, under everything at once, and the ledger that must balance afterwards.

    python -m soak --minutes 60

Producers at full speed, readers, clients of every temper, retention, locks, reloads and a full disk, all at once;
`ledger` then compares what was sent with what is in the files, and `figures` says whether anything grew.
"""
