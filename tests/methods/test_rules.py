"""Options: one rule each, one form of sentence, plain values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from rerank_plugins import (
    Cascade,
    Decompose,
    Eliminate,
    Embedding,
    First,
    FirstStage,
    Fuse,
    Graded,
    InContext,
    InsertRank,
    Meteora,
    Rebel,
    Setwise,
    UpTo,
    YesNo,
    read_method,
)
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods.base import Options

WRONG: list[tuple[Any, dict[str, list[Any]]]] = [
    (InsertRank, {"window": [1, 0, "20", 2.5, True], "stride": [0, "x"], "shown": ["raw ", 0, None]}),
    (First, {"window": [1, 27, "20", None, True], "stride": [0, 21, "x"]}),
    (InContext, {"window": [1, "x"], "layers": [(8,), (16, 8), "8", (1.5, 2), 8], "abnormal": [0, -1, "2", np.nan]}),
    (Graded, {"scale": [0, 101, "10", True, 2.5], "reading": ["mode", None], "document_first": ["yes", 1, None]}),
    (YesNo, {"labels": ["Yes", ("Yes",), ("a", "a"), ("a", ""), (1, 0)], "document_first": [0]}),
    (Setwise, {"k": [0, "x", None], "set_size": [2, 27, "x"], "sort": ["bubble"], "by": [None], "reasoning": ["no"]}),
    (Eliminate, {"k": [0, True], "set_size": [1, 27], "at_once": [0, 20, "x"], "by": ["x"], "reasoning": [1]}),
    (Rebel, {"turns": [3, "1", True], "batch": [0, "x"], "anchors": [-1], "effort": ["much"], "samples": [0]}),
    (Rebel, {"temperature": [-1, "hot"], "reasons": ["x"], "floor": [-1, np.inf], "keep": [-1], "metadata": [[1], 7]}),
    (Decompose, {"max_subquestions": [0, 21], "k": [0, "x"], "keep": [-1], "coverage": [1], "rounds": [0, 5, 1.5]}),
    (
        Decompose,
        {"coverage_by": ["x"], "coverage_weight": [-0.1, 1.1, "x"], "temperature": [-1], "subquestions": [[1]]},
    ),
    (Meteora, {"rationales": [-1, 2.5, None], "pairing": ["x"], "elbow": [None], "z": [-1], "min_pooled": [0]}),
    (
        Meteora,
        {"max_pooled": [0], "expand": [-1], "verify": [1, None], "sure": ["x"], "order": ["x"], "source_key": [""]},
    ),
]


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [(cls, name, value) for cls, options in WRONG for name, values in options.items() for value in values],
)
def test_a_wrong_option_gets_one_form_of_sentence(cls: Any, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        cls(**{name: value})
    said = str(refused.value)
    assert re.match(rf"{cls.__name__}\({name}=\.\.\.\) (is|has) ", said) or said.startswith("Rationales come"), said
    assert repr(value) in said or repr(tuple(value) if isinstance(value, list) else value) in said


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda value: Fuse(FirstStage(), weights=value), "12"),
        (lambda value: Fuse(FirstStage(), norm=value), "x"),
        (lambda value: Cascade(Embedding(), FirstStage(), keep=value), 0),
        (lambda value: Cascade(Embedding(), FirstStage(), keep=value), (1, 2)),
        (lambda value: UpTo(Graded(), threshold=value), "6"),
        (lambda value: UpTo(Graded(), k=value, threshold=6), 0),
        (lambda value: UpTo(Graded(), elbow=value), "x"),
    ],
)
def test_methods_of_methods_as_well(make: Any, value: Any) -> None:
    with pytest.raises(InvalidInput, match=re.escape(repr(value))):
        make(value)


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (InsertRank(window=np.int64(20), stride=np.int32(10)), InsertRank(window=20, stride=10)),
        (Graded(scale=np.int16(4), document_first=np.True_), Graded(scale=4, document_first=True)),
        (InContext(layers=[5, 9], abnormal=np.float32(1.5)), InContext(layers=(5, 9), abnormal=1.5)),
        (Rebel(turns=np.int64(1), floor=np.float64(2.5)), Rebel(turns=1, floor=2.5)),
        (UpTo(Graded(), k=np.int64(3), threshold=np.float64(6.0)), UpTo(Graded(), k=3, threshold=6.0)),
        (Cascade(Embedding(), FirstStage(), keep=np.int64(5)), Cascade(Embedding(), FirstStage(), keep=5)),
        (Meteora(rationales=np.int64(4), expand=np.int8(0)), Meteora(rationales=4, expand=0)),
    ],
)  # fmt: skip
def test_numbers_of_numpy_become_plain(made: Any, plain: Any) -> None:
    assert made == plain and repr(made) == repr(plain)
    assert read_method(repr(made)) == plain


def test_each_rule_is_for_an_option() -> None:
    for cls in Options.__subclasses__():
        if cls.__module__.startswith("rerank_plugins."):
            assert set(cls.rules) <= set(cls.__dataclass_fields__), cls
