"""Where labels go so that they cover neither each other nor the points, as far as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

__all__ = ["Box", "apart", "place", "shortened"]


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels, from its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        up = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, across) * max(0.0, up)

    @property
    def area(self) -> float:
        """Width by height."""
        return self.width * self.height


_RADII = (8.0, 13.0, 19.0, 27.0)
_SIDES = ((1, 0), (-1, 0), (1, 0.7), (-1, 0.7), (1, -0.7), (-1, -0.7), (0, 1), (0, -1))


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    room: Box,
    lines: Sequence[Box] = (),
) -> list[Box | None]:
    """Find a free place for each label, near its point.

    Args:
        points: Where the points are.
        sizes: Width and height of the label of each.
        room: Where labels may be.
        lines: What else they should not cover.

    Returns:
        A box for each label; None where there is no free place near its point.

    >>> place([(50, 50), (52, 50)], [(20, 10), (20, 10)], Box(0, 0, 100, 100))
    [Box(x=58.0, y=45.0, width=20, height=10), Box(x=24.0, y=45.0, width=20, height=10)]
    """
    marks = [Box(x - 5, y - 5, 10, 10) for x, y in points]
    taken, found = [*marks, *lines], dict[int, Box | None]()
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        box = next(filter(_free(taken, room), _around(*points[index], *sizes[index])), None)
        taken += [] if box is None else [box]
        found[index] = box
    return [found[index] for index in range(len(points))]


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights at least `gap` from each other, each as near as can be to what it was.

    >>> apart([5, 1, 2], 2)
    [5.0, 0.5, 2.5]
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(heights)), key=lambda index: heights[index]):
        groups.append([index])
        while len(groups) > 1 and _low(groups[-1], heights, gap) < _high(groups[-2], heights, gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    spread = {index: _low(group, heights, gap) + gap * step for group in groups for step, index in enumerate(group)}
    return [spread[index] for index in range(len(heights))]


def shortened(labels: Sequence[str], width: int) -> list[str]:
    """Labels of about `width` characters; those that would become equal get their number in front.

    >>> shortened(["Fuse(Embedding(), BM25())", "Fuse(Embedding(), YesNo())", "Rebel()"], 12)
    ['1 Fuse(Embeddi...', '2 Fuse(Embeddi...', 'Rebel()']
    """
    plain = ["".join(letter if letter.isprintable() else " " for letter in label) for label in labels]
    short = [label if len(label) <= width + 3 else f"{label[:width].rstrip()}..." for label in plain]
    return [f"{number} {label}" if short.count(label) > 1 else label for number, label in enumerate(short, start=1)]


def _free(taken: Sequence[Box], room: Box) -> Callable[[Box], bool]:
    return lambda box: box.overlap(room) > box.area - 0.01 and not any(box.overlap(other) for other in taken)


def _around(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    for radius, (across, up) in product(_RADII, _SIDES):
        left = x + across * radius - (width if across < 0 else width / 2 if across == 0 else 0)
        low = y + up * radius - (height if up < 0 else height / 2 if up == 0 else 0)
        yield Box(left, low, width, height)


def _low(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return sum(heights[index] for index in group) / len(group) - gap * (len(group) - 1) / 2


def _high(group: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return _low(group, heights, gap) + gap * (len(group) - 1)
