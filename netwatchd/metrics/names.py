"""Every metric by its name, as Prometheus wants names: base units, `_total` of counters, `_bytes`, `_seconds`."""

from typing import NamedTuple

COUNTER, GAUGE = "counter", "gauge"
PREFIX = "netwatchd_"


class Metric(NamedTuple):
    """One family of samples."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value; its labels are in the order of its metric's."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def gauge(name: str, help_text: str, *labels: str) -> Metric:
    """A value that goes up and down."""
    return Metric(PREFIX + name, GAUGE, help_text, labels)


def counter(name: str, help_text: str, *labels: str) -> Metric:
    """A value that only grows, from the start of the daemon on."""
    return Metric(f"{PREFIX}{name}_total", COUNTER, help_text, labels)


# What the library's ProcessCollector adds, for the table in docs/METRICS.md; not all systems have all of it.
OF_PROCESS = (
    Metric("process_cpu_seconds_total", COUNTER, "Processor time that the daemon has used."),
    Metric("process_resident_memory_bytes", GAUGE, "Memory that it holds."),
    Metric("process_virtual_memory_bytes", GAUGE, "Memory that it has mapped."),
    Metric("process_start_time_seconds", GAUGE, "When it was started, in Unix time."),
    Metric("process_open_fds", GAUGE, "Its open file descriptors."),
    Metric("process_max_fds", GAUGE, "How many it may have."),
)
