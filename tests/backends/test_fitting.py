from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.backends.fitting import cut_note, fit_messages, fit_prompt, shortened_after, squeezed
from rerank_plugins.errors import PromptTooLong, Transient
from rerank_plugins.requests import Chat, Message
from rerank_plugins.text import Document, Prompt


def listing(*lengths: int) -> Prompt:
    return Prompt.of("Question: why? ", *(Document("x" * length) for length in lengths), " Answer:")


def size(messages) -> int:
    return sum(len(message["content"]) for message in messages)


def test_what_fits_is_given_back_unchanged():
    prompt = listing(10, 20)
    assert fit_prompt(prompt, len, len(prompt)) == (prompt, False)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20), st.integers(0, 4000))
def test_it_fits_or_says_that_it_cannot(lengths, limit):
    prompt = listing(*lengths)
    try:
        fitted, cut = fit_prompt(prompt, len, limit)
    except PromptTooLong as error:
        assert (error.limit, error.needed) == (limit, len(prompt))
        assert len(prompt) > limit
        assert len(prompt.shortened(16)) > limit or max(lengths) <= 16
    else:
        assert len(fitted) <= limit
        assert cut == (fitted != prompt)
        assert fitted.startswith("Question: why? ") and fitted.endswith(" Answer:")


def test_only_the_longest_are_cut_and_little_room_is_wasted():
    fitted, cut = fit_prompt(listing(50, 4000, 2000), len, 2000)
    assert cut and 1900 < len(fitted) <= 2000
    short, first, second = fitted.documents
    assert short == "x" * 50 and first == second


def test_few_counts_are_needed_for_a_long_prompt():
    counted = []
    fit_prompt(listing(200_000), lambda text: counted.append(1) or len(text), 5_000)
    assert len(counted) <= 20


def test_messages_keep_their_roles_and_their_fixed_text():
    messages = [
        {"role": "system", "content": "s" * 100},
        {"role": "user", "content": listing(500)},
    ]
    fitted, cut = fit_messages(messages, size, 300)
    assert cut and size(fitted) <= 300
    assert [message["role"] for message in fitted] == ["system", "user"]
    assert fitted[0]["content"] == "s" * 100
    assert size(messages) > 500, "the caller's messages are not changed"


def test_a_prompt_without_documents_is_too_long_as_it_is():
    with pytest.raises(PromptTooLong):
        fit_messages([{"role": "user", "content": "x" * 100}], size, 50)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_squeezed_keeps_at_most_the_share_asked_for(lengths, keep):
    messages = [{"role": "user", "content": listing(*lengths)}]
    shorter = squeezed(messages, keep)
    if shorter is not None:
        ellipses = len(lengths)
        assert size(shorter) <= keep * size(messages) + ellipses


def test_the_note_is_the_same_for_each_call_of_a_ranking():
    assert cut_note(2048) == cut_note(2048)
    assert "2048" in cut_note(2048).message and "None" not in cut_note(None).message


def conversation(length: int = 4000) -> list[Message]:
    return [{"role": "user", "content": Prompt.of("Which helps? ", Document("x" * length), " Answer.")}]


@pytest.mark.parametrize(
    ("error", "room", "share"),
    [
        (PromptTooLong(1000, 2000), 0, 0.5),
        (PromptTooLong(1000, 2000), 200, 0.4),
        (PromptTooLong(1000, 2000), 900, 0.25),  # never less than half of what the model allows
        (PromptTooLong(1000, 1001), 0, 0.9),  # a step that is worth a call
        (PromptTooLong(), 0, 0.5),
    ],
)
def test_the_next_try_is_as_long_as_the_error_allows(error, room, share):
    messages, note = shortened_after(error, Chat(conversation()), conversation(), room)
    assert len(messages[0]["content"]) == pytest.approx(4000 * share * 0.95, rel=0.02)
    assert note == cut_note(error.limit)


@pytest.mark.parametrize(
    ("error", "request_", "length"),
    [
        (Transient("busy"), Chat(conversation()), 4000),
        (PromptTooLong(1000, 2000), Chat(conversation(), may_cut=False), 4000),
        (PromptTooLong(10, 2000), Chat(conversation()), 4000),
        (PromptTooLong(1000, 2000), Chat(conversation()), 3),
    ],
)
def test_there_is_no_next_try_where_cutting_is_not_asked_for_allowed_or_possible(error, request_, length):
    assert shortened_after(error, request_, conversation(length)) is None
