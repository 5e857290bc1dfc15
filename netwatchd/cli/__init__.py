"""The verbs of the command `netwatchd`: one function a verb, which returns the exit code."""

from netwatchd.cli.main import main

__all__ = ["main"]
