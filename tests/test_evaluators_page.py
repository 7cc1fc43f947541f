"""The page on the frameworks' own evaluators: its code runs, in real evaluators over a scripted model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins.testing import ScriptedEndpoint

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "evaluators.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
TEXTS = {"a": "A spoon.", "b": "Salt.", "c": "Rye needs acid."}
NAMES = {"queries": {"q": "what does rye need?"}, "qrels": {"q": {"c": 1, "a": 0}}, "answers": {"q": "rye needs acid."}}

pytestmark = pytest.mark.slow  # to import the frameworks takes seconds


def rye_first(asked: Mapping[str, Any]) -> str:
    (identifier,) = re.findall(r'id="(\d)"[^>]*>\s*Rye', asked["messages"][-1]["content"])
    return f'{{"ranking": [{identifier}]}}'


def run(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "evaluators.md", "exec", dont_inherit=True), names)
    return names


def test_the_retriever_evaluator_of_llama_index(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("llama_index.llms.openai")
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.llms.openai import OpenAI

    class AsTheyAre(BaseRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            return [NodeWithScore(node=TextNode(text=text, id_=name)) for name, text in TEXTS.items()]

    with ScriptedEndpoint(rye_first) as endpoint:
        llm = OpenAI(model="gpt-4o-mini", api_base=endpoint.base_url, api_key="a key")
        run(BLOCKS[0], {**NAMES, "retriever": AsTheyAre(), "llm": llm})
    assert len(endpoint.requests) == 1
    before, after = capsys.readouterr().out.splitlines()
    assert before == f"before {{'mrr': {1 / 3}, 'hit_rate': 1.0}}"
    assert after == "after {'mrr': 1.0, 'hit_rate': 1.0}"


def test_batch_and_string_evaluators_of_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("langchain_openai")
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    class AsTheyAre(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
            return [Document(text, id=name) for name, text in TEXTS.items()]

    with ScriptedEndpoint(rye_first) as endpoint:
        llm = ChatOpenAI(model="gpt-4o-mini", base_url=endpoint.base_url, api_key=SecretStr("a key"))
        names = run(BLOCKS[1], {**NAMES, "first_stage": AsTheyAre(), "llm": llm})
        assert capsys.readouterr().out.splitlines() == ["before 0.5", "after 1.0"]
        run(BLOCKS[2], names)
    assert len(endpoint.requests) == 2
    assert capsys.readouterr().out.splitlines() == ["before 0.0", "after 1.0"]
    assert len(BLOCKS) == 3
