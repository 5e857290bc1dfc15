"""config.ini and docs/CONFIG.md, made from the fields that the program reads (`make docs`).

Each begins with a text of its own, which is kept; all below is made anew: a section's docstring, and each setting with
its default and its meaning.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import Field
from pathlib import Path
from typing import Any

from netwatchd import config
from netwatchd.reload import reloadable

ROOT = Path(__file__).parent.parent
SHIPPED, PAGE = ROOT / "config.ini", ROOT / "docs/CONFIG.md"
WIDTH = 118  # of a comment, without its sign
HEAD = "| key | default | reload | meaning |\n|---|---|---|---|\n"


def sections() -> Iterator[tuple[str, str, dict[str, Field[Any]]]]:
    """Each section: its name, what it is about, its settings."""
    for name, section in config.sections().items():
        kind: Any = section.default_factory
        yield name, " ".join(kind.__doc__.split()), config.settings_of(kind)


def comment(text: str) -> str:
    """A text as lines of a comment."""
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False))


def shipped(text: str) -> str:
    """config.ini with the settings as they are now, below its first paragraph."""
    blocks = [text.strip().split("\n\n")[0]]
    for name, about, settings in sections():
        blocks.append(f"{comment(about)}\n[{name}]")
        for key, field in settings.items():
            default = f"#{key} = {field.metadata['default']}".rstrip()
            blocks.append(f"{comment(field.metadata['meaning'])}\n{default}")
    return "\n\n".join(blocks) + "\n"


def page(text: str) -> str:
    """docs/CONFIG.md with the settings as they are now, below what stands before its first section."""
    blocks = [text.partition("\n## ")[0].rstrip()]
    for name, about, settings in sections():
        rows = "\n".join(_row(name, key, field.metadata) for key, field in settings.items())
        blocks.append(f"## [{name}]\n\n{about}\n\n{HEAD}{rows}")
    return "\n\n".join(blocks) + "\n"


def _row(section: str, key: str, field: Any) -> str:
    default = f"`{field['default']}`" if field["default"] else ""
    return f"| `{key}` | {default} | {'yes' if key in reloadable(section) else ''} | {field['meaning']} |"


def main() -> None:
    """Writes both anew, and says which of them have changed."""
    for path, made in ((SHIPPED, shipped), (PAGE, page)):
        before = path.read_text()
        after = made(before)
        path.write_text(after)
        print(f"{path.relative_to(ROOT)}: {'as it was' if after == before else 'written anew'}")


if __name__ == "__main__":
    main()
