"""What docs/ has for Prometheus and Grafana: it can be read by them, and speaks of metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_promtool
from test_docs import ROOT, names, rows, section

from netwatchd.metrics.exposition import every_metric

PROMETHEUS = ROOT / "docs/prometheus"
DASHBOARD = json.loads((ROOT / "docs/grafana/netwatchd.json").read_text())
METRICS = {metric.name: metric for metric in every_metric()}
RULES = (PROMETHEUS / "netwatchd.rules.yml").read_text()
DOCS = (ROOT / "docs/METRICS.md").read_text()


def promtool(*arguments: str, directory: Path = PROMETHEUS) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def queries() -> Iterator[str]:
    """What the panels ask, with times and words instead of Grafana's variables."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield re.sub(r"\$__\w+", "5m", target["expr"])


def used(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of an expression, each with the labels that are asked of it."""
    for name, labels in re.findall(r"\b((?:netwatchd|process)_\w+)(\{[^}]*\})?", expression):
        yield name, set(re.findall(r"(\w+)=", labels)) - {"job", "instance"}


@needs_promtool
def test_the_rules_can_be_read_and_each_fires_when_it_should_and_only_then() -> None:
    promtool("check", "rules", "netwatchd.rules.yml")
    promtool("test", "rules", "netwatchd.test.yml")


def test_every_rule_has_its_case_and_a_line_in_the_docs() -> None:
    rules = re.findall(r"- alert: (\w+)", RULES)
    cases = set(re.findall(r"Netwatchd\w+", (PROMETHEUS / "netwatchd.test.yml").read_text()))
    # Those of the clock are tested together.
    assert set(rules) <= cases
    assert rules == [names(row[0])[0] for row in rows(section("Alerts", DOCS))]


@needs_promtool
def test_the_scrape_configuration_of_the_docs_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    for name in ("netwatchd.token", "netwatchd.pem"):
        (tmp_path / name).write_text("secret-token")
    shutil.copy(PROMETHEUS / "netwatchd.rules.yml", tmp_path)
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus", str(tmp_path)))
    promtool("check", "config", "prometheus.yml", directory=tmp_path)


@needs_promtool
def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    rules = "".join(f"  - record: panel:{n}\n    expr: {json.dumps(each)}\n" for n, each in enumerate(queries()))
    (tmp_path / "rules.yml").write_text(f"groups:\n- name: panels\n  rules:\n{rules}")
    promtool("check", "rules", "rules.yml", directory=tmp_path)


@pytest.mark.parametrize("expression", [*queries(), *re.findall(r"expr: ((?:>-\n(?:          .*\n)+)|.*)", RULES)])
def test_every_metric_that_is_asked_for_exists_with_the_labels_that_are_asked_of_it(expression: str) -> None:
    found = list(used(expression))
    assert found or "up{" in expression
    for name, labels in found:
        assert name in METRICS
        assert labels <= set(METRICS[name].labels)


def test_labels_of_legends_are_those_of_the_query() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            have = {label for name, _ in used(target["expr"]) for label in METRICS[name].labels}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= have, panel["title"]


def test_the_dashboard_is_what_grafana_imports_and_no_panel_covers_another() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        cells = _cells(panel["gridPos"])
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def _cells(grid: dict[str, Any]) -> set[tuple[int, int]]:
    assert grid["x"] + grid["w"] <= 24
    return {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
