"""What all tests may ask for."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from running import Daemon, nobody_can_run_it, scratch
from shim import COMPILER

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# What tests use: program -> Debian's package. Where one is missing they are skipped; where all are meant, nothing is.
PROGRAMS = {
    "cc": "gcc", "chromium": "chromium", "conntrack": "conntrack", "curl": "curl", "fish": "fish", "ip": "iproute2",
    "mandoc": "mandoc", "nfdump": "nfdump", "nft": "nftables", "nginx": "nginx-light", "openssl": "openssl",
    "promtool": "prometheus", "softflowd": "softflowd", "sqlite3": "sqlite3", "systemd-analyze": "systemd",
    "zsh": "zsh",
}  # fmt: skip


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where a program is missing."""
    package = PROGRAMS[program]
    return pytest.mark.skipif(not shutil.which(program), reason=f"needs {program} (Debian: {package})")


needs_nobody = pytest.mark.skipif(not nobody_can_run_it(), reason="needs root, and a Python that all users may run")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk or become another user")
needs_promtool = needs("promtool")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler, to make calls of the system fail")

# How long an example takes is no promise. For the rest, as hypothesis has it here, or where CI is set.
hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("untimed")

# Tables are as wide in every test, whoever runs it.
os.environ.pop("COLUMNS", None)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a path short enough for unix sockets, which other users may enter."""
    directory = scratch()
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def daemon(short: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons (not started yet) in one directory; at the end none is left running."""
    made: list[Daemon] = []

    def make(config: str = "", **environment: str) -> Daemon:
        made.append(Daemon(short, config, **environment))
        return made[-1]

    yield make
    for each in made:
        each.__exit__()


@pytest.fixture(scope="module")
def idle() -> Iterator[Daemon]:
    """A daemon that knows nothing and wants no token on this machine, for those who change nothing in it."""
    directory = scratch()
    with Daemon(directory) as running:
        yield running
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One browser for all tests of the page. It is loaded here, because most runs have none of these."""
    from looking import browsing

    with browsing() as started:
        yield started


def pytest_configure() -> None:
    """Where NETWATCHD_TEST_ALL is set, as .ci/run does, nothing may be missing for which tests would be skipped."""
    if os.environ.get("NETWATCHD_TEST_ALL"):
        path = f"{os.environ['PATH']}:/usr/sbin"  # which users do not have in theirs
        missing = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)}
        missing |= {package for package in ("playwright", "axe_playwright_python") if not find_spec(package)}
        if missing:
            raise pytest.UsageError(f"NETWATCHD_TEST_ALL is set, and there is no {', '.join(sorted(missing))}")


def pytest_sessionfinish() -> None:
    """Ends the browser, where a test has started one."""
    if "looking" in sys.modules:
        sys.modules["looking"].finish()
