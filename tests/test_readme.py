"""The Python of README.md runs, against a real endpoint on loopback and real chains over fake models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import Ranking
from rerank_plugins.requests import Chat
from rerank_plugins.testing import Grader, ScriptedEndpoint

TEXT = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PASSAGES = [f"Passage {number} on bread." for number in range(60)]


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    return names


def block(words: str) -> str:
    (found,) = [text for text in BLOCKS if words in text]
    return found


def test_every_block_is_tried_here() -> None:
    assert len(BLOCKS) == 6


def test_in_neither(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedEndpoint('{"ranking": [2, 1, 3]}') as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(block("Limits(deadline_s=20"), {})
    ranking: Ranking = names["ranking"]
    assert len(ranking) == 3
    assert ranking.notes == ()
    run(block("ranking.dropped"), names)
    assert "Rye needs acid" in capsys.readouterr().out


def test_rebel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    grader = Grader(lambda shown, text, name: len(text) % 5)
    with ScriptedEndpoint(lambda asked: grader(Chat(asked["messages"]))) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(block("Criterion("), {"candidates": PASSAGES})
    assert len(names["ranking"]) == 60
    assert [part["name"] for part in names["ranking"][0].why["criteria"]] == ["safety"]
    assert "'relevance': " in capsys.readouterr().out


def test_parts_and_evidence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def says(asked: dict[str, Any]) -> str:
        wanted = json.dumps(asked.get("response_format"))
        if "subquestions" in wanted:
            return '{"subquestions": ["what holds rye dough?", "what is done with wheat dough?"]}'
        if "rationales" in wanted:
            return '{"rationales": [{"label": "binder", "strategy": "Says what holds rye dough."}]}'
        return '{"ranking": [1, 2, 3]}'

    with ScriptedEndpoint(says) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        names = run(block("ChunkNeighbours"), {})
    found, checked = names["found"], names["checked"]
    assert {part["question"] for item in found for part in item.why["serves"]} >= {"what holds rye dough?"}
    assert all(item.added for item in found)
    assert 2 in checked.order and checked[0].why["best_rationale"]["label"] == "binder"
    assert "what holds rye dough?" in capsys.readouterr().out


def test_in_llama_index(monkeypatch: pytest.MonkeyPatch) -> None:
    core = pytest.importorskip("llama_index.core")
    monkeypatch.setattr(core.Settings, "_llm", core.llms.MockLLM())
    embed_model = core.MockEmbedding(embed_dim=4)
    nodes = [core.schema.TextNode(text=text) for text in PASSAGES]
    index = core.VectorStoreIndex(nodes, embed_model=embed_model)
    engine = run(block("RerankPostprocessor("), {"index": index, "llm": core.llms.MockLLM()})["engine"]
    assert len(engine.retrieve(core.schema.QueryBundle("bread"))) == 5


def test_in_langchain() -> None:
    pytest.importorskip("langchain_classic")
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore.from_texts(PASSAGES, DeterministicFakeEmbedding(size=4))
    chat_model = FakeListChatModel(responses=["[2] > [1]"])
    retriever = run(block("RerankCompressor("), {"store": store, "chat_model": chat_model})["retriever"]
    found = retriever.invoke("bread")
    assert len(found) == 5
    assert found[0].metadata["rerank_plugins"]["rank"] == 1
