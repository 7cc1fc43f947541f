"""A ranking for people to look at: a few lines in a terminal, a table in a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rerank_plugins.ranking import Ranked, Ranking

__all__ = ["as_html", "as_text"]

_MOST_ROWS = 10  # of a list in a terminal, which shall fit a screen
_MOST_ROWS_OF_TABLE = 50
_WIDTH = 72
_LONGEST_TEXT = 280
_LONGEST_REASON = 400


def as_text(ranking: Ranking) -> str:
    """A heading, the first documents with where they stood before, and what else there is to know.

    >>> from rerank_plugins import FirstStage, rerank
    >>> rerank(FirstStage(), "how long to proof?", ["one hour", "two hours"], top_n=1)
    Ranking by FirstStage(): 1 ranked, 1 dropped, scores are an order, 0 calls
      1. (was 1) 1.000  one hour
    """
    rows = [_line(item) for item in ranking[:_MOST_ROWS]]
    more = len(ranking) - len(rows)
    rows += [f"  ... and {more} more"] if more > 0 else []
    notes = [f"  {note.kind}: {textwrap.shorten(note.message, _WIDTH)}" for note in ranking.notes[:3]]
    notes += [f"  ... and {len(ranking.notes) - 3} more notes"] if len(ranking.notes) > 3 else []
    return "\n".join([_heading(ranking), *rows, *notes])


def _heading(ranking: Ranking) -> str:
    kind = {"order": "an order", "relative": "relative", "absolute": "absolute"}[ranking.score_kind]
    usage = ranking.usage
    spent = f"{usage.calls} call{'' if usage.calls == 1 else 's'}"
    if usage.prompt_tokens or usage.completion_tokens:
        spent += f", {usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    counts = f"{len(ranking)} ranked, {len(ranking.dropped)} dropped"
    return f"Ranking by {ranking.method or 'a method'}: {counts}, scores are {kind}, {spent}"


def _line(item: Ranked) -> str:
    text = textwrap.shorten(item.candidate.text, _WIDTH, placeholder=" ...")
    return f"  {item.rank}. ({_before(item)}) {_score(item.score)}  {text}"


def _before(item: Ranked) -> str:
    return "found" if item.added else f"was {item.index + 1}"


def _score(score: float | None) -> str:
    return "no score" if score is None else f"{score:.3f}"


def as_html(ranking: Ranking) -> str:
    """A table of before, after and why; documents are strangers' texts, so that everything is escaped."""
    rows = "".join(_row(item) for item in ranking[:_MOST_ROWS_OF_TABLE])
    more = len(ranking) - _MOST_ROWS_OF_TABLE
    rest = [f"<p>... and {more} more</p>"] if more > 0 else []
    if ranking.dropped:
        rest.append(_list(f"{len(ranking.dropped)} dropped", [_dropped(item) for item in ranking.dropped]))
    if ranking.notes:
        rest.append(_list("Notes", [f"{_e(note.kind)}: {_e(note.message)}" for note in ranking.notes]))
    head = "".join(
        f"<th style='text-align:left'>{name}</th>" for name in ("after", "before", "score", "document", "why")
    )
    return (
        f"<div class='rerank-plugins'><p><b>{_e(_heading(ranking))}</b></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{''.join(rest)}</div>"
    )


def _row(item: Ranked) -> str:
    moved = 0 if item.added else item.index + 1 - item.rank
    sign = "" if item.added else " &#9650;" if moved > 0 else " &#9660;" if moved < 0 else " ="
    before = "found" if item.added else f"{item.index + 1}{sign}{abs(moved) or ''}"
    score = _score(item.score) + ("" if item.judged else " (not judged)")
    cells = [str(item.rank), before, _e(score), _e(_cut(item.candidate.text, _LONGEST_TEXT)), _reasons(item.why)]
    return "<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{cell}</td>" for cell in cells) + "</tr>"


def _reasons(why: Mapping[str, Any]) -> str:
    said = [f"<b>{_e(name)}</b>: {_e(_cut(_plain(value), _LONGEST_REASON))}" for name, value in why.items()]
    return "<br>".join(said)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _dropped(item: Any) -> str:
    before = "found" if item.added else str(item.index + 1)
    return f"{before}: {_e(item.reason)} ({_e(_cut(item.candidate.text, 80))})"


def _list(title: str, entries: list[str]) -> str:
    items = "".join(f"<li>{entry}</li>" for entry in entries[:_MOST_ROWS_OF_TABLE])
    return f"<details><summary>{_e(title)}</summary><ul>{items}</ul></details>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."


def _e(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)
