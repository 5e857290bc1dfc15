"""Which counter becomes which metric.

A rule is a counter's name as docs/INTERFACE.md writes it: words in capitals stand for any word, and become the label
of that name; several rules may lead to one metric. SOURCE stands for the word of a source only, so that a rule with it
is tried before one that takes any word in its place. A label that a counter has no word for is empty, which Prometheus
takes for a label that is not there.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from netwatchd import config
from netwatchd.metrics.names import Metric, Sample, counter

# The words of sources: those with a section of the configuration, and what else counts as they do.
SOURCES = frozenset(
    {name.removeprefix("source:") for name in config.sections() if name.startswith("source:")}
    | {"asker", "prober", "sflow", "clients"}
)
OTHER = "other"


class Rule(NamedTuple):
    """A counter's name, by its words, and the metric that it becomes."""

    words: tuple[str, ...]
    metric: Metric


def _rules(name: str, help_text: str, *patterns: str) -> list[Rule]:
    split = [tuple(pattern.split(".")) for pattern in patterns]
    labels = [word.lower() for word in LABELS if any(word in words for words in split)]
    metric = counter(name, help_text, *labels)
    return [Rule(words, metric) for words in split]


LABELS = ("SOURCE", "KIND", "REASON", "CHANNEL", "LIST", "QUESTION", "RESULT")
RULES = [
    *_rules("received_events", "Events that came in through a source.", "received.SOURCE"),
    *_rules("source_events", "The same by kind: sightings of devices, flows, threats.", "events.SOURCE.KIND"),
    *_rules("recalled_events", "Flows that a crash had left alive, and are ended.", "recalled.KIND"),
    *_rules("coalesced_events", "What a later word made needless before it was stored.", "coalesced.KIND"),
    *_rules("rejected_rows", "Rows that the database does not take.", "rejected.KIND"),
    *_rules("saved_events", "Events that were saved for the next start, at the end.", "saved.KIND"),
    *_rules("unsaved_events", "Events that could not be saved, at the end.", "unsaved.KIND"),
    *_rules("observations", "Observations for detectors that came in through a source.", "observed.SOURCE"),
    *_rules("received_messages", "Messages of the kernel, of DHCP and of WebSocket clients.", "messages.SOURCE"),
    *_rules("stored_rows", "Rows that were committed.", "stored.KIND"),
    *_rules("storage_commits", "Transactions of the databases.", "storage.commits"),
    *_rules("sent_messages", "Messages sent to WebSocket clients.", "sent.messages"),
    *_rules("dropped", "What was given up, and why.", "dropped.SOURCE.REASON", "dropped.KIND.REASON"),
    *_rules("lost", "What sources know that they did not get.", "lost.SOURCE", "lost.SOURCE.KIND"),
    *_rules("connections_accepted", "TCP connections of clients.", "connections.accepted"),
    *_rules("connection_errors", "Connections that ended by a mistake of netwatchd's.", "errors.connection"),
    *_rules("clients_accepted", "WebSocket clients that came.", "clients.accepted"),
    *_rules("clients_left", "WebSocket clients that ended their connection themselves.", "clients.left"),
    *_rules(
        "refused", "Connections, requests, commands and datagrams that were refused.",
        "refused.REASON", "refused.SOURCE.REASON",
    ),
    *_rules("asked_questions", "Questions over HTTP.", "asked.QUESTION"),
    *_rules("skipped", "What sources read that tells of no flow and no device.", "skipped.SOURCE.KIND"),
    *_rules("repeated_flows", "Flows of logs that were read again and stored already.", "repeated.SOURCE"),
    *_rules("malformed", "Messages and lines that cannot be understood.", "malformed.SOURCE"),
    *_rules("overflows", "Times that events came faster than they were read.", "overflows.SOURCE"),
    *_rules("unreadable", "Times that a file could not be read any more.", "unreadable.SOURCE"),
    *_rules("queries", "Questions to name servers.", "queries.SOURCE"),
    *_rules("unanswered_queries", "Those for which there was no answer at all.", "unanswered.SOURCE"),
    *_rules("dumps", "Times that a table of the kernel was read as a whole.", "dumps.SOURCE"),
    *_rules("datagrams", "Datagrams that a source has received.", "datagrams.SOURCE"),
    *_rules("flow_samples", "Samples of sFlow.", "samples.SOURCE"),
    *_rules("packets", "Packets that were read from the interfaces.", "packets.SOURCE"),
    *_rules("ignored", "What is meant for others, and passed over.", "ignored.SOURCE", "ignored.KIND.REASON"),
    *_rules("forgotten_streams", "Streams of exporters beyond those that are known at once.", "forgotten.SOURCE"),
    *_rules("untracked_flows", "Flows beyond those that are followed.", "untracked.SOURCE"),
    *_rules("evicted_flows", "Flows that were ended because the table of live ones was full.", "evicted.SOURCE"),
    *_rules("merged_flows", "Flows that another source tells, too.", "merged.flows.SOURCE"),
    *_rules("unclaimed_flows", "Flows that may be told twice, as too many are remembered.", "unclaimed.flows.SOURCE"),
    *_rules("blocklist_updates", "How attempts to update blocklists ended.", "blocklists.RESULT"),
    *_rules("listed", "Addresses and names that were met and stand in a blocklist.", "listed.LIST"),
    *_rules("probes_asked", "Silent devices that were to be asked whether they are here.", "probes.asked"),
    *_rules("probes_answered", "Those that gave a sign of life.", "probes.answered"),
    *_rules("probes_impossible", "Those that could not be asked.", "probes.impossible"),
    *_rules("questions_asked", "Packets that asked a MAC for an address that is claimed twice.", "questions.asked"),
    *_rules("questions_answered", "Those that were answered.", "questions.answered"),
    *_rules("questions_impossible", "Those that could not be asked.", "questions.impossible"),
    *_rules("threats_muted", "Findings that a rule of mute keeps from being told.", "threats.muted"),
    *_rules("threats_held", "Findings that were not told each by itself.", "threats.held"),
    *_rules("threats_gathered", "Findings that became part of a threat that gathers many.", "threats.gathered"),
    *_rules("alerts_sent", "Messages that a channel has taken.", "alerts.sent.CHANNEL"),
    *_rules("alerts_retried", "Attempts that failed, and are repeated.", "alerts.retried.CHANNEL"),
    *_rules("alerts_failed", "Messages that were given up.", "alerts.failed.CHANNEL"),
    *_rules("alerts_held", "Alerts held back for a digest.", "alerts.held.REASON"),
    *_rules("alerts_withdrawn", "Messages that were not worth it any more.", "alerts.withdrawn"),
]  # fmt: skip
# A counter that no rule knows is not kept silent.
UNKNOWN = counter("other_counts", "Counters that have no metric of their own, by name.", "counter")
METRICS = [*dict.fromkeys(rule.metric for rule in RULES), UNKNOWN]

# A series that begins with its first loss shows no increase. So those that alerts look at are there from the start.
FROM_THE_START = (
    "dropped.devices.too_many", "dropped.devices.passed_by", "dropped.flows.storage_full",
    "dropped.records.storage_full", "dropped.rows.rejected", "dropped.events.no_spool", "dropped.news.too_many",
    "dropped.messages.overload", "dropped.messages.slow_client",
)  # fmt: skip
OF_SOURCES = {
    "conntrack": ("overflows.conntrack",), "neighbours": ("overflows.neighbours",),
    "capture": ("lost.capture.kernel", "overflows.capture", "dropped.capture.observations", "dropped.capture.clients"),
    "netflow": ("lost.netflow.socket", "lost.netflow.flows", "lost.netflow.datagrams", "dropped.netflow.no_template"),
    "zeek": ("lost.zeek",), "eve": ("lost.eve",), "dhcp": ("lost.dhcp", "dropped.dhcp.clients"),
    "mdns": ("lost.mdns",), "ssdp": ("lost.ssdp",),
    "leases": ("dropped.leases.too_many",), "hosts": ("dropped.hosts.too_many",),
}  # fmt: skip


def samples(tree: Mapping[str, Any], sources: Iterable[str]) -> Iterator[Sample]:
    """The samples of a tree of counters, where these `sources` are on."""
    counts = dict.fromkeys(FROM_THE_START, 0)
    for source in sources:
        counts |= dict.fromkeys((f"received.{source}", *OF_SOURCES.get(source, ())), 0)
    counts |= dict.fromkeys((".".join(rule.words) for rule in RULES if not rule.metric.labels), 0)
    counts |= dict(_leaves(tree))
    for name, count in counts.items():
        metric, labels = metric_of(name)
        yield Sample(metric, labels, count)


def metric_of(name: str) -> tuple[Metric, tuple[str, ...]]:
    """What a counter becomes, with the values of its labels."""
    words = name.split(".")
    for rule in RULES:
        if len(rule.words) == len(words) and all(map(_fits, rule.words, words)):
            found = dict(zip(rule.words, words, strict=True))
            return rule.metric, tuple(found.get(label.upper(), "") for label in rule.metric.labels)
    return UNKNOWN, (name,)


def _fits(wanted: str, word: str) -> bool:
    return word in SOURCES if wanted == "SOURCE" else wanted.isupper() or wanted == word


def _leaves(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, int]]:
    for key, value in tree.items():
        if isinstance(value, int):
            yield f"{before}{key}", value
        else:
            yield from _leaves(value, f"{before}{key}.")
