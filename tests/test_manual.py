"""The manual has every verb, flag and setting that there is, and groff and mandoc find nothing wrong with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs

from netwatchd import config
from netwatchd.cli import manual
from netwatchd.cli.grammar import verbs
from netwatchd.cli.main import parser

PAGES = {"1": manual.command, "5": manual.settings}


def plain(page: str) -> str:
    """A page as it reads."""
    return page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\(aq", "'")


def test_every_verb_and_flag_is_told_with_what_it_means() -> None:
    page = plain(manual.command())
    for verb in verbs(parser()):
        (told,) = re.findall(rf'\.SS "netwatchd {verb.name}"\n(.*?)(?=\.S[SH])', page, re.DOTALL)
        assert verb.help[1:] in told
        for flag in verb.flags:
            assert flag.flags == ("-h", "--help") or all(each in told for each in flag.flags), (verb.name, flag)
        assert f".B netwatchd {verb.name}\n" in page.partition('.SH "DESCRIPTION"')[0]


def test_the_sections_that_a_manual_has_are_there_with_the_codes_and_variables() -> None:
    page = manual.command()
    titles = re.findall(r'^\.SH "(.*)"$', page, re.MULTILINE)
    assert titles == ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "VALUES", "FILES", "ENVIRONMENT", "EXIT STATUS",
                      "EXAMPLES", "SEE ALSO"]  # fmt: skip
    codes = page.partition('"EXIT STATUS"')[2].partition(".SH")[0]
    assert re.findall(r"^\.B (\d+)$", codes, re.MULTILINE) == ["0", "1", "2", "69", "78", "130"]
    for name in ("NETWATCHD_CONFIG", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NETWATCHD_TOKEN", "NO_COLOR"):
        assert f".B {name}\n" in page


def test_every_example_is_a_command_that_is_understood() -> None:
    for line in manual.EXAMPLES:
        for words in re.findall(r"netwatchd ((?:'[^']*'|[^'|)])+)", line):
            parser().parse_args([word.strip("'") for word in re.findall(r"'[^']*'|\S+", words)])


def test_every_setting_is_told() -> None:
    page = plain(manual.settings())
    for name, section in config.sections().items():
        kind = section.default_factory
        (told,) = re.findall(rf'\.SH "\[{re.escape(name)}\]"\n(.*?)(?=\n\.SH)', page, re.DOTALL)
        for key in config.settings_of(kind):  # type: ignore[arg-type]
            assert f".B {key}\n" in told


@pytest.mark.parametrize("number", PAGES)
def test_the_program_makes_it_and_the_same_of_the_same_source(number: str) -> None:
    command = [sys.executable, "-m", "netwatchd.cli.manual", number]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1795435200"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert " 2026-11-23 " in answer.stdout.splitlines()[1]
    assert answer.stdout.splitlines()[2:] == PAGES[number]().splitlines()[2:]


@needs("mandoc")
@pytest.mark.parametrize("number", PAGES)
def test_mandoc_finds_nothing_wrong(number: str, tmp_path: Path) -> None:
    page = tmp_path / f"page.{number}"
    page.write_text(PAGES[number]())
    answer = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man")
@pytest.mark.parametrize("number", PAGES)
def test_man_warns_of_nothing_and_it_fits_eighty_columns(number: str, tmp_path: Path) -> None:
    page = tmp_path / f"page.{number}"
    page.write_text(PAGES[number]())
    command = ["man", "--warnings=w", "-E", "UTF-8", "-l", str(page)]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert not answer.stderr
    lines = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", answer.stdout).splitlines()
    assert len(lines) > 200
    assert not [line for line in lines if len(line) > 80]
