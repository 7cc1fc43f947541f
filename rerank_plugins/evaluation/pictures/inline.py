"""A figure as a part of an HTML page: an SVG that takes the page's colours and scales with it."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any
from xml.etree import ElementTree  # reads nothing but what matplotlib has just written

from rerank_plugins.evaluation.pictures.style import COLOURS, styled

__all__ = ["inline_svg"]

_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_REFERENCE = re.compile(r"url\(#(.+?)\)")
_COLOUR = re.compile("|".join(COLOURS.values()))
_PARTS = {colour: f"var(--{part})" for part, colour in COLOURS.items()}


def inline_svg(figure: Any, name: str, said: str) -> str:
    """An `<svg>` element for an HTML page.

    Args:
        figure: A `matplotlib.figure.Figure`.
        name: What sets its ids apart from those of the page's other pictures.
        said: What it shows, for those who do not see it.

    Returns:
        The element. Its colours are the CSS variables `--ink`, `--gain` and so on, and its background is the page's.
    """
    file = StringIO()
    with styled():
        figure.savefig(file, format="svg", transparent=True, metadata=_METADATA)
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314 # as above
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({key: _written(key, value, name) for key, value in attributes.items()})
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "aria-label": said})
    return ElementTree.tostring(root, encoding="unicode")


def _written(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    return _COLOUR.sub(lambda found: _PARTS[found[0]], value)
