"""A setting is one field: how it is read, its default as the user would write it, and what it means.

The shipped config.ini and docs/CONFIG.md are compared with these fields by a test, so nothing is described twice and
differently.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(read: Callable[[str], Any], default: str, meaning: str) -> Any:
    """A field of a section: how its text is read, the default as text, and what it means in a sentence."""
    return field(default=read(default), metadata={"read": read, "default": default, "meaning": meaning})
