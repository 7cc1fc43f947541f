"""A batch backend that answers one request with `Failed` fails that request alone, and has it tried again."""

from collections.abc import Iterator, Sequence

from rerank_plugins import Limits, Ranking, arerank, rerank
from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import BadReply, CallError, Transient
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, ChatReply, Failed, Reply, Steps

DOCUMENTS = ["one", "two", "three"]


class EachLength:
    """Asks once per document, and scores it by the length of the answer."""

    needs = (Chat,)

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        replies = yield [Chat([{"role": "user", "content": candidate.text}]) for candidate in candidates]
        return order_by([len(reply.text) if isinstance(reply, ChatReply) else None for reply in replies])


class Echo:
    """Answers with what it was asked, and fails on "two" for as many tries as it is told."""

    kinds = (Chat,)
    identity = "Echo"

    def __init__(self, error: CallError, failures: int) -> None:
        self.error, self.failures = error, failures
        self.batches: list[int] = []

    def answer_batch(self, requests: Sequence[Chat]) -> Iterator[tuple[int, Reply]]:
        self.batches.append(len(requests))
        for position, request in enumerate(requests):
            text = request.messages[0]["content"]
            if text == "two" and self.failures:
                self.failures -= 1
                yield position, Failed(self.error)
            else:
                yield position, ChatReply(text)


def notes_of(ranking: Ranking) -> list[str]:
    return [note.message for note in ranking.notes if note.kind == "failed"]


def test_a_request_that_fails_for_good_fails_alone() -> None:
    echo = Echo(BadReply("no"), failures=9)
    ranking = rerank(EachLength(), "q", DOCUMENTS, backends=echo)
    assert [(item.index, item.score) for item in ranking] == [(2, 5.0), (0, 3.0), (1, None)]
    assert notes_of(ranking) == ["1 call failed: no"]
    assert echo.batches == [3]


async def test_a_request_that_another_try_may_mend_is_tried_again_after_a_wait() -> None:
    echo = Echo(Transient("busy", retry_after=0.2), failures=1)
    ranking = await arerank(EachLength(), "q", DOCUMENTS, backends=echo)
    assert [item.score for item in ranking] == [5.0, 3.0, 3.0]
    assert notes_of(ranking) == []
    assert echo.batches == [3, 1]
    assert ranking.usage.seconds >= 0.2


def test_no_more_tries_than_the_limits_allow() -> None:
    echo = Echo(Transient("busy"), failures=9)
    ranking = rerank(EachLength(), "q", DOCUMENTS, backends=echo, limits=Limits(retries=1))
    assert notes_of(ranking) == ["1 call failed: busy"]
    assert echo.batches == [3, 1]
