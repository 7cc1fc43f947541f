"""First stages as backends: a function, with and without an async form, and BM25."""

import asyncio
import threading

import pytest

from rerank_plugins import BM25Index, Candidate, FirstStage, arerank, rerank
from rerank_plugins.backends import BM25Retriever, Retriever
from rerank_plugins.errors import InvalidInput
from rerank_plugins.ranking import Ranking, Verdict
from rerank_plugins.requests import Failed, Found, Retrieve, Steps


class Searching:
    """Give what is found for the query as it is."""

    needs = (Retrieve,)

    def steps(self, query: str, candidates: object) -> Steps:
        (reply,) = yield [Retrieve(query, 2)]
        added = () if isinstance(reply, Failed) else reply.candidates
        return Verdict(order=range(len(added)), added=added)


def texts(ranking: Ranking) -> list[str]:
    return [item.candidate.text for item in ranking]


def test_a_function_is_a_retriever_and_k_is_kept() -> None:
    backend = Retriever(lambda query, k: [f"{query} {number}" for number in range(5)])
    assert texts(rerank(Searching(), "rye", backends=backend, candidates=())) == ["rye 0", "rye 1"]


async def test_without_an_async_form_it_searches_on_a_thread() -> None:
    threads = []

    def search(query: str, k: int) -> list[str]:
        threads.append(threading.current_thread())
        return [query]

    assert texts(await arerank(Searching(), "rye", [], backends=Retriever(search))) == ["rye"]
    assert threads != [threading.main_thread()]


async def test_the_async_form_is_awaited() -> None:
    async def asearch(query: str, k: int) -> list[Candidate]:
        await asyncio.sleep(0)
        return [Candidate(f"awaited {query}", id="a")]

    backend = Retriever(lambda query, k: ["not awaited"], asearch)
    assert texts(await arerank(Searching(), "rye", [], backends=backend)) == ["awaited rye"]
    assert texts(rerank(Searching(), "rye", [], backends=backend)) == ["not awaited"]


def test_a_search_that_fails_is_a_call_that_fails() -> None:
    def search(query: str, k: int) -> list[str]:
        raise KeyError("secret")

    ranking = rerank(Searching(), "rye", [], backends=Retriever(search, name="my shelf"))
    assert [note.message for note in ranking.notes] == ["1 call failed: my shelf failed with KeyError."]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidInput, match="function of query and k"):
        Retriever("a store")  # type: ignore[arg-type] # the point


def test_bm25_finds_by_words_and_keeps_id_and_metadata() -> None:
    corpus = [Candidate("spoon", id="s"), Candidate("rye rye", id="r", metadata={"page": 3}), Candidate("rye and more")]
    found = BM25Retriever(corpus).answer(Retrieve("rye", 5), None)
    assert [(c.id, c.metadata) for c in found.candidates] == [("r", {"page": 3}), (None, {})]
    scores = BM25Index(corpus).scores("rye", corpus)
    assert [c.score for c in found.candidates] == [pytest.approx(scores[1]), pytest.approx(scores[2])]


@pytest.mark.parametrize(("corpus", "query"), [([], "rye"), (["..."], "rye"), (["rye"], ""), (["rye"], "spoon")])
def test_bm25_that_finds_nothing(corpus: list[str], query: str) -> None:
    assert BM25Retriever(corpus).answer(Retrieve(query, 5), None) == Found(())


def test_a_method_that_needs_a_retriever_is_told_of_them() -> None:
    with pytest.raises(Exception, match="pass one of: BM25Retriever; Retriever"):
        rerank(Searching(), "rye", [])
    assert FirstStage().needs == ()
