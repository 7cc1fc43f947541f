"""HTML that cannot be unsafe by oversight: what is not markup is escaped, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["NONE", "Html", "cell", "foreign", "joined", "table", "tag"]

NONE = "–"
"""What stands where there is no figure."""

_EMPTY = ("meta",)


class Html(str):
    """Markup; any other string is text."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str) -> Html:
    """An element. Of an attribute's name `_` at the end is dropped, and others become `-`.

    >>> tag("p", "1 < 2 ", tag("b", "&"), class_="a")
    '<p class="a">1 &lt; 2 <b>&amp;</b></p>'
    """
    keys = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    start = "".join([f"<{name}", *(f' {key}="{escape(value)}"' for key, value in keys.items()), ">"])
    return Html(start if name in _EMPTY else f"{start}{joined(children)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """Parts one after another, text escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def foreign(text: str) -> Html:
    """Text from the collection: escaped, and whatever its direction, the text around it keeps its own."""
    return tag("bdi", text)


def cell(head: str, *children: str) -> Html:
    """A cell with its column's head, which narrow screens show beside it; they leave out a cell without a figure."""
    empty = {"class_": "none"} if list(children) == [NONE] else {}
    return tag("td", tag("div", *children), role="cell", data_label=head, **empty)


def table(caption: str, heads: Sequence[str], rows: Iterable[tuple[Html, Sequence[Html]]], class_: str = "") -> Html:
    """A table that scrolls sideways on its own where it is too wide, and becomes a list of cards on a narrow screen.

    Args:
        caption: What it shows.
        heads: The heads of its columns, the first that of the row heads.
        rows: The head and the cells of each row.
        class_: Of the table.
    """
    # Roles are said because styles that lay a table out as cards take them away.
    head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in heads), role="row")
    body = [tag("tr", tag("th", name, scope="row", role="rowheader"), *cells, role="row") for name, cells in rows]
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
        class_=class_,
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)
