"""The command line within this process, for tests that ask much of it: a process each would take long."""

import json
import os
import time
from typing import Any, NamedTuple

import pytest

from netwatchd.cli import main


class Answer(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Runs commands in an environment: what is in `environment` holds for the next one."""

    def __init__(self, capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> None:
        self.environment = environment
        self._capsys = capsys

    def cli(self, *arguments: str) -> Answer:
        """What the command answers."""
        before = dict(os.environ)
        self._capsys.readouterr()
        os.environ |= self.environment
        time.tzset()
        try:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ |= before
            time.tzset()
        return Answer(int(ended.value.code or 0), *self._capsys.readouterr())

    def json(self, *arguments: str) -> Any:
        """What the command answers to a script."""
        answer = self.cli(*arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)
