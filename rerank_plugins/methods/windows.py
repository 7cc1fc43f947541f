"""Sliding windows: a listwise method on a list that is longer than one prompt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from rerank_plugins.errors import InvalidInput, PromptTooLong
from rerank_plugins.requests import Request

__all__ = ["SMALLEST", "RankWindow", "Window", "check_stride", "slide", "smaller"]

Window = Generator[Sequence[Request], Sequence[Any], Sequence[int] | PromptTooLong]
RankWindow = Callable[[Sequence[int], bool], Window]
"""Rank the documents of one window: called with their indices as they stand, and with whether they may be cut.

It returns the named indices, best first, possibly not all; or the error that says that they do not fit.
"""

SMALLEST = 4
"""A window is not split below this; its documents are shortened instead."""


def check_stride(owner: str, window: int | None, stride: int | None) -> None:
    """Refuse a stride that would skip documents."""
    if window is not None and stride is not None and stride > window:
        raise InvalidInput(
            f"{owner}(stride=...) is between 1 and the window ({window!r}), not {stride!r}; a longer stride would skip "
            "documents."
        )


def slide(
    order: Sequence[int], size: int, stride: int | None, rank: RankWindow
) -> Generator[Sequence[Request], Sequence[Any], tuple[list[int], int]]:
    """Rank windows from the end of the list to its beginning, each starting with the best of the one before.

    Args:
        order: Indices as they stand before.
        size: Documents per window; it shrinks where they do not fit the model.
        stride: By how many documents the window moves, at least 1; None is half a window.
        rank: Ranks one window. What it does not name keeps its order behind what it names.

    Returns:
        The indices as they stand after, and the size of the window that fitted.
    """
    order, end = list(order), len(order)
    while True:
        start = max(0, end - size)
        window = order[start:end]
        named = yield from rank(window, size <= SMALLEST)
        if isinstance(named, PromptTooLong):
            size = smaller(min(size, len(window)), named)
            continue
        order[start:end] = [*named, *(index for index in window if index not in set(named))]
        if start == 0:
            return order, size
        end -= min(stride or size // 2, size)


def smaller(size: int, error: PromptTooLong) -> int:
    """A size that should fit: by the numbers of the error, with a tenth to spare, else half."""
    fits = size // 2
    if error.limit and error.needed and error.needed > error.limit:
        fits = int(size * error.limit / error.needed * 0.9)
    return max(SMALLEST, min(fits, size - 1))
