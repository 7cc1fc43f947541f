"""Every Python block of the README runs, in order, and what it says comes back does come back."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import TextNode

from rerank_plugins.testing.bodies import word_vector

README = Path(__file__).parent.parent / "README.md"

NODES = [
    TextNode(text="How is wheat dough stretched? Fold it.", metadata={"source": "wheat.md"}),
    TextNode(text="How is dough proofed? In the warm.", metadata={"source": "proofing.md"}),
    TextNode(text="Rye dough is held by acid and starch, not by gluten.", metadata={"source": "rye.md"}),
]


class Words(BaseEmbedding):
    def _get_text_embedding(self, text):
        return word_vector(text)

    def _get_query_embedding(self, query):
        return word_vector(query)

    async def _aget_query_embedding(self, query):
        return word_vector(query)


def rye_first(prompt):
    """Rank what is about rye first, and forget one; name the parts of a question, and what to look for."""
    if "subquestions" in prompt:
        return json.dumps({"subquestions": ["What holds rye dough?", "How is wheat dough stretched?"]})
    if "rationales" in prompt:
        return json.dumps({"rationales": [{"label": "cause", "strategy": "What keeps rye dough together."}]})
    documents = re.findall(r'<document id="(\d+)".*?>\n(.*?)\n</document>', prompt, re.S)
    ranked = sorted(documents, key=lambda pair: "Rye" not in pair[1])
    return json.dumps({"ranking": [int(number) for number, _ in ranked][:2]}) if documents else "By its acid."


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)


@pytest.fixture
def outcome(scripted_llm, monkeypatch):
    """The names that the blocks leave behind, and what they print."""

    class OpenAI(scripted_llm):
        def __init__(self, **fields):
            super().__init__(rye_first, **fields)

        def predict(self, prompt, **arguments):
            return "By its acid."

    provider = ModuleType("llama_index.llms.openai")
    provider.OpenAI = OpenAI
    monkeypatch.setitem(sys.modules, "llama_index.llms", ModuleType("llama_index.llms"))
    monkeypatch.setitem(sys.modules, "llama_index.llms.openai", provider)
    root = get_dispatcher()
    monkeypatch.setattr(root, "event_handlers", list(root.event_handlers))
    names = {"index": VectorStoreIndex(NODES, embed_model=Words()), "embed_model": Words()}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, code in enumerate(blocks("python")):
            exec(compile(code, f"README.md, block {number}", "exec"), names)  # the README is this project's own
    return names, printed.getvalue()


def test_the_readme_runs_and_tells_the_truth(outcome):
    names, printed = outcome
    assert printed == "".join(blocks("text"))
    (shown,) = blocks("json")
    first = names["response"].source_nodes[0].metadata
    assert first["rerank_plugins"].pop("ranking")["usage"]["calls"] == 1
    metadata = json.dumps(first)
    assert json.loads(metadata, parse_float=lambda digits: round(float(digits), 3)) == json.loads(shown)
    assert len(names["found"]) == 3
    assert {item.node.metadata["source"] for item in names["in_parts"]} >= {"rye.md", "wheat.md"}
    assert "Source: rye.md\nChosen for: cause: What keeps rye dough together." in names["prompt"]
    assert names["same"].limits == names["careful"].limits
