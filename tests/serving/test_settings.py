"""Settings: a configuration is read as data, and what cannot work is refused before anything is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Embedding, FirstStage, InsertRank
from rerank_plugins.errors import InvalidInput, UnmetNeed
from rerank_plugins.serving import Settings, read_config


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "methods.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_methods_come_from_a_file_in_its_order(tmp_path: Path) -> None:
    path = written(tmp_path, 'default = "b"\n[methods]\nb = "Embedding()"\na = "InsertRank(window=4)"\n')
    methods, default = read_config(path)
    assert list(methods.items()) == [("b", Embedding()), ("a", InsertRank(window=4))]
    assert default == "b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("methods = 3", "table"),
        ("[methods]\na = 3", "repr"),
        ("[methods]\na = 'Nonsense()'", "no method"),
        ("[methods]\na = \"__import__('os')\"", "repr|no method"),
        ("[method]\na = 'FirstStage()'", "not method"),
        ("default = 3", "a name"),
        ("[methods", "no TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read_config(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_config(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "wrong",
    [{"methods": {}}, {"default": "b"}, {"key": " "}, {"max_active": 0}, {"max_waiting": -1}, {"max_documents": 1.5}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Settings(**({"methods": {"a": FirstStage()}} | wrong))


def test_a_method_that_nothing_answers_is_refused_at_the_start() -> None:
    with pytest.raises(UnmetNeed, match="Embed"):
        Settings(methods={"a": FirstStage(), "b": Embedding()})
