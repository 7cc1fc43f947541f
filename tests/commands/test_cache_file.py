"""A cache in a file: a mapping like any other, and still there the next time."""

from pathlib import Path

import pytest

from rerank_plugins import InsertRank, rerank
from rerank_plugins.commands.cache_file import CacheFile
from rerank_plugins.errors import InvalidInput
from rerank_plugins.testing import FakeModel


def test_it_is_a_mapping() -> None:
    cache = CacheFile(":memory:")
    cache["a"], cache["b"] = "1", "2"
    cache["a"] = "3"
    assert dict(cache) == {"a": "3", "b": "2"}
    assert (len(cache), cache.get("c"), "b" in cache) == (2, None, True)
    del cache["b"]
    assert list(cache) == ["a"]
    with pytest.raises(KeyError):
        del cache["b"]


def test_what_was_kept_is_there_without_closing(tmp_path: Path) -> None:
    first = CacheFile(tmp_path / "cache")
    first["a"] = "ünï\u2028\x00"
    assert CacheFile(tmp_path / "cache")["a"] == "ünï\u2028\x00"


def test_replies_are_not_paid_for_twice(tmp_path: Path) -> None:
    calls = []
    for _ in range(2):
        cache = CacheFile(tmp_path / "cache")
        ranking = rerank(InsertRank(), "q", ["a", "b"], backends=FakeModel("[2] > [1]"), cache=cache)
        calls.append(ranking.usage.calls)
        assert ranking.order == [1, 0]
        cache.close()
    assert calls == [1, 0]


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is a text and no database. " * 99)
    for path in (tmp_path / "text", tmp_path, tmp_path / "missing" / "cache"):
        with pytest.raises(InvalidInput, match="cannot be used"):
            CacheFile(path)
