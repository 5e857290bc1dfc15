"""Keeps devices, threats and roll-ups in core.db, and flows in one file a day, gently and honestly.

A batch is forgotten only after its COMMIT returned. Whatever is written is absolute (a whole row under its key, never
"add 5"), so that writing it twice, after a failure in doubt or from the spool, changes nothing. What cannot be said so
(sums, and what is done to rows that only the database knows) has a token that tells that it was done.
"""
