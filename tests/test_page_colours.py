"""The colours of the page have the contrast that WCAG 2.2 AA asks for, in both themes."""

import re

import pytest

from netwatchd.broadcast.site import PAGE

TEXT = 4.5  # success criterion 1.4.3
GRAPHICS = 3.0  # success criterion 1.4.11
BACKS = ("back", "surface", "raised")
TEXTS = ("text", "muted", "accent", "in", "out", "good", "info", "low", "medium", "high", "critical")
TOKEN = re.compile(r"--([a-z-]+): #([0-9a-f]{6});")


def theme(name: str) -> dict[str, str]:
    """Colours of a theme by their names: those of the dark one stand above those that both have."""
    css = (PAGE / "page.css").read_text()
    light = dict(TOKEN.findall(css.split(":root {", 1)[1].split("}", 1)[0]))
    if name == "light":
        return light
    return light | dict(TOKEN.findall(css.split(':root[data-theme="dark"] {', 1)[1].split("}", 1)[0]))


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, as WCAG 2.2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_can_be_read_on_every_background_of_a_theme(name: str) -> None:
    colours = theme(name)
    pairs = [(text, back) for text in TEXTS for back in BACKS]
    pairs += [("text", "tint"), ("accent", "tint"), ("on-accent", "accent"), ("surface", "critical")]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < TEXT}
    assert not weak


@pytest.mark.parametrize("name", ["light", "dark"])
def test_what_can_be_used_stands_out_in_a_theme(name: str) -> None:
    colours = theme(name)
    weak = {back: ratio for back in BACKS if (ratio := contrast(colours["edge"], colours[back])) < GRAPHICS}
    assert not weak


def test_the_dark_theme_has_a_colour_of_its_own_for_each() -> None:
    light, dark = theme("light"), theme("dark")
    assert light.keys() == dark.keys()
    assert [name for name in light if light[name] == dark[name]] == []
