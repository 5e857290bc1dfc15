"""The catalog of kinds: every kind that netwatchd tells by itself is in it, and is explained."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwatchd import config
from netwatchd.catalog import FLOOD, KINDS, SCANS
from netwatchd.detectors import stories
from netwatchd.detectors.panel import ALL
from netwatchd.events import SEVERITIES
from netwatchd.sights import source_names

ROOT = Path(__file__).parent.parent
THREATS = (ROOT / "docs/THREATS.md").read_text()
DEVICES = (ROOT / "docs/DEVICES.md").read_text()


def kinds_told(path: Path) -> Iterator[str]:
    """The kinds that a detector makes threats of: what it gives to `telling.threat` first, as far as that is a text."""
    tree = ast.parse(path.read_text())
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "threat" and node.args:
            kind = node.args[0]
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
            elif isinstance(kind, ast.Name) and kind.id in texts:
                yield str(texts[kind.id])


TOLD = {kind for path in (ROOT / "netwatchd/detectors").glob("*.py") for kind in kinds_told(path)}


def test_every_kind_that_a_detector_tells_is_in_the_catalog() -> None:
    assert TOLD, "how threats are made has changed, and this test with it"
    assert sorted((TOLD | {FLOOD, *stories.KINDS}) - KINDS.keys()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_explained_and_what_it_says_of_itself_can_be_meant(kind: str) -> None:
    told = KINDS[kind]
    assert re.fullmatch("[a-z][a-z_]*", told.kind)
    assert told.severity in SEVERITIES
    assert told.meaning.endswith(".")
    assert not told.limits or told.limits.endswith(".")
    assert {*told.direct, *told.indirect} <= {*source_names()}
    assert not {*told.direct} & {*told.indirect}
    if told.detector:
        assert hasattr(config.Config(), told.detector)
        assert told.direct or told.indirect, "no source shows it"
    page = DEVICES if told.detector == "news" else THREATS
    assert f"`{kind}`" in page if page is DEVICES else re.search(rf"^## {kind}$", page, re.MULTILINE)


def test_the_page_has_a_section_for_each_kind_in_the_order_of_the_catalog() -> None:
    sections = re.findall(r"^## ([a-z_]+)$", THREATS, re.MULTILINE)
    assert sections == [each.kind for each in KINDS.values() if each.detector != "news"]
    assert sorted(re.findall(r"\]\(#([a-z_]+)\)", THREATS)) == sorted(sections)


@pytest.mark.parametrize("detector", ALL)
def test_what_can_be_set_stands_where_its_threats_are_explained(detector: str) -> None:
    names = {each.name for each in dataclasses.fields(getattr(config.Config(), detector))} - {"enabled"}
    # A detector may tell several kinds, and several detectors one.
    named = set(re.findall(r"`(?:\[[^]]+\] *\n? *)?([a-z_]+)`", THREATS))
    assert names <= named


def test_scans_are_kinds() -> None:
    assert KINDS.keys() >= SCANS
