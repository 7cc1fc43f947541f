"""Coverage: a list whose beginning has something for each part of a question, not ten documents for one of them."""

from __future__ import annotations

from collections.abc import Sequence

from rerank_plugins.ranking import Ranking

__all__ = ["cover", "covering", "relevance"]


def cover(relevance: Sequence[float], parts: Sequence[Sequence[float]], weight: float) -> list[int]:
    """Order documents so that each next one adds most: its own relevance, and what it has for parts still missing.

    This is xQuAD: Santos, Macdonald and Ounis, Exploiting Query Reformulations for Web Search Result Diversification,
    WWW 2010, with parts that matter equally. A part is missing by the product of 1 - score over the documents before.

    Args:
        relevance: For each document, how well it answers the whole question, 0 to 1.
        parts: For each part, how well each document answers it, 0 to 1.
        weight: How much the missing parts count against the relevance, 0 to 1.

    Returns:
        The positions of the documents; of equal ones the earlier first.

    >>> cover([1.0, 0.5, 0.2], [[0.9, 0.8, 0.0], [0.0, 0.1, 0.9]], 0.5)
    [0, 2, 1]
    """
    left, missing, order = list(range(len(relevance))), [1.0] * len(parts), list[int]()
    while left:
        shares = [lack * weight / len(parts) for lack in missing]
        gains = {
            place: (1 - weight) * relevance[place]
            + sum(share * part[place] for share, part in zip(shares, parts, strict=True))
            for place in left
        }
        best = max(left, key=lambda place: (gains[place], -place))
        missing = [lack * (1 - part[best]) for lack, part in zip(missing, parts, strict=True)]
        left.remove(best)
        order.append(best)
    return order


def relevance(ranking: Ranking, count: int) -> list[float]:
    """The scores of a ranking brought to 0 to 1; the lowest for what has none.

    >>> from rerank_plugins import Candidate
    >>> from rerank_plugins.ranking import order_by, settle
    >>> relevance(settle(order_by([2.0, None, 6.0, 3.0]), [Candidate("text")] * 4), 4)
    [0.0, 0.0, 1.0, 0.25]
    """
    scores = {item.index: item.score for item in ranking if item.score is not None}
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return [(scores.get(index, low) - low) / (high - low) if high > low else 0.0 for index in range(count)]


def covering(ranking: Ranking, ranks: Sequence[Sequence[int | None]], weight: float) -> list[int]:
    """Order what a ranking keeps so that its beginning serves each part.

    Args:
        ranking: The documents, ranked against the whole question.
        ranks: For each part, the rank that each document has for it, by the indices of the ranking; None where it was
            not found. A rank counts as 1 / rank: scores for different parts cannot be compared.
        weight: As for `cover`.

    >>> from rerank_plugins import Candidate
    >>> from rerank_plugins.ranking import order_by, settle
    >>> ranking = settle(order_by([3.0, 2.0, 1.0]), [Candidate("text")] * 3)
    >>> covering(ranking, [[1, 2, None], [None, None, 1]], 0.7)
    [0, 2, 1]
    """
    count = len(ranking) + len(ranking.dropped)
    parts = [[1 / rank if rank else 0.0 for rank in of_part] for of_part in ranks]
    left_out = {item.index for item in ranking.dropped}
    return [index for index in cover(relevance(ranking, count), parts, weight) if index not in left_out]
