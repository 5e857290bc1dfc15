"""`make install` and `make uninstall` with every path below a directory: what they put where, what they keep."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from conftest import needs_root

ROOT = Path(__file__).parent.parent
EXTRA = "opt/netwatchd/lib/python3*/site-packages/prometheus_client"
# A systemd that runs here is not told of it: `make` looks for it at /run/systemd/system.
ALONE = 'if test -d /run/systemd; then mount -t tmpfs tmpfs /run/systemd; fi; exec "$@"'

pytestmark = [pytest.mark.slow, needs_root]


def make(target: str, place: Path, **variables: str) -> str:
    """What `make` says."""
    paths = {
        "PREFIX": "opt/netwatchd", "COMMAND": "bin/netwatchd", "CONFIG": "etc/netwatchd/config.ini",
        "SHARE": "share", "UNIT": "unit/netwatchd.service",
    }  # fmt: skip
    given = {name: str(place / path) for name, path in paths.items()} | {"ACCOUNT": "root"} | variables
    command = ["make", "-C", str(ROOT), target, *(f"{name}={value}" for name, value in given.items())]
    alone = ["unshare", "--mount", "--propagation=private", "sh", "-ec", ALONE, "alone"]
    answer = subprocess.run([*alone, *command], capture_output=True, text=True, timeout=600, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def said(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_it_installs_the_program_its_manual_and_its_completions_and_takes_them_away(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    told = make("install", tmp_path)
    command, settings = tmp_path / "bin/netwatchd", tmp_path / "etc/netwatchd/config.ini"
    assert str(tmp_path / "share") in told and str(settings) in told
    assert said(command, "--version").startswith("netwatchd ")
    assert str(tmp_path / "opt/netwatchd/bin/netwatchd run") in (tmp_path / "unit/netwatchd.service").read_text()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    share = tmp_path / "share"
    scripts = {
        "bash": share / "bash-completion/completions/netwatchd",
        "zsh": share / "zsh/site-functions/_netwatchd",
        "fish": share / "fish/vendor_completions.d/netwatchd.fish",
    }
    for shell, path in scripts.items():
        assert path.read_text() == said(command, "completion", shell)
    assert "_netwatchd netwatchd" in said("bash", "-c", 'source "$1"; complete -p netwatchd', "x", scripts["bash"])
    pages = [share / "man/man1/netwatchd.1", share / "man/man5/netwatchd.ini.5"]
    assert [page.read_text().split("\n.TH ")[1].split()[0] for page in pages] == ["NETWATCHD", "NETWATCHD.INI"]
    for path in [*pages, *scripts.values()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, "everybody may read it"
    # An update keeps the settings and the extras, and gives what else there is anew.
    assert not list(tmp_path.glob(EXTRA))
    make("install", tmp_path, EXTRAS="metrics")
    assert list(tmp_path.glob(EXTRA))
    settings.write_text("[logging]\nlevel = debug\n")
    pages[0].unlink()
    assert f"keeping your {settings}" in make("install", tmp_path)
    assert settings.read_text() == "[logging]\nlevel = debug\n"
    assert pages[0].exists() and list(tmp_path.glob(EXTRA))
    make("uninstall", tmp_path)
    left = [Path(path) / name for path, _, names in os.walk(tmp_path) for name in names]
    assert left == [settings]


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "opt/netwatchd").mkdir(parents=True)
    (tmp_path / "opt/netwatchd/letters").write_text("mine")
    with pytest.raises(AssertionError, match="holds something else"):
        make("install", tmp_path)
    assert (tmp_path / "opt/netwatchd/letters").read_text() == "mine"
