"""The whole ranking reaches the chain: by query, by thread and task, and in the first document."""

import asyncio
import threading

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import FirstStage, InsertRank

METHOD = InsertRank(bm25=None)


def test_what_was_noted_and_left_out_is_there_without_an_observer(compress, documents, scripted):
    compressor = RerankCompressor(METHOD, llm=scripted(says="[2] > [2]"), top_n=2)
    assert compressor.last_ranking() is None
    found = compress(compressor, documents(3), "why?")
    ranking = compressor.last_ranking("why?")
    assert [item.reason for item in ranking.dropped] == ["ranked below top_n=2"]
    assert ranking.notes and ranking.usage.calls == 1
    told = found[0].metadata["rerank_plugins"]["ranking"]
    assert [note["message"] for note in told["notes"]] == [note.message for note in ranking.notes]
    assert [left_out["id"] for left_out in told["dropped"]] == ["d2"]
    assert compressor.last_ranking("another question") is None


async def test_at_the_same_time_each_task_has_its_own(documents):
    compressor = RerankCompressor(FirstStage())

    async def asked(count):
        await compressor.acompress_documents(documents(count), f"q{count}")
        await asyncio.sleep(0.001)
        return len(compressor.last_ranking()), len(compressor.last_ranking(f"q{count}"))

    assert await asyncio.gather(*map(asked, range(1, 50))) == [(count, count) for count in range(1, 50)]


def test_a_thread_that_made_none_is_given_the_last_of_all(documents):
    compressor, seen = RerankCompressor(FirstStage()), []
    for count in range(1, 100):
        compressor.compress_documents(documents(count), f"q{count}")
    thread = threading.Thread(target=lambda: seen.append(compressor.last_ranking()))
    thread.start()
    thread.join()
    assert len(seen[0]) == 99
    assert compressor.last_ranking("q1") is None and len(compressor.last_ranking("q50")) == 50
