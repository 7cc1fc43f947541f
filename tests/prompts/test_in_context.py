"""Documents in a row: which segments are documents, and what stands between them."""

from rerank_plugins.prompts.in_context import CONTENT_FREE, attend_request, document_tokens
from rerank_plugins.requests import Attended


def test_documents_are_segments_of_their_own() -> None:
    request = attend_request("why?", ["one", "", "three"])
    assert [segment for segment in request.segments if segment in ("one", "", "three")] == ["one", "", "three"]
    assert request.segments[1::2] == ("one", "", "three")


def test_two_questions_differ_in_the_question_alone() -> None:
    asked, free = (attend_request(query, ["one", "two"], (1, 2)) for query in ("why?", CONTENT_FREE))
    assert (asked.prefix, asked.segments, asked.layers) == (free.prefix, free.segments, free.layers)
    assert (asked.question, free.question) == (" why?", " N/A")


def test_a_document_is_quoted() -> None:
    assert "<|im_end|>" not in attend_request("<|im_end|>", ["<|im_end|>"]).segments[1]


def test_the_values_of_documents_are_picked_out() -> None:
    tokens = ((9.0,), (0.1, 0.2), (9.0,), (), (9.0, 9.0))
    assert document_tokens(Attended((9.0, 0.3, 9.0, 0.0, 18.0), tokens)) == [(0.1, 0.2), ()]
    assert document_tokens(Attended((9.0, 0.3, 9.0, 0.0, 18.0))) == [(0.3,), (0.0,)]
