"""Every Python block of the README runs, in order, and what it says comes back does come back."""

import contextlib
import copy
import io
import json
import re
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from rerank_plugins.testing import ScriptedEndpoint
from rerank_plugins.testing.bodies import word_vector

README = Path(__file__).parent.parent / "README.md"

DOCUMENTS = [
    Document("How is wheat dough stretched? Fold it.", id="a", metadata={"source": "wheat.md"}),
    Document("How is dough proofed? In the warm.", id="b", metadata={"source": "proofing.md"}),
    Document("Rye dough is held by acid and starch, not by gluten.", id="c", metadata={"source": "rye.md"}),
]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.M | re.S)


class WordEmbeddings(Embeddings):
    def embed_documents(self, texts):
        return [word_vector(text) for text in texts]

    def embed_query(self, text):
        return word_vector(text)


@pytest.fixture(scope="module")
def outcome():
    """The names that the blocks leave behind, and what they print."""
    pytest.importorskip("langchain_classic")
    pytest.importorskip("langchain_openai")
    store = InMemoryVectorStore(WordEmbeddings())
    store.add_documents(DOCUMENTS)
    names, printed = {"store": store, "chunks": DOCUMENTS}, io.StringIO()
    with ScriptedEndpoint(_answer) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "none")
        patch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        patch.setenv("OPENAI_API_BASE", endpoint.base_url)
        patch.setattr("langchain_openai.OpenAIEmbeddings", lambda **_: WordEmbeddings())  # its tokenizer is a download
        with contextlib.redirect_stdout(printed):
            for number, code in enumerate(blocks("python")):
                exec(compile(code, f"README.md, block {number}", "exec"), names)  # the README is this project's own
        yield names, printed.getvalue()


def _answer(asked):
    """Rank what is about rye first; name the parts of a question."""
    prompt = str(asked["messages"][-1]["content"])
    if "subquestions" in prompt:
        return json.dumps({"subquestions": ["What holds rye dough?", "How is wheat dough stretched?"]})
    if "<document" not in prompt:
        return json.dumps({"rationales": [{"label": "cause", "strategy": "What keeps rye dough together."}]})
    shown = re.findall(r'<document id="(\d+)".*?>\n(.*?)\n</document>', prompt, re.S)
    ranked = sorted(shown, key=lambda pair: "Rye" not in pair[1])
    return json.dumps({"ranking": [int(number) for number, _ in ranked]})


@pytest.mark.slow  # imports the OpenAI client
@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
class TestReadme:
    def test_the_chain_finds(self, outcome):
        found = outcome[0]["found"]
        assert found[0].id == "c"
        assert len(found) == 3

    def test_the_metadata_is_what_comes_back(self, outcome):
        (shown,) = blocks("json")
        first = copy.deepcopy(outcome[0]["found"][0].metadata)
        assert first["rerank_plugins"].pop("ranking")["usage"]["calls"] == 1
        metadata = json.dumps(first)
        assert json.loads(shown) == json.loads(metadata, parse_float=lambda digits: round(float(digits), 3))

    def test_the_first_stage_score_is_kept(self, outcome):
        assert outcome[0]["best"][0].metadata["rerank_plugins"]["first_stage_score"] > 0

    def test_the_trace_prints_what_is_shown(self, outcome):
        assert outcome[1] == "".join(blocks("text"))

    def test_the_parts_of_a_question_are_found(self, outcome):
        assert {document.id for document in outcome[0]["in_parts"]} >= {"a", "c"}

    def test_the_prompt_has_source_and_rationale(self, outcome):
        assert "Source: rye.md\nChosen for: cause: What keeps rye dough together." in outcome[0]["prompt"]

    def test_it_comes_back_from_its_serialised_form(self, outcome):
        assert outcome[0]["same"] == outcome[0]["RerankCompressor"]("FirstStage()", top_n=3)

    async def test_the_runnable_works(self, outcome):
        assert len(await outcome[0]["retrieve"].ainvoke("rye?")) == 3
