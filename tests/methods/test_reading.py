"""Reading a method from its repr: data, never code."""

import pytest

from rerank_plugins import Cascade, Embedding, FirstStage, Fuse, InsertRank, read_method
from rerank_plugins.errors import InvalidInput
from rerank_plugins.methods import METHODS, method_names


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("InsertRank()", InsertRank()),
        ("InsertRank", InsertRank()),
        (" InsertRank( window = 20, bm25 = None ) ", InsertRank(window=20, bm25=None)),
        ("Fuse(Embedding(), FirstStage(), weights=(1, -0.5))", Fuse(Embedding(), FirstStage(), weights=(1, -0.5))),
        ("Cascade(FirstStage(), InsertRank(), keep=[7])", Cascade(FirstStage(), InsertRank(), keep=(7,))),
    ],
)
def test_what_it_reads(text: str, method: object) -> None:
    assert read_method(text) == method


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "named by its repr"),
        ("3", "named by its repr"),
        ("InsertRank(", "named by its repr"),
        ("Insertrank()", "There is no method 'Insertrank'; there are"),
        ("InsertRank(windows=3)", "windows"),
        ("InsertRank(window=1)", "at least 2"),
        ("InsertRank(window=open('x'))", "There is no method 'open'"),
        ("__import__('os').system('true')", "neither a plain value nor a method"),
        ("InsertRank(bm25=[x for x in 'ab'])", "neither a plain value nor a method"),
        ("InsertRank(**{'window': 3})", "neither a plain value nor a method"),
        ("(lambda: 1)()", "neither a plain value nor a method"),
        ("(" * 500, "named by its repr"),
    ],
)
def test_what_it_refuses(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")):
        read_method(text)


def test_the_shipped_methods_are_known() -> None:
    assert set(METHODS) <= set(method_names())
