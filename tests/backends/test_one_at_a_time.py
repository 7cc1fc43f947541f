import gc
import threading
from concurrent.futures import ThreadPoolExecutor

from rerank_plugins import InsertRank, Limits, arerank, rerank
from rerank_plugins.backends.base import BatchBackend
from rerank_plugins.backends.one_at_a_time import OneAtATime, lock_of
from rerank_plugins.errors import Transient
from rerank_plugins.requests import Chat, ChatReply, Failed
from rerank_plugins.testing import FakeModel

METHOD = InsertRank(bm25=None, window=2, stride=2)
DOCUMENTS = [f"text {number}" for number in range(8)]
ASKED = Chat([{"role": "user", "content": "Why?"}])


def test_it_is_the_backend_in_all_else():
    fake = FakeModel(identity="Local(7b)")
    wrapped = OneAtATime(fake, fake)
    assert isinstance(wrapped, BatchBackend)
    assert (wrapped.kinds, wrapped.identity, wrapped.retries_itself) == (fake.kinds, "Local(7b)", False)
    fake.retries_itself = True
    assert OneAtATime(fake, fake).retries_itself


def test_wrappers_of_one_model_share_its_turn():
    fake = FakeModel("[2] > [1]", delay_s=0.005)
    with ThreadPoolExecutor(8) as pool:
        rankings = list(pool.map(lambda _: rerank(METHOD, "q", DOCUMENTS, backends=OneAtATime(fake, fake)), range(8)))
    assert fake.most_at_once == 1
    assert {tuple(ranking.order) for ranking in rankings} == {(1, 0, 3, 2, 5, 4, 7, 6)}


async def test_nothing_runs_on_the_event_loop():
    threads = []

    def says(_):
        threads.append(threading.current_thread())
        return "[2] > [1]"

    fake = FakeModel(says)
    await arerank(METHOD, "q", DOCUMENTS, backends=OneAtATime(fake, fake))
    assert threads
    assert threading.main_thread() not in threads


def test_a_request_that_fails_fails_alone():
    fake = FakeModel("[1]", fails=lambda number, _: Transient("busy") if number == 1 else None)
    replies = dict(OneAtATime(fake, fake).answer_batch([ASKED] * 3))
    assert [type(replies[position]) for position in range(3)] == [ChatReply, Failed, ChatReply]


def test_a_slow_model_is_waited_for():
    fake = FakeModel("[2] > [1]", delay_s=0.1)
    limits = Limits(timeout_s=0.02)
    assert rerank(METHOD, "q", DOCUMENTS[:2], backends=OneAtATime(fake, fake), limits=limits).order == [1, 0]


def test_locks_go_with_their_models():
    model = FakeModel()
    assert lock_of(model) is lock_of(model)
    assert lock_of(FakeModel()) is not lock_of(model)
    key = id(model)
    assert key in lock_of.of
    del model
    gc.collect()
    assert key not in lock_of.of
