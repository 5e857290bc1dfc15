"""Traffic by device in buckets of ten minutes: added up in memory, written once a bucket.

What a crash left unwritten is added up again from the flows (`queries.unwritten_rollups`): `rolled` in meta is the
newest flow that a written bucket holds.
"""

from netwatchd.storage.batch import Batch

BUCKET_MS = 600_000
Traffic = dict[str, list[int]]  # device ('' for none known) -> [bytes in, bytes out, flows]


def bucket_of(now: int) -> int:
    """The millisecond in which the bucket of `now` (Unix ms) began."""
    return now // BUCKET_MS * BUCKET_MS


class Rollups:
    """The bucket that is being filled."""

    def __init__(self) -> None:
        self._bucket = 0
        self._traffic: Traffic = {}
        self._last_id = 0

    def add(self, now: int, traffic: Traffic, last_id: int) -> Batch | None:
        """Adds traffic at `now` (Unix ms), of flows up to `last_id`; returns the bucket that ended before, if one did.

        A clock that is set back opens an old bucket again, whose row then keeps the larger sums.
        """
        ended = self.written() if bucket_of(now) != self._bucket else None
        if bucket_of(now) != self._bucket:
            self._bucket, self._traffic = bucket_of(now), {}
        self._last_id = max(last_id, self._last_id)
        for device, counts in traffic.items():
            sums = self._traffic.setdefault(device, [0, 0, 0])
            for at, count in enumerate(counts):
                sums[at] += count
        return ended

    def written(self) -> Batch | None:
        """The bucket as it stands, to be written; it goes on being filled."""
        if not self._traffic:
            return None
        rows = {(self._bucket, device): (c[0], c[1], c[2]) for device, c in self._traffic.items()}
        return Batch(rollups=rows, meta={"rolled": str(self._last_id)})
