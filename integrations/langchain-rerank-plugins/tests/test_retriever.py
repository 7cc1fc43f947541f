"""The retriever that searches for every part of a question."""

import asyncio
import time

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.load import dumpd, dumps
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_rerank_plugins import DecompositionRetriever
from rerank_plugins import Cascade, CrossEncode, Decompose, FirstStage, InsertRank
from rerank_plugins.errors import InvalidInput, Refused, UnmetNeed
from rerank_plugins.events import CallEnded, CallStarted
from rerank_plugins.requests import Retrieve, ScorePairs
from rerank_plugins.testing import FakeModel

QUESTION = "Where was the author of Emma born?"
PARTS = ["Who wrote the novel?", "In which town did Jane Austen first live?"]
SAID = "1. Who wrote the novel?\n2. In which town did Jane Austen first live?"
CORPUS = [
    Document("Emma is a name.", id="name", metadata={"source": "names"}),
    Document("The novel is by Jane Austen.", id="novel", metadata={"source": "books"}),
    Document("Jane Austen came from Steventon, a town in Hampshire.", id="town", metadata={"source": "people"}),
    Document("Spoons are round.", id="spoon"),
]
METHOD = Decompose(rerank=FirstStage(), k=2)


class Words(BaseRetriever):
    """Finds what shares most words; remembers what it was asked."""

    corpus: list[Document] = CORPUS  # pydantic copies it
    k: int = 4
    delay_s: float = 0.0
    fails_on: str | None = None
    asked: list = []  # noqa: RUF012 # as above

    def _get_relevant_documents(self, query, *, run_manager):
        time.sleep(self.delay_s)
        return self._best(query)

    async def _aget_relevant_documents(self, query, *, run_manager):
        await asyncio.sleep(self.delay_s)
        return self._best(query)

    def _best(self, query):
        self.asked.append(query)
        if self.fails_on is not None and self.fails_on in query:
            raise ConnectionResetError("lost")
        words = set(query.lower().strip("?").split())
        shared = [len(words & set(document.page_content.lower().strip(".").split())) for document in self.corpus]
        order = sorted(range(len(self.corpus)), key=lambda number: -shared[number])
        return [self.corpus[number] for number in order if shared[number]][: self.k]


@pytest.fixture(params=["sync", "async"])
def retrieve(request):
    def run(retriever, question=QUESTION, config=None, **options):
        if request.param == "sync":
            return retriever.invoke(question, config, **options)
        return asyncio.run(retriever.ainvoke(question, config, **options))

    return run


def names(documents):
    return [document.id for document in documents]


def test_what_no_single_search_finds_is_found(retrieve, scripted):
    assert names(Words().invoke(QUESTION))[:1] != ["town"]
    found = retrieve(DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=SAID)))
    assert set(names(found)) >= {"novel", "town"}
    assert len(names(found)) == len(set(names(found)))


def test_documents_come_back_with_the_sub_questions_that_they_serve(retrieve, scripted):
    found = retrieve(DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=SAID)))
    (town,) = [document for document in found if document.id == "town"]
    assert (town.page_content, town.metadata["source"]) == (CORPUS[2].page_content, "people")
    why = town.metadata["rerank_plugins"]["why"]
    assert why["searched_for"] == PARTS
    assert PARTS[1] in [served["question"] for served in why["serves"]]
    assert CORPUS[2].metadata == {"source": "people"}


def test_it_asks_for_as_many_as_the_method_wants(retrieve, scripted):
    retrieve(DecompositionRetriever(METHOD, retriever=(words := Words(asked=[])), llm=scripted(says=SAID)))
    assert sorted(words.asked) == sorted([QUESTION, *PARTS])
    found = retrieve(DecompositionRetriever(Decompose(rerank=FirstStage(), k=1), retriever=Words(k=4)))
    assert len(found) == 1


def test_the_number_of_results_can_be_set_and_asked_for(retrieve, scripted):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=SAID), top_n=2)
    assert len(retrieve(retriever)) == 2
    assert len(retrieve(retriever, top_n=1)) == 1
    assert len(retrieve(retriever)) == 2


def test_the_trace_shows_each_search_and_what_came_of_it(retrieve, scripted, trace):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=SAID))
    found = retrieve(retriever, config={"callbacks": [trace], "tags": ["mine"]})
    reranker = "RerankCompressor<Decompose>"
    assert trace.parents == {
        "DecompositionRetriever": None,
        reranker: "DecompositionRetriever",
        "Words": reranker,
        "model": reranker,
    }
    assert [kind for kind, name in trace.events if name == "Words"].count("start") == 3
    assert "mine" in trace.tags["model"]
    assert names(trace.outputs["DecompositionRetriever"]) == names(found)
    assert all(part in str(trace.outputs[reranker]["notes"]) for part in PARTS)
    assert trace.outputs[reranker]["ranked"][0]["why"]["searched_for"] == PARTS
    assert trace.outputs[reranker]["usage"]["calls"] == 4


def test_as_a_step_of_a_chain(retrieve, scripted, trace):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=SAID))
    chain = retriever | RunnableLambda(names)
    assert "town" in retrieve(chain, config={"callbacks": [trace]})
    assert trace.parents["DecompositionRetriever"] == "RunnableSequence"


@pytest.mark.parametrize("most", [1, 16])
def test_the_chains_concurrency_is_kept(retrieve, scripted, most):
    under_way, counts = set(), []

    def observe(event):
        if isinstance(event, CallStarted):
            under_way.add(event.request)
        if isinstance(event, CallEnded):
            under_way.discard(event.request)
        counts.append(len(under_way))

    method = Decompose(rerank=FirstStage(), subquestions=PARTS)
    retriever = DecompositionRetriever(method, retriever=Words(delay_s=0.02), observer=observe)
    retrieve(retriever | RunnableLambda(names), config={"max_concurrency": most})
    assert max(counts) == min(most, 3)


@pytest.mark.slow  # by the clock
def test_one_round_trip_each(retrieve, scripted):
    llm = scripted(says=SAID, delay_s=0.5)
    retriever = DecompositionRetriever(METHOD, retriever=Words(delay_s=0.1), llm=llm)
    retrieve(retriever)  # imports, threads
    started = time.monotonic()
    retrieve(retriever)
    assert time.monotonic() - started < 1.1 * 0.6 + 0.02


async def test_async_is_native(scripted):
    class AsyncOnly(Words):
        def _get_relevant_documents(self, query, *, run_manager):
            raise AssertionError("On an event loop the async form is to be used.")

    retriever = DecompositionRetriever(METHOD, retriever=AsyncOnly(), llm=scripted(says=SAID), on_error="raise")
    assert "town" in names(await retriever.ainvoke(QUESTION))


async def test_many_questions_at_once_on_one_instance(scripted):
    retriever = DecompositionRetriever(METHOD, retriever=Words(delay_s=0.05), llm=scripted(says=SAID, delay_s=0.05))
    started = time.monotonic()
    results = await asyncio.gather(*(retriever.ainvoke(QUESTION) for _ in range(30)))
    assert time.monotonic() - started < 2.5  # one after another it would be more than 3
    assert len({tuple(names(found)) for found in results}) == 1


@pytest.mark.parametrize("says", ["", "I cannot.", "\n".join(f"{n}. Question {n} about it?" for n in range(40))])
def test_whatever_the_model_says_it_finds_what_the_retriever_finds(retrieve, scripted, says):
    plain = names(Words(k=2).invoke(QUESTION))
    found = names(retrieve(DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=says))))
    assert set(plain) <= set(found)


def test_a_model_that_is_down_costs_the_sub_questions_alone(retrieve, scripted, caplog):
    retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says=Refused("no", 401)))
    assert names(retrieve(retriever)) == names(Words(k=2).invoke(QUESTION))
    assert "failed" in caplog.text


def test_a_search_that_fails_costs_its_own_results(retrieve, scripted):
    retriever = DecompositionRetriever(
        METHOD, retriever=Words(fails_on="author"), llm=scripted(says=SAID), limits={"backoff_s": 0}
    )
    assert "town" in names(retrieve(retriever))


def test_an_error_is_raised_where_that_is_asked_for(retrieve, scripted, trace):
    words = Words(fails_on="")
    retriever = DecompositionRetriever(
        METHOD, retriever=words, llm=scripted(says=SAID), on_error="raise", limits={"backoff_s": 0}
    )
    with pytest.raises(Exception, match="Words could not be reached"):
        retrieve(retriever, config={"callbacks": [trace]})
    assert "DecompositionRetriever" in trace.errors


def test_nothing_found_is_an_empty_list(retrieve, scripted):
    assert retrieve(DecompositionRetriever(METHOD, retriever=Words(corpus=[]), llm=scripted(says=SAID))) == []


def test_any_reranker_and_any_model(retrieve, scripted):
    method = Cascade(Decompose(rerank=CrossEncode()), InsertRank(bm25=None))
    llm = scripted(says=lambda prompt: "[2] > [1]" if "<document" in prompt else SAID)
    cross_encoder = FakeModel()
    cross_encoder.kinds = (ScorePairs,)
    found = retrieve(DecompositionRetriever(method, retriever=Words(), llm=llm, backends=cross_encoder, top_n=2))
    assert len(found) == 2
    assert len(cross_encoder.requests) == 1


def test_the_same_as_text(retrieve):
    retriever = DecompositionRetriever("Decompose(rerank=FirstStage(), k=2)", retriever=Words())
    assert names(retrieve(retriever)) == names(Words(k=2).invoke(QUESTION))


class TestWhenItIsMade:
    def test_a_method_that_does_not_retrieve_is_refused(self):
        with pytest.raises(InvalidInput, match=r"takes a method that retrieves.*FirstStage\(\) does not"):
            DecompositionRetriever(FirstStage(), retriever=Words())

    def test_a_method_that_does_not_say_what_it_asks_for_is_taken_at_its_word(self, retrieve):
        class Mine:
            def steps(self, query, candidates):
                (reply,) = yield [Retrieve(query, 1)]
                from rerank_plugins.ranking import Verdict

                return Verdict(order=[0], added=reply.candidates)

        assert len(retrieve(DecompositionRetriever(Mine(), retriever=Words()))) == 1

    def test_what_its_reranker_needs_has_to_be_there(self):
        with pytest.raises(UnmetNeed, match="CrossEncoder"):
            DecompositionRetriever(Decompose(), retriever=Words())

    def test_what_it_searches_with_is_a_retriever(self):
        with pytest.raises(InvalidInput, match=r"not InMemoryVectorStore.*store\.as_retriever"):
            DecompositionRetriever(METHOD, retriever=InMemoryVectorStore(DeterministicFakeEmbedding(size=3)))

    def test_options_are_those_of_the_compressor(self, scripted):
        retriever = DecompositionRetriever(METHOD, retriever=Words(), limits={"max_calls": 2}, name="Parts")
        assert (retriever.reranker.limits.max_calls, retriever.get_name()) == (2, "Parts")
        with pytest.raises(ValueError, match="unknown"):
            DecompositionRetriever(METHOD, retriever=Words(), unknown=1)

    def test_the_repr_is_short_and_keyless(self, scripted):
        retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says="sk-secret"), top_n=5)
        assert repr(retriever) == f"DecompositionRetriever(method={METHOD!r}, top_n=5)"

    def test_it_is_not_written_in_part(self, scripted):
        retriever = DecompositionRetriever(METHOD, retriever=Words(), llm=scripted(says="sk-secret"))
        assert dumpd(retriever)["type"] == "not_implemented"
        assert "sk-secret" not in dumps(retriever)
