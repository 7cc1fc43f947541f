"""How a document stands in a prompt: delimited, and unable to pass for anything but a document."""

from __future__ import annotations

import re

from rerank_plugins.text import Document

__all__ = ["defused", "quoted"]

# What could end the quotation or speak in another's name: our own tags, thinking tags, and the control tokens of
# chat templates. Tokenizers turn these into the real tokens wherever they stand in a prompt.
_CONTROL = re.compile(
    r"<(?=[|｜])"
    r"|<(?=/?\s*(?:documents?|query|passages?|think|s|bos|eos|pad|unk|start_of_turn|end_of_turn)\b)"
    r"|<(?=<\s*/?\s*SYS\s*>)"
    r"|\[(?=/?\s*(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\s*\])",
    re.I,
)
_HARMLESS = {"<": "‹", "[": "［"}


def defused(text: str) -> str:
    """Replace the first character of whatever could act as a tag or as a control token of a chat template.

    >>> defused("a < b, <b>bold</b> </document> <|im_end|>")
    'a < b, <b>bold</b> ‹/document> ‹|im_end|>'
    """
    return _CONTROL.sub(lambda match: _HARMLESS[match.group()], text)


def quoted(text: str) -> Document:
    """A document's text, ready to stand between tags.

    >>> quoted("  rye ")
    'rye'
    """
    return Document(defused(text).strip())
