import asyncio

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, ensure_config
from langchain_core.tracers.context import collect_runs

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import CrossEncode, FirstStage, InsertRank
from rerank_plugins.errors import Refused
from rerank_plugins.requests import Scored, ScorePairs

RUN = "RerankCompressor<InsertRank>"
METHOD = InsertRank(bm25=None)


class Found(BaseRetriever):
    """A retriever that always finds the same."""

    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


def test_a_run_of_its_own_with_the_models_run_below_it(compress, documents, scripted, trace):
    compress(RerankCompressor(METHOD, llm=scripted(says="[2]")), documents(3), callbacks=[trace])
    assert trace.events == [("start", RUN), ("start", "model"), ("end", "model"), ("end", RUN)]
    assert trace.parents == {RUN: None, "model": RUN}


def test_the_run_shows_ranks_scores_notes_and_cost_but_no_text(compress, documents, scripted, trace):
    compress(RerankCompressor(METHOD, llm=scripted(says="[2]"), top_n=2), documents(3), "why?", callbacks=[trace])
    assert trace.inputs[RUN] == {"query": "why?", "documents": 3, "method": repr(METHOD), "top_n": 2}
    shown = trace.outputs[RUN]
    why = {"ranked_by_model": True}
    assert shown["ranked"][0] == {"rank": 1, "index": 1, "id": "d1", "score": 1.0, "judged": True, "why": why}
    assert [left_out["id"] for left_out in shown["dropped"]] == ["d2"]
    assert shown["usage"]["calls"] == 1
    assert shown["notes"]
    assert "passage" not in str(shown)


def test_each_call_is_a_run_also_the_one_that_fails(compress, documents, scripted, trace):
    llm = scripted(says=[ConnectionResetError("lost"), "[2]"])
    compress(RerankCompressor(METHOD, llm=llm), documents(3), callbacks=[trace])
    kinds = [kind for kind, name in trace.events if name == "model"]
    assert kinds == ["start", "error", "start", "end"]
    assert trace.events[-1] == ("end", RUN)


def test_an_error_ends_the_run(compress, documents, scripted, trace):
    compressor = RerankCompressor(METHOD, llm=scripted(says=Refused("no", 401)), on_error="raise")
    with pytest.raises(Refused):
        compress(compressor, documents(3), callbacks=[trace])
    assert trace.events == [("start", RUN), ("start", "model"), ("error", "model"), ("error", RUN)]
    assert isinstance(trace.errors[RUN], Refused)


async def test_cancelling_ends_the_run(documents, scripted, trace):
    compressor = RerankCompressor(METHOD, llm=scripted(says="[2]", delay_s=5))
    task = asyncio.create_task(compressor.acompress_documents(documents(3), "q", callbacks=[trace]))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trace.events[-1] == ("error", RUN)


def test_below_a_compression_retriever(documents, scripted, trace):
    classic = pytest.importorskip("langchain_classic.retrievers")
    compressor, base = RerankCompressor(METHOD, llm=scripted(says="[2]")), Found(documents=documents(3))
    retriever = classic.ContextualCompressionRetriever(base_compressor=compressor, base_retriever=base)
    for found in (
        retriever.invoke("q", {"callbacks": [trace], "tags": ["mine"]}),
        asyncio.run(retriever.ainvoke("q", {"callbacks": [trace], "tags": ["mine"]})),
    ):
        assert [document.id for document in found] == ["d1", "d0", "d2"]
        assert trace.parents == {
            "ContextualCompressionRetriever": None,
            "Found": "ContextualCompressionRetriever",
            RUN: "ContextualCompressionRetriever",
            "model": RUN,
        }
        assert "mine" in trace.tags["model"]


def test_a_chains_callbacks_reach_it_without_being_handed_over(documents, scripted, trace):
    compressor = RerankCompressor(METHOD, llm=scripted(says="[2]"))
    step = RunnableLambda(lambda found: compressor.compress_documents(found, "q")).with_config(run_name="step")
    step.invoke(documents(3), {"callbacks": [trace]})
    assert trace.parents == {"step": None, RUN: "step", "model": RUN}


def test_the_models_own_tags_are_kept(compress, documents, scripted, trace):
    llm = scripted(says="[2]").with_config(tags=["nostream"])
    compress(RerankCompressor(METHOD, llm=llm), documents(3), callbacks=[trace])
    assert "nostream" in trace.tags["model"]


def test_the_chains_config_reaches_the_models_threads(compress, documents):
    class Asking:
        """A backend of the user's own that calls something of LangChain's."""

        kinds = (ScorePairs,)
        identity = "Asking"

        def answer(self, request, timeout):
            configs.append(ensure_config())
            RunnableLambda(len).with_config(run_name="inner").invoke("abc")
            return Scored((1.0, 2.0))

        async def aanswer(self, request, timeout):
            configs.append(ensure_config())
            await RunnableLambda(len).with_config(run_name="inner").ainvoke("abc")
            return Scored((1.0, 2.0))

    configs = []
    compressor = RerankCompressor(CrossEncode(), backends=Asking())
    with collect_runs() as collected:
        compress(compressor, documents(2))
    (run,) = collected.traced_runs
    assert run.name == "RerankCompressor<CrossEncode>"
    assert [child.name for child in run.child_runs] == ["inner"]
    assert configs[0]["callbacks"] is not None


def test_a_handler_that_fails_does_no_harm(compress, documents, trace):
    class Broken(type(trace)):
        def on_chain_end(self, outputs, **kwargs):
            raise RuntimeError("broken handler")

    assert len(compress(RerankCompressor(FirstStage()), documents(3), callbacks=[Broken()])) == 3
