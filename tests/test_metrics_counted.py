"""Which counter becomes which metric, and that no word makes labels without end."""

import re

import pytest
from test_docs import ROOT, first_names, names, rows, section

from netwatchd.metrics.bounds import MOST, Bounds
from netwatchd.metrics.counted import FROM_THE_START, METRICS, OF_SOURCES, OTHER, RULES, SOURCES, UNKNOWN, metric_of
from netwatchd.metrics.counted import samples as counted
from netwatchd.metrics.exposition import every_metric
from netwatchd.metrics.names import COUNTER, Sample, counter

MAY_LABEL = {
    "source", "reason", "kind", "severity", "channel", "list", "question", "result", "status", "queue", "direction",
    "version", "python", "device", "name", "counter", "limit",
}  # fmt: skip


def documented() -> list[str]:
    """The counters of docs/INTERFACE.md, with words for what stands in capitals."""
    words = {"SOURCE": "capture", "REASON": "full", "KIND": "stats", "CHANNEL": "ntfy", "NAME": "flows", "WHAT": "x"}
    return [".".join(words.get(word, word) for word in name.split(".")) for name in first_names("Counters")]


def test_every_counter_has_a_metric_of_its_own_and_every_rule_a_counter() -> None:
    used = {metric_of(name)[0] for name in documented()}
    assert UNKNOWN not in used
    assert used == set(METRICS) - {UNKNOWN}


@pytest.mark.parametrize(
    ("name", "metric", "labels"),
    [
        ("received.netflow", "netwatchd_received_events_total", ("netflow",)),
        ("dropped.flows.storage_full", "netwatchd_dropped_total", ("", "flows", "storage_full")),
        ("dropped.capture.clues", "netwatchd_dropped_total", ("capture", "", "clues")),
        ("lost.netflow.flows", "netwatchd_lost_total", ("netflow", "flows")),
        ("lost.eve", "netwatchd_lost_total", ("eve", "")),
        ("refused.wrong_token", "netwatchd_refused_total", ("", "wrong_token")),
        ("refused.json.max_connections", "netwatchd_refused_total", ("json", "max_connections")),
        ("storage.commits", "netwatchd_storage_commits_total", ()),
        ("ignored.devices.virtual_mac", "netwatchd_ignored_total", ("", "devices", "virtual_mac")),
        ("alerts.sent.email", "netwatchd_alerts_sent_total", ("email",)),
        ("brand.new.counter", "netwatchd_other_counts_total", ("brand.new.counter",)),
    ],
)
def test_the_words_of_a_counter_become_labels(name: str, metric: str, labels: tuple[str, ...]) -> None:
    found, values = metric_of(name)
    assert (found.name, values) == (metric, labels)


def test_what_alerts_look_at_is_there_before_it_happens() -> None:
    names = {*FROM_THE_START, *(name for each in OF_SOURCES.values() for name in each)}
    assert names <= set(documented()) | {"lost.zeek", "lost.eve", "lost.mdns", "lost.ssdp"} | {
        "overflows.conntrack", "overflows.neighbours", "overflows.capture"
    }  # fmt: skip
    assert OF_SOURCES.keys() <= SOURCES
    told = {(metric.name, labels): value for metric, labels, value in counted({}, ["netflow"])}
    assert told["netwatchd_lost_total", ("netflow", "flows")] == 0
    assert told["netwatchd_received_events_total", ("netflow",)] == 0
    assert ("netwatchd_lost_total", ("capture", "kernel")) not in told
    assert told["netwatchd_storage_commits_total", ()] == 0


def test_names_are_as_prometheus_wants_them() -> None:
    for metric in every_metric():
        assert re.fullmatch(r"(netwatchd|process)_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") is (metric.type == COUNTER)
        assert metric.help.endswith(".")
        assert set(metric.labels) <= MAY_LABEL
    assert {rule.metric.type for rule in RULES} == {COUNTER}


def test_labels_are_bounded_stay_what_they_are_and_nothing_is_lost_of_the_sum() -> None:
    metric, bounds = counter("words", "Words.", "source", "kind"), Bounds(most=3)

    def told(*words: str) -> dict[tuple[str, ...], float]:
        return {labels: value for _, labels, value in bounds.bounded(Sample(metric, ("a", word), 1) for word in words)}

    assert told("m", "n") == {("a", "m"): 1, ("a", "n"): 1}
    # Those of before stay, though others would come first by name.
    assert told("b", "c", "d", "m", "n") == {("a", "b"): 1, (OTHER, OTHER): 2, ("a", "m"): 1, ("a", "n"): 1}
    assert told("z" * 41, "\ud800", 'x"', "m") == {(OTHER, OTHER): 3, ("a", "m"): 1}
    assert MOST <= 100


def test_the_table_of_the_docs_has_every_metric_with_type_labels_and_meaning() -> None:
    text = (ROOT / "docs/METRICS.md").read_text()
    documented = [
        (*names(row[0]), row[1], tuple(names(row[2])), row[3]) for row in rows(section("All metrics", text))
    ]  # fmt: skip
    assert documented == [(each.name, each.type, each.labels, each.help) for each in every_metric()]
