"""Which models compute in this process, and how each kind is called."""

import time
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, PrivateAttr

from rerank_plugins import arerank, rerank
from rerank_plugins.backends.base import BatchBackend
from rerank_plugins.backends.in_process import computes_here, suited
from rerank_plugins.backends.in_threads import InThreads
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Chat
from rerank_plugins.testing import FakeModel


class AsksTenTimes:
    """Asks all that it asks at once."""

    def steps(self, query, candidates):
        yield [Chat([{"role": "user", "content": str(number)}]) for number in range(10)]
        return Verdict(order=())


def of(module, name="Model", *bases):
    """An object whose class says that it comes from a module."""
    return type(name, bases, {"__module__": module})()


class Private(BaseModel):
    _model = PrivateAttr(default=None)


def private(held):
    model = Private()
    model._model = held
    return model


@pytest.mark.parametrize("module", ["torch.nn", "transformers", "llama_cpp.llama", "mlx_lm.models.llama", "vllm"])
def test_what_is_or_holds_a_local_model_computes_here(module):
    local = of(module)
    derived = of("my_app", "Mine", type(local))
    for model in (local, derived, SimpleNamespace(model=local), private(local), private(derived)):
        assert computes_here(model)
    assert computes_here(SimpleNamespace(llm=private(local)))


@pytest.mark.parametrize(
    "held",
    [
        None,
        "torch",
        of("openai"),
        of("torchlike"),
        of("transformers.models", "PreTrainedTokenizerFast"),
        of("llama_cpp").__class__,
    ],
    ids=["nothing", "text", "a client", "a name that only begins like it", "a tokenizer", "a class"],
)
def test_what_holds_none_does_not(held):
    assert not computes_here(SimpleNamespace(held=held))
    assert not computes_here(private(held))


def test_nothing_of_the_models_own_is_run():
    class Proxy:
        def __getattribute__(self, name):
            raise RuntimeError("There is nothing behind this yet.")

    assert not computes_here(Proxy())


def test_an_object_that_holds_itself_ends():
    loop = SimpleNamespace()
    loop.itself = loop
    assert not computes_here(loop)


def test_each_is_called_as_it_can_be():
    fake, local = FakeModel(), of("torch")
    assert isinstance(suited(fake, local, blocks=True), BatchBackend)
    assert isinstance(suited(fake, local, blocks=False), BatchBackend)
    assert isinstance(suited(fake, fake, blocks=True), InThreads)
    assert suited(fake, fake, blocks=False) is fake


@pytest.mark.parametrize(("module", "local"), [("my.llms", True), ("my.llms.base", True), ("my.llms_api", False)])
def test_a_package_can_be_known_to_compute_here(module, local):
    model = of("app", "Mine", type(of(module)))
    assert isinstance(suited(FakeModel(), model, blocks=True, packages=["my.llms"]), BatchBackend) == local


def test_in_threads_is_the_backend_in_all_else():
    fake = FakeModel(identity="Endpoint(7b)")
    wrapped = InThreads(fake)
    assert (wrapped.kinds, wrapped.identity, wrapped.retries_itself) == (fake.kinds, "Endpoint(7b)", False)
    fake.retries_itself = True
    assert InThreads(fake).retries_itself


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_calls_run_at_once_and_off_the_event_loop(way):
    class Blocking(FakeModel):
        async def aanswer(self, request, timeout):
            raise AssertionError("This would block the loop.")

    fake = Blocking("[2] > [1]", delay_s=0.1)
    started = time.monotonic()
    if way == "sync":
        rerank(AsksTenTimes(), "q", [], backends=InThreads(fake))
    else:
        await arerank(AsksTenTimes(), "q", [], backends=InThreads(fake))
    assert fake.most_at_once == len(fake.requests) == 10
    assert time.monotonic() - started < 0.5
