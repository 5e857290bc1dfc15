"""A setting is one field: how it is read, its default as the user would write it, and what it means.

The shipped config.ini and docs/CONFIG.md are compared with these fields by a test, so nothing is described twice and
differently.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(read: Callable[[str], Any], default: str, meaning: str, *, repeats: bool = False) -> Any:
    """A field of a section: how its text is read, the default as text, and what it means in a sentence.

    `repeats`: it is a list, whose key may stand in several lines, which are taken together.
    """
    told = {"read": read, "default": default, "meaning": meaning, "repeats": repeats}
    return field(default=read(default), metadata=told)
