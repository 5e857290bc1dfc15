"""What the pages of docs/ say to do can be done: links, settings, rulesets; and all of doctor's sentences are there."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROGRAMS, needs, needs_root

from netwatchd import config
from netwatchd.cli import checks
from netwatchd.sources import accounting

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TROUBLE = (ROOT / "docs/TROUBLESHOOTING.md").read_text()
ROUTER = (ROOT / "docs/install-router.md").read_text()


def slugs(text: str) -> set[str]:
    """The names of a page's headings as links have them."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_a_section_lead_there(page: Path) -> None:
    missing = []
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        target = page.parent / file if file else page
        if target.suffix == ".md" and anchor not in slugs(target.read_text()):
            missing.append(f"{file}#{anchor}")
    assert missing == []


def test_the_map_of_the_page_has_every_file_and_no_other() -> None:
    table = re.findall(r"^\|(.*?[^\\])\|", (ROOT / "docs/PAGE.md").read_text(), re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([\w*.]+\.(?:js|css|html|svg))`", row)}
    files = {path.name for path in (ROOT / "netwatchd/page").iterdir() if path.is_file()} - {"favicon.svg"}
    assert {name for name in named if not any(Path(file).match(name) for file in files)} == set()
    assert {file for file in files if not any(Path(file).match(name) for name in named)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_table_has_a_head(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    beginnings = re.findall(r"(?<=\n\n)(\|.*)\n(.*)", text)
    assert [row for row, below in beginnings if not re.fullmatch(r"\|[-:| ]+\|", below)] == []


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for text in re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL):
            yield page.name, text


def test_the_settings_that_are_shown_are_without_mistakes() -> None:
    seen = 0
    for name, text in blocks("ini"):
        if set(re.findall(r"^\[(.+)\]", text, re.MULTILINE)) <= set(config.sections()):
            try:
                config.parse(text)
            except config.ConfigError as error:
                pytest.fail(f"{name}: {error}")
            seen += 1
    assert seen >= 8


@needs_root
@needs("nft")
def test_the_rulesets_that_are_shown_can_be_loaded(tmp_path: Path) -> None:
    for _, text in blocks("nft"):
        # A single rule is shown of a chain that is there already.
        whole = text if "table" in text else f"table inet x {{ chain input {{\n{text}\n}}\n}}"
        (tmp_path / "rules").write_text(whole)
        subprocess.run(["unshare", "--net", "nft", "--file", tmp_path / "rules"], check=True)


def test_the_sysctls_of_the_router_are_those_that_are_set() -> None:
    wanted = [f"nf_conntrack_{name}" for name in accounting._LOST]
    assert re.findall(r"^\| `(nf_conntrack_\w+)` \|", ROUTER, re.MULTILINE) == wanted
    (command,) = re.findall(r"^(printf .*?) \|", ROUTER.split("## A ruleset")[0], re.MULTILINE)
    written = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert written.splitlines() == [f"net.netfilter.{name} = 1" for name in wanted]


# Troubleshooting.


def told() -> Iterator[tuple[str, str, list[str]]]:
    """What doctor may say: topic, state, and the fixed pieces of the sentence."""
    tree = ast.parse(Path(checks.__file__).read_text())
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        values = {
            node.targets[0].id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Check":
                topic, state, text = call.args[:3]
                text = values.get(text.id, text) if isinstance(text, ast.Name) else text
                pieces = [each.value for each in ast.walk(text) if isinstance(each, ast.Constant)]
                assert isinstance(topic, ast.Constant)
                yield str(topic.value) or "sources", ast.unparse(state), [str(each) for each in pieces]


def below(topic: str) -> str:
    """A topic's section, as plain text."""
    (text,) = re.findall(rf"^### {topic}\n(.*?)(?=^##)", TROUBLE, re.MULTILINE | re.DOTALL)
    return str(text).replace("*", "").replace("`", "")


def test_every_topic_of_doctor_has_its_section() -> None:
    topics = {topic for topic, _, _ in told()} | {"threats"}
    assert len(topics) > 12
    assert topics == set(re.findall(r"^### (.*)", TROUBLE, re.MULTILINE))


def test_every_sentence_by_which_doctor_says_that_something_is_wrong_is_explained() -> None:
    seen = 0
    for topic, state, pieces in told():
        sentence = [piece.strip(" :;,'") for piece in pieces if len(piece.strip(" :;,'").split()) > 1]
        if state == "OK" or not sentence:  # what has no words of its own is told by somebody else
            continue
        assert [piece for piece in sentence if piece not in below(topic)] == [], topic
        seen += 1
    assert seen > 15


def test_the_reasons_why_it_does_not_start_are_its_own_words() -> None:
    (section,) = re.findall(r"^## The unit does not start\n(.*?)^## ", TROUBLE, re.MULTILINE | re.DOTALL)
    words = re.findall(r'^\| `1`, "(cannot[^".]*|netwatchd[^".]*)', section, re.MULTILINE)
    code = " ".join(path.read_text() for path in (ROOT / "netwatchd").rglob("*.py"))
    assert len(words) == 4
    assert [word for word in words if word.strip() not in code] == []


def test_macs_lose_the_half_that_names_one_device() -> None:
    (command,) = re.findall(r"^sed .*", TROUBLE, re.MULTILINE)
    text = '"mac": "a4:83:e7:00:00:01", "ip": "2001:db8::1", "time": "14:05:12"\n'
    made = subprocess.run(["sh", "-c", command], input=text, capture_output=True, text=True, check=True).stdout
    assert made == text.replace("a4:83:e7:00:00:01", "a4:83:e7:xx:xx:xx")


def test_a_new_machine_gets_all_programs_that_tests_would_be_skipped_without() -> None:
    """Of .ci/run, as the tests' own list has them."""
    gets = set(re.findall(r"^need (\S+) ", (ROOT / ".ci/run").read_text(), re.MULTILINE))
    assert set(PROGRAMS.values()) - gets == set()
