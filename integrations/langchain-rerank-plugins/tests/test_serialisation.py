import inspect
import json

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.load import dumpd, dumps, load
from langchain_core.load.serializable import Serializable
from langchain_core.runnables import RunnableLambda

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Cascade, CrossEncode, FirstStage, InsertRank, Limits
from rerank_plugins.ranking import Verdict
from rerank_plugins.testing import FakeModel

pytestmark = pytest.mark.filterwarnings("ignore:The function `load` is in beta")


class Unknown:
    """A method of the user's own, whose repr says nothing."""

    def steps(self, query, candidates):
        yield from ()
        return Verdict(order=range(len(candidates)))


def revived(written, *classes, **options):
    allowed = {"allowed_objects": [RerankCompressor, *classes]} if _has_allow_list() else {}
    return load(written, valid_namespaces=["langchain_rerank_plugins"], **allowed, **options)


def _has_allow_list():
    return "allowed_objects" in inspect.signature(load).parameters


@pytest.mark.parametrize(
    "compressor",
    [
        RerankCompressor(FirstStage()),
        RerankCompressor(FirstStage(), top_n=0),
        RerankCompressor("Fuse(FirstStage(), FirstStage(), weights=(2, 1))", top_n=3, on_error="raise", score_key="s"),
        RerankCompressor(FirstStage(), limits=Limits(deadline_s=2.5, max_concurrency=3)),
        RerankCompressor(FirstStage(), structured_output="json_mode"),
    ],
    ids=repr,
)
def test_a_round_trip(compressor):
    assert revived(json.loads(dumps(compressor))) == compressor


def test_the_method_stands_in_it_as_its_repr():
    written = dumpd(RerankCompressor(FirstStage(), top_n=3))
    assert written["id"] == ["langchain_rerank_plugins", "compressor", "RerankCompressor"]
    assert written["kwargs"] == {"method": "FirstStage()", "top_n": 3, "on_error": "degrade"}


@pytest.mark.slow  # imports the OpenAI client
def test_a_model_that_can_be_written_comes_along_without_its_key():
    openai = pytest.importorskip("langchain_openai")
    llm = openai.ChatOpenAI(model="gpt-4o-mini", api_key="sk-secret", temperature=0)
    written = dumps(RerankCompressor(InsertRank(window=9), llm=llm, top_n=3))
    assert "sk-secret" not in written
    back = revived(json.loads(written), openai.ChatOpenAI, secrets_map={"OPENAI_API_KEY": "sk-other"})
    assert (back.method, back.top_n, back.llm.model_name) == (InsertRank(window=9), 3, "gpt-4o-mini")
    assert back.llm.openai_api_key.get_secret_value() == "sk-other"


@pytest.mark.parametrize(
    "compressor",
    [
        RerankCompressor(CrossEncode(), backends=FakeModel()),
        RerankCompressor(Cascade(CrossEncode(), Unknown()), backends=FakeModel()),
        RerankCompressor(Unknown()),
        RerankCompressor(FirstStage(), llm=RunnableLambda(len).with_config(tags=["x"])),
        RerankCompressor(FirstStage(), embeddings=DeterministicFakeEmbedding(size=3)),
        RerankCompressor(FirstStage(), retriever=RunnableLambda(lambda query: [])),
        RerankCompressor(FirstStage(), neighbours=[]),
    ],
    ids=[
        "a backend",
        "a backend and more",
        "a method of the user's own",
        "a function",
        "embeddings",
        "a retriever",
        "neighbours",
    ],
)
def test_what_cannot_come_back_whole_is_not_written_in_part(compressor):
    written = dumpd(compressor)
    assert written["type"] == "not_implemented"
    with pytest.raises(NotImplementedError):
        revived(written)


def test_a_model_that_cannot_be_written_does_not_leak_its_settings(scripted):
    compressor = RerankCompressor(InsertRank(), llm=scripted(says="sk-secret"))
    assert dumpd(compressor)["type"] == "not_implemented"
    assert "sk-secret" not in dumps(compressor)


def test_cache_and_observer_stay_behind():
    compressor = RerankCompressor(FirstStage(), cache={"sk": "text"}, observer=print)
    assert revived(dumpd(compressor)) == RerankCompressor(FirstStage())


def test_it_is_serializable_in_langchains_sense():
    assert issubclass(RerankCompressor, Serializable)
    assert RerankCompressor.is_lc_serializable()
