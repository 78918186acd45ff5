"""Colours, each for light and for dark pages. A verdict has the same one everywhere."""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """One colour on white and on black."""

    light: str
    dark: str


_GREEN = Colour("#3f9a5b", "#56b877")
_RED = Colour("#c93c37", "#e5645e")
_GREY = Colour("#8a929c", "#7d8691")
_MAUVE = Colour("#8254b5", "#a987d8")
VERDICT = {
    "accept": _GREEN,
    "continue": _GREEN,
    "skip": Colour("#8cc79d", "#8ed3a4"),
    "quarantine": Colour("#8a5a33", "#b98a60"),
    "tempfail": Colour("#d99a1c", "#e8b548"),
    "reject": _RED,
    "discard": _MAUVE,
    "shutdown": Colour("#5b1f1d", "#9c4a47"),
    "lost": Colour("#b0267d", "#d95fae"),
    "error": Colour("#b0267d", "#d95fae"),
    "aborted": _GREY,
    "disconnected": Colour("#5c6570", "#a3abb5"),
    "skipped": Colour("#b9c7d8", "#55677d"),
    "not-asked": Colour("#d5d9de", "#3d444d"),
}
OTHERS = Colour("#b4bac2", "#5a626c")
_ROW = (
    Colour("#2f6fbf", "#5c9be6"),
    Colour("#d9761a", "#f0994a"),
    Colour("#2a9a8f", "#46bdb1"),
    Colour("#b23a8a", "#d970b6"),
    Colour("#8a9a1c", "#b6c64a"),
    Colour("#7a4fc0", "#a585e0"),
    Colour("#c2453a", "#e6776d"),
    Colour("#4a6a7a", "#86a6b6"),
)
MOST = len(_ROW)
"""Colours in a row that can be told apart."""


def nth(place: int) -> Colour:
    """Return a colour for something without one of its own."""
    return _ROW[place % MOST]


class Theme(NamedTuple):
    """What is around the lines."""

    name: str
    text: str
    grid: str
    major: str
    axis: str


THEMES = (
    Theme("light", "#4a525cff", "#0000000a", "#00000020", "#00000060"),
    Theme("dark", "#b3bbc5ff", "#ffffff0c", "#ffffff26", "#ffffff60"),
)
