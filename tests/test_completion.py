"""Real shells complete the command line: verbs, flags, words, and what is in the database; and none is fooled by it."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import needs
from running import MAC, OTHER_MAC, scratch
from store_kit import device, storing, threat
from waiting import PATIENCE

from netwatchd.cli.grammar import verbs
from netwatchd.cli.main import parser

ROOT = Path(__file__).parent.parent
EVIL = "$(touch hacked)`touch hacked`;touch hacked"
QUOTED = "it's\\one"
FLAG = "--config=evil"
BASH = """
source "$1"
compopt() { :; }
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
while (($# > 2)); do
    COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
    # Words as bash takes them apart.
    IFS=$'\\x1f' read -r -a COMP_WORDS <<< "$3"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _netwatchd
    ((${#COMPREPLY[@]})) && printf '%s\\n' "${COMPREPLY[@]}"
    echo ---
    shift 2
done
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Scripts, a command that they find, and a database with devices and threats."""
    directory = scratch()
    with storing(directory) as store:
        store.upsert_device(device(name="Ada's laptop"))
        store.upsert_device(device(OTHER_MAC, hostname="phone", ips=(0xC0A80106,)))
        store.upsert_device(device("a4:83:e7:00:00:03", hostname=EVIL, ips=(0xC0A80107,)))
        store.upsert_device(device("a4:83:e7:00:00:04", hostname=QUOTED, ips=(0xC0A80108,)))
        store.upsert_device(device("a4:83:e7:00:00:05", hostname=FLAG, ips=(0xC0A80109,)))
        store.upsert_threat(threat(17))
    (directory / "bin").mkdir()
    command = directory / "bin" / "netwatchd"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netwatchd "$@"\n')
    command.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        answer = subprocess.run(
            [command, "completion", shell], capture_output=True, check=True, env=surrounded(directory)
        )
        (directory / f"completion.{shell}").write_bytes(answer.stdout)
    yield directory
    assert not (directory / "hacked").exists()
    shutil.rmtree(directory)


def surrounded(place: Path) -> dict[str, str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return os.environ | {
        "PATH": path, "STATE_DIRECTORY": str(place), "PYTHONPATH": str(ROOT), "NETWATCHD_CONFIG": "",
        "HOME": str(place), "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def run(place: Path, *command: str) -> list[str]:
    answer = subprocess.run(
        command, cwd=place, env=surrounded(place), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert not answer.stderr, answer.stderr
    return answer.stdout.splitlines()


def bash_words(line: str) -> str:
    """The line as bash takes it apart, at colons and `=` too."""
    words, word, quote = [], "", ""
    for at, letter in enumerate(line):
        if quote or (letter in "\"'" and (not at or line[at - 1] != "\\")):
            quote = "" if quote == letter else quote or letter
            word += letter
        elif letter in ":=" or (letter == " " and line[at - 1] != "\\"):
            words += [word] * bool(word) + [letter] * (letter != " ")
            word = ""
        else:
            word += letter
    return "\x1f".join([*words, word]) if word or line[-1:] == " " else "\x1f".join(words)


def in_bash(place: Path, *lines: str) -> list[list[str]]:
    """The candidates for each line, as bash would show them."""
    # A last empty word is dropped by `read`, unless another separator follows.
    parts = [text for line in lines for text in (line, bash_words(line) + ("\x1f" if line.endswith(" ") else ""))]
    return answers(run(place, "bash", "--norc", "-c", BASH, "bash", str(place / "completion.bash"), *parts))


def in_fish(place: Path, *lines: str) -> list[list[str]]:
    asked = "; ".join(f"complete -C {quoted(line)}; echo ---" for line in lines)
    found = answers(run(place, "fish", "--no-config", "-c", f"source {place / 'completion.fish'}; {asked}"))
    return [[each.partition("\t")[0] for each in told] for told in found]


def answers(lines: list[str]) -> list[list[str]]:
    """What stands before each line of `---`."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line == "---":
            found.append([])
        else:
            found[-1].append(line)
    return found[:-1]


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


CASES = [
    ("netwatchd dev", ["devices", "device"]),
    ("netwatchd devices --on", ["--online"]),
    ("netwatchd top ", ["device", "destination", "port"]),
    ("netwatchd top d", ["device", "destination"]),
    ("netwatchd threats --severity h", ["high"]),
    ("netwatchd threats --kind port", ["port_scan"]),
    ("netwatchd devices --kind pho", ["phone"]),
    ("netwatchd device ph", ["phone"]),
    ("netwatchd flows --device ph", ["phone"]),
    ("netwatchd watch --topics fl", ["flows"]),
    ("netwatchd threat ", ["17"]),
    ("netwatchd dismiss 17 1", ["17"]),
    ("netwatchd merge phone ph", ["phone"]),
    ("netwatchd name phone ", []),
    ("netwatchd completion ", ["bash", "zsh", "fish"]),
    ("netwatchd flows --since ", []),
]


def test_bash_completes_verbs_flags_words_and_what_is_stored(place: Path) -> None:
    found = in_bash(place, *(line for line, _ in CASES))
    assert [*zip((line for line, _ in CASES), found, strict=True)] == CASES


@needs("fish")
def test_fish_completes_verbs_flags_words_and_what_is_stored(place: Path) -> None:
    found = [sorted(told) for told in in_fish(place, *(line for line, _ in CASES))]
    assert [*zip((line for line, _ in CASES), found, strict=True)] == [(line, sorted(words)) for line, words in CASES]


def test_bash_quotes_names_and_joins_what_it_took_apart(place: Path) -> None:
    cases = {
        "netwatchd device Ada": ["Ada\\'s\\ laptop"], "netwatchd device Ada\\'s\\ l": ["Ada\\'s\\ laptop"],
        "netwatchd device ada": ["Ada\\'s\\ laptop"],
        # Of a MAC it puts in what is behind the last colon.
        f"netwatchd device {OTHER_MAC[:-1]}": ["01", "02", "03", "04", "05"], f"netwatchd device {OTHER_MAC}": ["02"],
        f"netwatchd merge {MAC} ph": ["phone"], "netwatchd flows --device=ph": ["phone"],
        "netwatchd threats --severity=cr": ["critical"],
        # The directory that is named is asked.
        "netwatchd device --state /nowhere ph": [], f"netwatchd device --state {place} ph": ["phone"],
    }  # fmt: skip
    assert dict(zip(cases, in_bash(place, *cases), strict=True)) == cases


def test_bash_runs_nothing_that_a_device_calls_itself(place: Path) -> None:
    ((name,),) = in_bash(place, "netwatchd device $")
    assert "\\$\\(touch\\ hacked\\)" in name
    assert run(place, "bash", "--norc", "-c", f"printf '%s\\n' {name}") == [EVIL]


def test_bash_offers_no_name_that_would_act_within_the_quotes_that_are_open(place: Path) -> None:
    cases = {
        'netwatchd device "$': [], "netwatchd device '$": [EVIL], 'netwatchd device "it': [],
        "netwatchd device 'it": [], "netwatchd device it": ["it\\'s\\\\one"], 'netwatchd device "Ada': ["Ada's laptop"],
    }  # fmt: skip
    assert dict(zip(cases, in_bash(place, *cases), strict=True)) == cases


def test_a_name_that_looks_like_a_flag_is_not_offered_but_its_mac_is(place: Path) -> None:
    (found,) = in_bash(place, "netwatchd device ")
    assert "a4\\:83\\:e7\\:00\\:00\\:05" in [each.replace(":", "\\:").replace("\\\\", "\\") for each in found]
    assert not any("config" in each for each in found)


def test_files_and_directories_are_completed_where_they_are_meant(place: Path) -> None:
    (place / "capture.pcap").touch()
    assert in_bash(place, "netwatchd replay capt", "netwatchd flows --state bi") == [["capture.pcap"], ["bin"]]


def test_bash_has_a_completion_for_the_command(place: Path) -> None:
    told = run(place, "bash", "--norc", "-c", f"source {place}/completion.bash; complete -p netwatchd")
    assert told == ["complete -F _netwatchd netwatchd"]


@pytest.mark.parametrize(
    "shell", ["bash", pytest.param("zsh", marks=needs("zsh")), pytest.param("fish", marks=needs("fish"))]
)
def test_every_verb_and_flag_is_in_each_script(place: Path, shell: str) -> None:
    script = (place / f"completion.{shell}").read_text()
    for verb in verbs(parser()):
        assert verb.name in script
        for flag in (flag for each in verb.flags for flag in each.flags if flag.startswith("--")):
            assert (f"-l {flag[2:]}" if shell == "fish" else flag) in script, f"{verb.name} {flag}"


def typed(place: Path, keys: str, wanted: str) -> str:
    """What an interactive zsh shows when these keys are typed."""
    shown = b""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execvpe("zsh", ["zsh", "-f", "-i"], surrounded(place) | {"TERM": "dumb", "COLUMNS": "200"})
    try:
        setup = f"PS1='> '; autoload -Uz compinit; compinit -D -u; source {place}/completion.zsh"
        os.write(terminal, f"{setup}; echo rea''dy\n".encode())
        deadline, sent = time.monotonic() + PATIENCE, False
        while time.monotonic() < deadline and (not sent or wanted not in shown.decode(errors="replace")):
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 65536)
            if not sent and b"ready" in shown:
                shown, sent = b"", True
                os.write(terminal, keys.encode())
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown.decode(errors="replace")


@needs("zsh")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [("netwatchd dismi", "dismiss "), ("netwatchd threats --sever", "--severity "),
     ("netwatchd device Ad", "Ada\\'s\\ laptop"),
     ("netwatchd threats --kind dhcp_st", "dhcp_starvation"), ("netwatchd threat 1", "17 "),
     ("netwatchd device '$", "touch hacked"), ("netwatchd device it", "it\\'s\\\\one"),
     (f"netwatchd device {OTHER_MAC[:12]}", "00:00:0")],
)  # fmt: skip
def test_zsh_completes_verbs_flags_words_and_what_is_stored(place: Path, line: str, wanted: str) -> None:
    assert wanted in typed(place, line + "\t", wanted)
