import asyncio
import copy
import pickle
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import Cascade, CrossEncode, Embedding, FirstStage, Fuse, InsertRank, Limits
from rerank_plugins.errors import InvalidInput, Refused, UnmetNeed
from rerank_plugins.events import QueryEnded
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, ChatReply
from rerank_plugins.testing import FakeModel


@dataclass(frozen=True)
class OneByOne:
    """One call for each document, all at once; the reply is its score."""

    needs = (Chat,)

    def steps(self, query, candidates):
        replies = yield [Chat([{"role": "user", "content": candidate.text}]) for candidate in candidates]
        return order_by([_number(reply) for reply in replies], score_kind="absolute")


def _number(reply):
    try:
        return float(reply.text) if isinstance(reply, ChatReply) else None
    except ValueError:
        return None


def texts(documents):
    return [document.page_content for document in documents]


class TestConstruction:
    def test_it_is_a_document_compressor(self):
        assert isinstance(RerankCompressor(FirstStage()), BaseDocumentCompressor)

    def test_the_method_is_the_first_argument_or_a_named_one(self):
        assert RerankCompressor(FirstStage()).method == RerankCompressor(method=FirstStage()).method

    def test_a_method_can_be_named_by_its_repr(self, scripted):
        compressor = RerankCompressor("InsertRank(window=20)", llm=scripted())
        assert compressor.method == InsertRank(window=20)

    @pytest.mark.parametrize(
        "method", ["NoSuchMethod()", "InsertRank(windows=3)", "1", "import os", InsertRank, 7, None]
    )
    def test_what_is_no_method_is_refused(self, method, scripted):
        with pytest.raises(InvalidInput, match=r"method|InsertRank"):
            RerankCompressor(method, llm=scripted())

    @pytest.mark.parametrize("top_n", [-1, 1.5, "3", True])
    def test_a_wrong_top_n_is_refused(self, top_n):
        with pytest.raises(InvalidInput, match="top_n"):
            RerankCompressor(FirstStage(), top_n=top_n)

    def test_a_wrong_on_error_is_refused(self):
        with pytest.raises(InvalidInput, match="on_error"):
            RerankCompressor(FirstStage(), on_error="ignore")

    def test_an_unknown_argument_is_refused(self):
        with pytest.raises(ValidationError, match="topn"):
            RerankCompressor(FirstStage(), topn=3)

    def test_what_is_no_model_is_refused_without_showing_it(self):
        with pytest.raises(ValidationError, match="llm") as caught:
            RerankCompressor(FirstStage(), llm="sk-secret")
        assert "sk-secret" not in str(caught.value)

    def test_limits_can_be_a_dict(self):
        assert RerankCompressor(FirstStage(), limits={"deadline_s": 3}).limits == Limits(deadline_s=3)
        with pytest.raises(ValidationError, match="max_concurrency"):
            RerankCompressor(FirstStage(), limits={"max_concurrency": 0})

    def test_it_cannot_be_changed(self):
        with pytest.raises(ValidationError):
            RerankCompressor(FirstStage()).top_n = 3

    @pytest.mark.parametrize(
        ("method", "given", "sentence"),
        [
            (InsertRank(), {}, "InsertRank() asks for a chat model's answer (Chat), and no backend was given"),
            (InsertRank(), {"embeddings": DeterministicFakeEmbedding(size=3)}, "A LangChain chat model given as llm"),
            (
                Embedding(),
                {"llm": FakeListChatModel(responses=[""])},
                "A LangChain embedding model given as embeddings",
            ),
            (CrossEncode(), {}, "pip install 'rerank-plugins[sentence-transformers]'"),
            (Fuse(Embedding(), InsertRank()), {"llm": FakeListChatModel(responses=[""])}, "asks for embedding vectors"),
        ],
    )
    def test_a_method_whose_need_nothing_meets_is_refused_at_once(self, method, given, sentence):
        with pytest.raises(UnmetNeed) as caught:
            RerankCompressor(method, **given)
        assert sentence in str(caught.value)

    def test_a_backend_of_the_core_can_meet_a_need(self, documents):
        for backends in (FakeModel(), [FakeModel()]):
            found = RerankCompressor(CrossEncode(), backends=backends).compress_documents(documents(3), "which?")
            assert len(found) == 3

    def test_a_given_backend_comes_before_the_llm(self, documents, scripted):
        llm, backend = scripted(), FakeModel("[2] > [1]")
        found = RerankCompressor(InsertRank(bm25=None), llm=llm, backends=backend).compress_documents(documents(2), "q")
        assert (texts(found)[0], llm.prompts) == ("passage number 1", [])


class TestDocuments:
    def test_they_come_back_in_the_models_order_with_id_text_and_metadata(self, compress, documents, scripted):
        compressor = RerankCompressor(InsertRank(bm25=None), llm=scripted(says="[3] > [1] > [2]"))
        found = compress(compressor, documents(3))
        assert [document.id for document in found] == ["d2", "d0", "d1"]
        assert [document.metadata["source"] for document in found] == ["s2", "s0", "s1"]
        assert [document.metadata["relevance_score"] for document in found] == [1.0, 1 / 2, 1 / 3]
        assert [document.metadata["rerank_plugins"]["first_stage_score"] for document in found] == [1 / 3, 1, 1 / 2]

    def test_the_callers_are_not_changed(self, compress, documents, scripted):
        given = documents(5)
        before = copy.deepcopy(given)
        found = compress(RerankCompressor(InsertRank(), llm=scripted(says="[3] > [1]")), given)
        for document in found:
            document.metadata["rerank_plugins"]["why"]["mine"] = 1
        assert given == before

    def test_an_empty_list_stays_one_and_costs_nothing(self, compress, scripted):
        llm = scripted(says="[1]")
        assert compress(RerankCompressor(InsertRank(), llm=llm), []) == []
        assert llm.prompts == []

    @pytest.mark.parametrize(("top_n", "count"), [(0, 0), (1, 1), (4, 4), (5, 5), (99, 5), (None, 5)])
    def test_top_n_keeps_the_best(self, compress, documents, scripted, top_n, count):
        found = compress(RerankCompressor(InsertRank(), llm=scripted(says="[5] > [4]"), top_n=top_n), documents(5))
        assert len(found) == count

    def test_sync_and_async_agree(self, documents, scripted):
        compressor = RerankCompressor(InsertRank(window=4), llm=scripted(says="[3] > [1] > [4]"))
        assert asyncio.run(compressor.acompress_documents(documents(10), "q")) == compressor.compress_documents(
            documents(10), "q"
        )

    async def test_the_sync_one_works_inside_a_running_loop(self, documents, scripted):
        compressor = RerankCompressor(InsertRank(bm25=None), llm=scripted(says="[2] > [1]"))
        assert texts(compressor.compress_documents(documents(2), "q")) == ["passage number 1", "passage number 0"]

    def test_any_sequence_will_do(self, compress, documents, scripted):
        assert len(compress(RerankCompressor(InsertRank(), llm=scripted(says="[2]")), tuple(documents(3)))) == 3


class TestModels:
    @pytest.mark.parametrize(
        "llm",
        [
            FakeListChatModel(responses=["[2] > [1]"]),
            GenericFakeChatModel(messages=iter([AIMessage("[2] > [1]")] * 9)),
            FakeListLLM(responses=["[2] > [1]"]),
            FakeListChatModel(responses=["[2] > [1]"]).bind(stop=["\n"]),
            FakeListChatModel(responses=["[2] > [1]"]).with_retry(),
            FakeListChatModel(responses=["[2] > [1]"]).with_config(tags=["rerank"]),
            RunnableLambda(lambda messages: "[2] > [1]"),
        ],
        ids=lambda llm: type(llm).__name__,
    )
    def test_any_model_or_runnable_around_one(self, compress, documents, llm):
        found = compress(RerankCompressor(InsertRank(bm25=None), llm=llm), documents(2))
        assert texts(found) == ["passage number 1", "passage number 0"]

    def test_embeddings_and_llm_together(self, compress, documents, scripted):
        method = Cascade(Embedding(), InsertRank(bm25=None), keep=3)
        embeddings = DeterministicFakeEmbedding(size=8)
        found = compress(
            RerankCompressor(method, llm=scripted(says="[3] > [2] > [1]"), embeddings=embeddings), documents(6)
        )
        stages = [document.metadata["rerank_plugins"]["why"]["cascade"] for document in found]
        assert [len(stage) for stage in stages] == [2, 2, 2, 1, 1, 1]

    def test_a_failure_is_tried_again(self, compress, documents, scripted):
        llm = scripted(says=[_too_many(), "[2] > [1]"])
        found = compress(RerankCompressor(InsertRank(bm25=None), llm=llm), documents(2))
        assert (texts(found)[0], len(llm.prompts)) == ("passage number 1", 2)

    def test_a_model_that_retries_by_itself_is_not_retried_on_top(self, compress, documents, scripted):
        class Retrying(scripted):
            max_retries: int = 2

        llm = Retrying(says=_too_many())
        assert len(compress(RerankCompressor(InsertRank(), llm=llm), documents(2))) == 2
        assert len(llm.prompts) == 1

    def test_on_error_raise_raises(self, compress, documents, scripted):
        compressor = RerankCompressor(InsertRank(), llm=scripted(says=Refused("no", 401)), on_error="raise")
        with pytest.raises(Refused):
            compress(compressor, documents(3))

    def test_a_cache_spares_the_second_call(self, compress, documents):
        cache, llm = {}, FakeListChatModel(responses=["[2] > [1]"])
        counted = []
        compressor = RerankCompressor(InsertRank(), llm=llm, cache=cache, observer=counted.append)
        first, second = compress(compressor, documents(2)), compress(compressor, documents(2))
        calls = [event.ranking.usage.calls for event in counted if isinstance(event, QueryEnded)]
        assert calls == [1, 0]
        assert [document.page_content for document in first] == [document.page_content for document in second]

    def test_the_cache_is_the_callers_own(self):
        cache: dict[str, str] = {}
        assert RerankCompressor(FirstStage(), cache=cache).cache is cache


class TestConcurrency:
    async def test_fifty_at_once_on_one_instance_do_not_mix(self, documents, scripted):
        def by_query(prompt):
            wanted = int(prompt.split("Question: q")[1].split()[0])
            return f"[{wanted % 5 + 1}]"

        compressor = RerankCompressor(InsertRank(bm25=None), llm=scripted(says=by_query, delay_s=0.02), top_n=1)
        calls = [compressor.acompress_documents(documents(5), f"q{number}") for number in range(50)]
        found = await asyncio.gather(*calls)
        assert [only.id for (only,) in found] == [f"d{number % 5}" for number in range(50)]

    def test_a_hundred_documents_stay_bounded(self, compress, documents, scripted):
        llm = scripted(says="7", delay_s=0.01)
        compress(RerankCompressor(OneByOne(), llm=llm, limits=Limits(max_concurrency=8)), documents(100))
        assert len(llm.prompts) == 100
        assert 1 < llm.peak <= 8

    @pytest.mark.parametrize(("asked", "most"), [(1, 1), (3, 3), (500, 8), (None, 8)])
    async def test_the_chains_max_concurrency_lowers_it(self, documents, scripted, asked, most):
        for way in ("sync", "async"):
            llm = scripted(says="7", delay_s=0.02)
            compressor = RerankCompressor(OneByOne(), llm=llm, limits=Limits(max_concurrency=8))
            config = {} if asked is None else {"max_concurrency": asked}

            async def acompress(found, compressor=compressor):
                return await compressor.acompress_documents(found, "q")

            step = RunnableLambda(lambda found, c=compressor: c.compress_documents(found, "q"), acompress)
            if way == "async":
                assert len(await step.ainvoke(documents(12), config)) == 12
            else:
                assert len(step.invoke(documents(12), config)) == 12
            assert min(2, most) <= llm.peak <= most, way

    def test_a_deadline_gives_what_is_known_by_then(self, compress, documents, scripted):
        compressor = RerankCompressor(InsertRank(), llm=scripted(says="[2]", delay_s=5), limits=Limits(deadline_s=0.2))
        started = time.monotonic()
        compress(compressor, documents(3))
        assert time.monotonic() - started < 2

    async def test_cancelling_cancels_the_calls(self, documents, scripted):
        llm = scripted(says="7", delay_s=0.2)
        compressor = RerankCompressor(OneByOne(), llm=llm, limits=Limits(max_concurrency=2))
        task = asyncio.create_task(compressor.acompress_documents(documents(50), "q"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.3)
        assert len(llm.prompts) == 2

    def test_an_in_process_embedding_model_is_used_by_one_thread_at_a_time(self, documents, local_model):
        class Local(DeterministicFakeEmbedding):
            client: Any = local_model

            def embed_query(self, text):
                return self.embed_documents([text])[0]

            def embed_documents(self, texts):
                assert busy.acquire(blocking=False), "another thread is in here"
                time.sleep(0.01)
                busy.release()
                return super().embed_documents(texts)

        busy, embeddings = threading.Lock(), Local(size=4)
        compressors = [RerankCompressor(Embedding(), embeddings=embeddings, on_error="raise") for _ in range(4)]
        threads = [
            threading.Thread(target=lambda c=c: results.append(c.compress_documents(documents(3), "q")))
            for c in compressors
        ]
        results: list[list[Document]] = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(found) for found in results] == [3, 3, 3, 3]

    async def test_an_in_process_chat_model_is_called_once_at_a_time_and_off_the_loop(
        self, documents, scripted, local_model, trace
    ):
        class Pipeline(scripted):
            client: Any = local_model

            async def _agenerate(self, *arguments, **options):
                raise AssertionError("This would block the loop.")

        llm = Pipeline(says="7", delay_s=0.01)
        compressor = RerankCompressor(OneByOne(), llm=llm.with_config(tags=["mine"]), on_error="raise")
        await asyncio.gather(*(compressor.acompress_documents(documents(3), "q", callbacks=[trace]) for _ in range(3)))
        assert (llm.peak, len(llm.prompts)) == (1, 9)
        assert trace.parents["model"] == "RerankCompressor<OneByOne>"

    async def test_a_users_own_client_for_embeddings_is_called_concurrently(self, documents):
        class Client(Embeddings):
            def embed_query(self, text):
                return self.embed_documents([text])[0]

            def embed_documents(self, texts):
                time.sleep(0.2)
                return [[1.0, 0.0] for _ in texts]

        compressor = RerankCompressor(Embedding(), embeddings=Client(), on_error="raise")
        started = time.monotonic()
        await asyncio.gather(*(compressor.acompress_documents(documents(3), "q") for _ in range(10)))
        assert time.monotonic() - started < 2  # one after another it would be 4


class TestAsAValue:
    def test_the_repr_is_short_and_keyless(self, scripted):
        compressor = RerankCompressor(InsertRank(window=20), llm=scripted(says="sk-secret"), cache={"sk": "x"}, top_n=5)
        assert repr(compressor) == "RerankCompressor(method=InsertRank(window=20), top_n=5)"
        assert "sk" not in str(compressor)

    def test_it_can_be_copied_and_pickled(self, documents):
        llm = FakeListChatModel(responses=["[2] > [1]"])
        compressor = RerankCompressor(InsertRank(), llm=llm, top_n=1, limits=Limits(deadline_s=9))
        copies = [pickle.loads(pickle.dumps(compressor)), copy.deepcopy(compressor), compressor.model_copy()]
        found = [each.compress_documents(documents(2), "q") for each in (compressor, *copies)]
        assert all(each == found[0] for each in found)

    def test_a_copy_can_have_another_top_n(self, documents):
        compressor = RerankCompressor(FirstStage()).model_copy(update={"top_n": 1})
        assert len(compressor.compress_documents(documents(3), "q")) == 1


def _too_many():
    class RateLimitError(Exception):
        status_code = 429

    return RateLimitError("try again in 12ms")
