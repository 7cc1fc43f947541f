"""Many queries, running loops, threads: one instance serves them all."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from llama_index.postprocessor.rerank_plugins import RerankPostprocessor
from rerank_plugins import InsertRank, Limits
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Chat

LISTWISE = InsertRank(bm25=None)


def first_is_asked_for(prompt):
    """Rank first the document that the query names."""
    wanted = re.search(r"Question: (text \d+)", prompt)[1]
    identifier = re.search(rf'id="(\d+)">\n{wanted}\n', prompt)[1]
    return f'{{"ranking": [{identifier}]}}'


def assert_each_got_its_own(results):
    for number, found in enumerate(results):
        assert found[0].node.text == f"text {number % 5}"
        assert found[0].node.metadata["rerank_plugins"]["rank"] == 1
        assert len(found) == 5


async def test_sync_and_async_agree(scripted_llm, make):
    reranker = RerankPostprocessor(InsertRank(window=4, stride=2), llm=scripted_llm('{"ranking": [4, 2, 1]}'), top_n=6)
    sync = reranker.postprocess_nodes(make(9), query_str="rye?")
    assert await reranker.apostprocess_nodes(make(9), query_str="rye?") == sync


async def test_sync_works_inside_a_running_loop(scripted_llm, local_llm, make):
    for llm in (scripted_llm("[2] > [1]"), local_llm("[2] > [1]")):
        found = RerankPostprocessor(LISTWISE, llm=llm).postprocess_nodes(make(), query_str="rye?")
        assert found[0].node.node_id == "n1"


async def test_fifty_queries_at_once_on_one_instance(scripted_llm, make):
    llm = scripted_llm(first_is_asked_for, delay_s=0.2)
    reranker = RerankPostprocessor(LISTWISE, llm=llm)
    results = await asyncio.gather(
        *(reranker.apostprocess_nodes(make(), query_str=f"text {number % 5}") for number in range(50))
    )
    assert_each_got_its_own(results)
    assert llm.script.most_at_once > 25


def test_fifty_queries_from_threads_on_one_instance(scripted_llm, make):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm(first_is_asked_for, delay_s=0.01))
    with ThreadPoolExecutor(50) as pool:
        results = pool.map(lambda n: reranker.postprocess_nodes(make(), query_str=f"text {n % 5}"), range(50))
        assert_each_got_its_own(results)


async def test_a_model_in_this_process_is_called_once_at_a_time_and_off_the_loop(local_llm, make):
    threads = set()

    def answer(prompt):
        threads.add(threading.current_thread())
        return first_is_asked_for(prompt)

    llm = local_llm(answer, delay_s=0.01)
    rerankers = [RerankPostprocessor(LISTWISE, llm=llm) for _ in range(2)]
    results = await asyncio.gather(
        *(rerankers[n % 2].apostprocess_nodes(make(), query_str=f"text {n % 5}") for n in range(20))
    )
    assert_each_got_its_own(results)
    assert llm.script.most_at_once == 1
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_client_of_the_users_own_is_called_concurrently(way, client_llm, local_llm, make):
    class Grading:
        def steps(self, query, candidates):
            yield [Chat([{"role": "user", "content": candidate.text}]) for candidate in candidates]
            return Verdict(order=range(len(candidates)))

    beats: list[float] = []
    for kind, most in ((client_llm, 10), (local_llm, 1)):
        llm = kind("7", delay_s=0.2 if most > 1 else 0.01)
        reranker = RerankPostprocessor(Grading(), llm=llm, on_error="raise")
        started = time.monotonic()
        if way == "sync":
            reranker.postprocess_nodes(make(10), query_str="rye?")
        else:
            beating = asyncio.create_task(beat(beats))
            await reranker.apostprocess_nodes(make(10), query_str="rye?")
            beating.cancel()
        assert time.monotonic() - started < 1  # of the first kind, one after another, it would be 2
        assert (llm.script.most_at_once, len(llm.script.prompts)) == (most, 10)
    assert way == "sync" or len(beats) > 5, "the loop goes on meanwhile"


async def beat(beats):
    while True:
        beats.append(time.monotonic())
        await asyncio.sleep(0.01)


async def test_a_slow_local_model_has_no_timeout_but_keeps_the_deadline(local_llm, make):
    llm = local_llm("[2] > [1]", delay_s=0.6)
    patient = RerankPostprocessor(LISTWISE, llm=llm, limits=Limits(timeout_s=0.05))
    assert (await patient.apostprocess_nodes(make(), query_str="rye?"))[0].node.node_id == "n1"
    hurried = RerankPostprocessor(LISTWISE, llm=llm, limits=Limits(deadline_s=0.05))
    started = time.monotonic()
    assert hurried.postprocess_nodes(make(), query_str="rye?")[0].node.node_id == "n0"
    assert time.monotonic() - started < 0.5


async def test_an_endpoint_that_hangs_is_given_up(scripted_llm, make):
    reranker = RerankPostprocessor(
        LISTWISE, llm=scripted_llm("[2]", delay_s=9), limits={"timeout_s": 0.05, "retries": 0}
    )
    found = await asyncio.wait_for(reranker.apostprocess_nodes(make(), query_str="rye?"), 4)
    assert found[0].node.node_id == "n0"
    assert reranker.postprocess_nodes(make(), query_str="rye?")[0].node.node_id == "n0"


async def test_cancelling_a_query_leaves_the_instance_well(scripted_llm, make):
    reranker = RerankPostprocessor(LISTWISE, llm=scripted_llm("[2]", delay_s=0.2))
    task = asyncio.create_task(reranker.apostprocess_nodes(make(), query_str="rye?"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await reranker.apostprocess_nodes(make(), query_str="rye?"))[0].node.node_id == "n1"
