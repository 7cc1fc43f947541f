import threading
import time

import pytest

from rerank_plugins.backends.loading import Once, loading, require
from rerank_plugins.errors import InvalidInput, MissingExtra, Refused


def test_once_makes_one_thing_for_many_threads() -> None:
    made: list[object] = []

    def make() -> object:
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    once, seen = Once(make), []
    threads = [threading.Thread(target=lambda: seen.append(once())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert seen == made * 8


def test_once_tries_again_after_a_failure() -> None:
    outcomes = [OSError("no disk"), "model"]

    def make() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    once = Once(make)
    with pytest.raises(OSError, match="no disk"):
        once()
    assert once.made is None
    assert once() == "model" == once.made


def test_require_names_the_package_as_pip_knows_it() -> None:
    require("Reading", "all", "json")
    with pytest.raises(MissingExtra, match=r"Reading needs the package 'no-such-package'.*rerank-plugins\[all\]"):
        require("Reading", "all", "json", "no_such_package")


def test_loading_says_which_model_failed() -> None:
    with (
        pytest.raises(Refused, match=r"Reader could not load the model 'x/y' \(OSError\)") as caught,
        loading("Reader", "x/y"),
    ):
        raise OSError("hub")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError("x/y is not a local folder and is not a valid model identifier"), "was not found"),
        (FileNotFoundError(2, "No such file or directory"), "was not found"),
        (type("LocalEntryNotFoundError", (Exception,), {})("offline"), "was not found"),
        (MemoryError(), "not enough memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "not enough memory",
        ),
        (ValueError("Unrecognized configuration class for this kind of AutoModel"), "no model of this kind"),
        (KeyError("lm_head"), "no model of this kind"),
    ],
)
def test_loading_says_what_is_wrong(error: Exception, cause: str) -> None:
    with pytest.raises(Refused, match=cause) as caught, loading("Reader", "x/y"):
        raise error
    assert caught.value.scope == "backend"
    with pytest.raises(Refused, match=cause), loading("Reader", "x/y"):
        raise Exception("a framework's") from error


def test_loading_lets_our_own_sentences_pass() -> None:
    with pytest.raises(InvalidInput, match="two labels"), loading("Reader", "x/y"):
        raise InvalidInput("two labels")
