"""Labels of one token and of several: all of a model's probability, each part of it once."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from rerank_plugins.backends.local.labels import LabelTokens
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import InvalidInput
from rerank_plugins.requests import Choose, Chosen, Message
from tests.backends.local import reference

QUESTION: list[Message] = [{"role": "user", "content": "How good is rye, from 0 to 10?"}]
DIGITS = [(digit,) for digit in range(10)]


def a_table(depths: int) -> list[list[float]]:
    draw = random.Random(depths)
    rows = [[draw.random() for _ in range(10)] for _ in range(depths)]
    return [[math.log(value / sum(row)) for value in row] for row in rows]


def read(paths: Sequence[tuple[int, ...]], table: list[list[float]]) -> list[float]:
    labels = LabelTokens(tuple(paths))
    return labels.read([[table[depth][token] for token in asked] for depth, asked in enumerate(labels.wanted)])


def test_labels_of_one_token_are_read_as_they_are() -> None:
    (table,) = a_table(1)
    assert read(DIGITS, [table]) == table


def test_a_label_that_begins_another_has_what_that_one_leaves() -> None:
    first, second = a_table(2)
    masses = [math.exp(value) for value in read([*DIGITS, (1, 0)], [first, second])]
    assert sum(masses) == pytest.approx(1)
    assert masses[10] == pytest.approx(math.exp(first[1] + second[0]))


def test_a_chain_of_three_is_counted_once() -> None:
    table = a_table(3)
    one, ten, hundred, twelve = (math.exp(value) for value in read([(1,), (1, 0), (1, 0, 0), (1, 2)], table))
    begun = math.exp(table[0][1])
    assert one + ten + hundred + twelve == pytest.approx(begun)
    assert ten + hundred == pytest.approx(begun * math.exp(table[1][0]))


def test_rounding_leaves_a_number() -> None:
    assert math.isfinite(read([(1,), (1, 0)], [[0.0] * 10, [1e-7] * 10])[0])


def test_labels_that_branch_are_named() -> None:
    with pytest.raises(InvalidInput, match="branch before"):
        LabelTokens(((1, 0), (2, 0)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", pytest.param("smollm2", marks=pytest.mark.xdist_group("smollm2"))])
def test_scores_up_to_ten_agree_with_single_passes(name: str, request: pytest.FixtureRequest) -> None:
    backend: TransformersLM = request.getfixturevalue(name)
    labels = tuple(map(str, range(11)))
    asked = Choose(QUESTION, labels)
    (reply,) = dict(backend.answer_batch([asked])).values()
    assert isinstance(reply, Chosen)
    expected = one_by_one(backend, asked)
    assert [reply.logprobs[label] for label in labels] == pytest.approx(expected, abs=1e-4)


def one_by_one(backend: TransformersLM, asked: Choose) -> list[float]:
    """The scores 0 to 10 from one whole prompt for each position."""
    model, tokenizer = reference.model_of(backend)
    ids = reference.prompt_ids(tokenizer, asked)
    digits: list[Any] = [tokenizer(str(digit), add_special_tokens=False)["input_ids"] for digit in range(10)]
    assert all(len(digit) == 1 for digit in digits)
    first = reference.next_logprobs(model, ids)[-1]
    second = reference.next_logprobs(model, [*ids, *digits[1]])[-1]
    scores = [float(first[digit[0]]) for digit in digits]
    ten = float(second[digits[0][0]])
    return [scores[0], scores[1] + math.log(1 - math.exp(ten)), *scores[2:], scores[1] + ten]
