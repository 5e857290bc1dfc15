"""GET /metrics: the samples as text, by prometheus-client, which is an extra and is loaded at the first request.

It is large beside the daemon, and most are never asked. So nothing of it is imported above, nor what makes the samples.
"""

import threading
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from netwatchd.broadcast import offers
from netwatchd.broadcast.http import Refusal
from netwatchd.metrics.asked import Asked
from netwatchd.metrics.names import COUNTER, OF_PROCESS, Metric, Sample

if TYPE_CHECKING:
    from netwatchd.metrics.bounds import Bounds

MISSING = (
    "metrics need the Python package prometheus-client, which is not installed; "
    "install it (sudo make install EXTRAS=metrics; docs/METRICS.md), and restart netwatchd"
)
LONGEST_WAIT = 4.0  # seconds for those who were here before


class Exposition:
    """Tells the metrics to whoever asks; any thread may call, one is answered at a time."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._turn = threading.Lock()  # for the next two
        self._bounds: Bounds | None = None
        self._registry: Any = None

    def reply(self, accept: str) -> offers.Metrics:
        """The metrics in the format that the header Accept wants; raises Refusal."""
        if not self._turn.acquire(timeout=LONGEST_WAIT):
            raise Refusal(503, "too many ask for the metrics at once", "busy", {"Retry-After": "2"})
        try:
            # The library itself asks `collect` below.
            encode, media_type = self._encoder(accept)
            return offers.Metrics(media_type, encode(self._registry))
        finally:
            self._turn.release()

    def _encoder(self, accept: str) -> Any:
        try:
            library = import_module("prometheus_client")
        except ImportError as error:
            raise Refusal(501, MISSING, "no_library") from error
        if self._registry is None:
            # Not the library's own registry, in which anybody may put something.
            registry = library.CollectorRegistry()
            registry.register(self)
            library.ProcessCollector(registry=registry)
            self._registry = registry
        return import_module("prometheus_client.exposition").choose_encoder(accept)

    def describe(self) -> list[Any]:
        """Nothing, so that the library does not collect in order to learn names."""
        return []

    def collect(self) -> Iterator[Any]:
        """The families with their samples, as the library wants them."""
        core = import_module("prometheus_client.core")
        families: dict[str, Any] = {}
        for metric, labels, value in self._samples():
            if metric.name not in families:
                kind = core.CounterMetricFamily if metric.type == COUNTER else core.GaugeMetricFamily
                families[metric.name] = kind(metric.name, metric.help, labels=metric.labels)
            families[metric.name].add_metric(labels, value)
        yield from families.values()

    def _samples(self) -> Iterator[Sample]:
        from netwatchd.metrics import counted, figures
        from netwatchd.metrics.bounds import Bounds

        self._bounds = self._bounds or Bounds()
        status = self._asked.status()
        on = [source["name"] for source in status["sources"] if source["state"] == "on"]
        yield from self._bounds.bounded(
            [*figures.samples(self._asked, status), *counted.samples(status["counters"], on)], figures.OF_DEVICES
        )


def every_metric() -> tuple[Metric, ...]:
    """All that may ever be told, in the order of the documentation."""
    from netwatchd.metrics import counted, figures

    return (*figures.METRICS, *counted.METRICS, *OF_PROCESS)
