"""What all pictures share: their colours, their width, and a figure that leaves the user's matplotlib as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rerank_plugins.errors import MissingExtra

__all__ = ["COLOURS", "SMALL", "WIDTH", "new_figure", "styled"]

COLOURS = {
    "ink": "#24292f",
    "muted": "#6b7480",
    "faint": "#c8ced6",
    "gain": "#0072b2",
    "loss": "#d55e00",
    "low": "#b8860b",
    "mid": "#1b998b",
    "high": "#4b3fb5",
}
"""The part that a colour plays, and the colour: told apart with any kind of colour vision."""

WIDTH = 4.4  # inches: readable on a phone without magnifying, and two stand beside each other on a screen
SMALL = 8  # points

_STYLE = {
    "axes.edgecolor": COLOURS["faint"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "font.family": "sans-serif",
    "font.size": 9,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the colours of a page
    "svg.hashsalt": "rerank-plugins",
    "text.color": COLOURS["ink"],
    "text.parse_math": False,  # a label is no formula
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
}


@contextmanager
def new_figure(height: float) -> Iterator[Any]:
    """A figure to draw on, in our style whatever the user's is, and unknown to pyplot; `height` is in inches."""
    with styled():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasAgg(figure)
        yield figure


@contextmanager
def styled() -> Iterator[None]:
    """Our style, while something is drawn or saved.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError:
        raise MissingExtra("A picture", "matplotlib", "plots") from None
    with style.context(["default", _STYLE]):
        yield
