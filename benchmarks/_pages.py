"""Tables on their way to the terminal and, with --write, into the page that shows them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["show"]


def show(text: str, page: Path, block: re.Pattern[str]) -> None:
    """Print the text, and put it between the first and the second group of the block where that is asked for."""
    print(text)
    if "--write" in sys.argv:
        known = page.read_text(encoding="utf-8")
        page.write_text(block.sub(lambda match: f"{match[1]}{text}{match[2]}", known), encoding="utf-8")
