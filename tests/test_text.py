"""Prompts that know their documents, and the cap that shortens only the longest."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.text import Document, Prompt, cap_for


@given(st.lists(st.text().map(Document) | st.text()), st.integers(0, 20))
def test_a_prompt_is_its_text_and_only_documents_shrink(parts: list[str], limit: int) -> None:
    prompt = Prompt.of(*parts)
    assert prompt == "".join(parts)
    short = prompt.shortened(limit)
    assert all(len(document) <= limit + 1 for document in short.documents)
    fixed = [part for part in parts if not isinstance(part, Document)]
    assert [part for part in short.parts if not isinstance(part, Document)] == fixed


def test_it_is_a_string_to_everything_else() -> None:
    prompt = Prompt.of("a ", Document("b"))
    assert json.dumps(prompt) == '"a b"'
    assert {prompt: 1}["a b"] == 1


@given(st.lists(st.integers(0, 500)), st.integers(0, 2000))
def test_the_cap_fills_the_room_and_no_more(lengths: list[int], room: int) -> None:
    cap = cap_for(lengths, room)
    assert sum(min(length, cap) for length in lengths) <= room
    if lengths and sum(lengths) > room:
        assert sum(min(length, cap + 1) for length in lengths) > room
