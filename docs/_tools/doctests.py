"""Docstrings as the site shows them: a doctest in a docstring is Python, and no quotation of Markdown."""

from __future__ import annotations

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Puts the examples of each docstring between fences."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Put fences around each paragraph that begins with a prompt.

    >>> print(fenced("Adds.\\n\\n>>> 1 + 1\\n2\\n\\nAnd so on."))
    Adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    And so on.
    """
    return "\n\n".join(
        f"```pycon\n{paragraph}\n```" if paragraph.startswith(">>> ") else paragraph for paragraph in text.split("\n\n")
    )
