"""What other rerankers get wrong, as measured on them: each case must come out right here, sync and async."""

import json
import re
from dataclasses import dataclass

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage

from langchain_rerank_plugins import RerankCompressor
from rerank_plugins import CrossEncode, InsertRank, Limits
from rerank_plugins.ranking import order_by
from rerank_plugins.requests import Chat, ChatReply, Scored, ScorePairs

LISTWISE = InsertRank(bm25=None)


@pytest.fixture
def order(compress, documents, scripted):
    """The order that a reply leads to, as positions in the list."""

    def run(reply, count=3, method=LISTWISE, **options):
        found = compress(RerankCompressor(method, llm=scripted(says=reply), **options), documents(count))
        assert len({document.id for document in found}) == len(found) == count, "each document comes back once"
        return [int(document.id[1:]) for document in found]

    return run


class TestWhatLlmRerankGetsWrong:
    def test_a_refusal_loses_no_document_and_is_noted(self, order, trace, compress, documents, scripted):
        refusal = "I'm sorry, but as an AI I cannot rank these 3 documents."
        assert order(refusal) == [0, 1, 2]
        compress(RerankCompressor(LISTWISE, llm=scripted(says=refusal)), documents(3), callbacks=[trace])
        notes = trace.outputs["RerankCompressor<InsertRank>"]["notes"]
        assert any(note["kind"] == "repaired" for note in notes)

    @pytest.mark.parametrize("reply", ["**[3]** > **[1]** > **[2]**", "**Ranking:** [3] > [1] > [2]"])
    def test_markdown_is_read(self, order, reply):
        assert order(reply) == [2, 0, 1]

    def test_a_trailing_explanation_is_ignored(self, order):
        reply = '{"ranking": [3, 1, 2]}\n\nI put document 3 first because it answers in 2 of its 4 sentences.'
        assert order(reply) == [2, 0, 1]

    def test_document_0_is_not_the_last_one(self, order):
        assert order("Doc: 0, Relevance: 9") == [0, 1, 2]

    def test_scores_below_1_are_not_cut_to_0(self, compress, documents):
        scores = self._scores(compress, documents(2), 0.9, 0.1)
        assert scores == [("d0", 0.9), ("d1", 0.1)]

    def test_close_decimals_do_not_tie(self, compress, documents):
        assert self._scores(compress, documents(2), 12.0, 12.5) == [("d1", 12.5), ("d0", 12.0)]

    def _scores(self, compress, found, *values):
        ranked = compress(RerankCompressor(CrossEncode(), backends=Scorer(values)), found)
        return [(document.id, document.metadata["relevance_score"]) for document in ranked]

    def test_a_line_without_a_number_moves_nothing_onto_another_document(self, order):
        assert order("[3]\n[none]\n[1]") == [2, 0, 1]

    def test_one_of_ten_calls_fails_alone(self, compress, scripted):
        found = [Document(f"passage {i}", id=f"d{i}") for i in range(100)]
        replies = ["[10] > [9]"] * 4 + [ValueError("bug")] + ["[10] > [9]"] * 5
        method = InsertRank(bm25=None, window=10, stride=10)
        ranked = [
            int(document.id[1:]) for document in compress(RerankCompressor(method, llm=scripted(says=replies)), found)
        ]
        assert sorted(ranked) == list(range(100))
        # Windows go from the end: the fifth holds documents 50 to 59, and it alone keeps its order.
        assert ranked[50:60] == list(range(50, 60))
        assert [ranked[start] for start in (0, 10, 40, 60, 90)] == [9, 19, 49, 69, 99]

    @pytest.mark.parametrize(
        ("reply", "positions"),
        [
            ('{"ranking": [2]}', [1, 0, 2]),
            ('{"ranking": [2, 2, 3, 1]}', [1, 2, 0]),
            ('{"ranking": [0, 3]}', [2, 0, 1]),
            ('{"ranking": [-9, 3]}', [2, 0, 1]),
            ('{"ranking": [999, 3]}', [2, 0, 1]),
        ],
        ids=["missing", "repeated", "zero", "negative", "beyond"],
    )
    def test_odd_identifiers(self, order, reply, positions):
        assert order(reply) == positions


class TestWhatRankGptRerankGetsWrong:
    def test_numbers_in_a_sentence_are_no_ranks(self, order):
        assert order("Here are the top 3 of 5 passages: [4] > [2]", count=5)[:2] == [3, 1]

    def test_numbers_in_a_thinking_block_are_no_ranks(self, order):
        assert order("<think>[1] or [2], 2 of 3 say so</think>[3] > [2]") == [2, 1, 0]
        thinking = {"type": "thinking", "thinking": "[1] > [2] > [3]", "signature": "x"}
        assert order(AIMessage([thinking, {"type": "text", "text": "[3] > [2]"}])) == [2, 1, 0]

    def test_the_retrieval_score_does_not_stay_as_the_score(self, compress, scripted):
        found = [Document(str(i), metadata={"relevance_score": 0.9 - i / 10}) for i in range(3)]
        best, *_ = compress(RerankCompressor(LISTWISE, llm=scripted(says="[3]")), found)
        assert best.metadata["relevance_score"] == 1.0
        assert best.metadata["rerank_plugins"]["first_stage_score"] == pytest.approx(0.7)


class TestWhatRankLlmGetsWrong:
    def test_no_model_is_made_for_a_query(self, compress, documents, scripted):
        made = []

        class Counted(scripted):
            def model_post_init(self, context, /):
                super().model_post_init(context)
                made.append(self)

        compressor = RerankCompressor(LISTWISE, llm=Counted(says="[2]"))
        for _ in range(3):
            compress(compressor, documents(3))
        assert len(made) == 1

    def test_the_text_of_an_error_ranks_nothing(self, order):
        assert order("Error code: 429 - rate limit reached, please try again in 12s", count=15) == list(range(15))

    def test_a_document_keeps_its_own_score_in_every_window(self, compress, documents, scripted):
        llm = scripted(says="[4] > [3] > [2] > [1]")
        found = [Document(f"passage {'rye ' * (i % 4)}{i}") for i in range(10)]
        ranked = compress(RerankCompressor(InsertRank(window=4, stride=2), llm=llm), found, "rye")
        own = {document.page_content: document.metadata["rerank_plugins"]["why"]["shown"] for document in ranked}
        shown = [
            (text.strip(), number)
            for prompt in llm.prompts
            for number, text in re.findall(r'<document id="\d+" bm25="([^"]+)">\n(.*?)\n</document>', prompt)
        ]
        assert len(shown) > len(found), "the windows overlap"
        assert all(own[text] == number for text, number in shown)
        assert len(set(own.values())) > 1


class TestWhatLangChainsOwnGetWrong:
    def test_identifiers_are_read_as_they_were_shown_from_1(self, order):
        assert order('{"ranking": [1, 2, 3]}') == [0, 1, 2]
        assert order('{"ranking": [3, 2, 1]}') == [2, 1, 0]

    def test_an_answer_without_a_tool_call_is_read_as_text(self, compress, documents, scripted):
        class WithTools(scripted):
            def bind_tools(self, tools, **kwargs):
                return self.bind(tools=tools)

        llm = WithTools(says="[3] > [1] > [2]")
        compressor = RerankCompressor(LISTWISE, llm=llm, structured_output="function_calling", on_error="raise")
        assert [document.id for document in compress(compressor, documents(3))] == ["d2", "d0", "d1"]

    def test_a_document_named_three_times_comes_once(self, order):
        assert order("[2, 2, 2]") == [1, 0, 2]

    def test_a_hundred_documents_async_are_not_a_hundred_requests_at_once(self, compress, documents, scripted):
        llm = scripted(says="YES", delay_s=0.005)
        compress(RerankCompressor(Graded(), llm=llm), documents(100))
        assert llm.peak <= Limits().max_concurrency < len(llm.prompts) == 100

    def test_maybe_costs_one_document_its_score_and_nothing_else(self, compress, documents, scripted):
        llm = scripted(says=lambda prompt: "maybe" if prompt.endswith("1") else f"YES {prompt[-1]}")
        found = compress(RerankCompressor(Graded(), llm=llm), documents(3))
        assert [document.metadata.get("relevance_score") for document in found] == [2.0, 0.0, None]

    def test_scores_are_kept_and_there_is_a_run(self, compress, documents, trace):
        found = compress(RerankCompressor(CrossEncode(), backends=Scorer([0.2, 0.7])), documents(2), callbacks=[trace])
        assert [document.metadata["relevance_score"] for document in found] == [0.7, 0.2]
        assert trace.events == [("start", "RerankCompressor<CrossEncode>"), ("end", "RerankCompressor<CrossEncode>")]


class TestWhatOthersGetWrong:
    def test_the_prompt_holds_every_passage(self, compress, documents, scripted):
        llm = scripted(says="[2]")
        compress(RerankCompressor(InsertRank(), llm=llm), documents(10))
        assert all(document.page_content in llm.prompts[0] for document in documents(10))

    def test_two_documents_with_the_same_text_stay_two(self, compress, scripted):
        found = [Document("the same", id="x"), Document("the same", id="y"), Document("other", id="z")]
        ranked = compress(RerankCompressor(LISTWISE, llm=scripted(says="[2] > [3] > [1]")), found)
        assert [document.id for document in ranked] == ["y", "z", "x"]

    @pytest.mark.parametrize("count", [10, 30])
    def test_the_model_is_asked_and_none_is_lost(self, compress, documents, scripted, count):
        llm = scripted(says=f"[{count}]")
        found = compress(RerankCompressor(LISTWISE, llm=llm), documents(count))
        assert (len(llm.prompts), len(found), found[0].id) == (1, count, f"d{count - 1}")

    @pytest.mark.parametrize(("reply", "first"), [("[2]>[1]", 1), ("Sure: [3] is best.", 2), ("[9]", 0), ("", 0)])
    def test_short_replies(self, order, reply, first):
        assert order(reply)[0] == first

    def test_429_is_tried_again_and_ids_are_kept(self, compress, documents, scripted):
        class RateLimitError(Exception):
            status_code = 429

        llm = scripted(says=[RateLimitError("slow down"), RateLimitError("slow down"), "[3]"])
        found = compress(RerankCompressor(LISTWISE, llm=llm, limits={"backoff_s": 0}), documents(3))
        assert ([document.id for document in found], len(llm.prompts)) == (["d2", "d0", "d1"], 3)

    def test_each_document_says_why_as_json(self, compress, documents, scripted):
        for document in compress(RerankCompressor(InsertRank(), llm=scripted(says="[2] > [3]")), documents(3)):
            why = document.metadata["rerank_plugins"]
            assert json.loads(json.dumps(why, allow_nan=False)) == why


class Scorer:
    """A cross-encoder that gives the scores it was told."""

    kinds = (ScorePairs,)
    identity = "Scorer"

    def __init__(self, scores):
        self.scores = tuple(scores)

    def answer(self, request, timeout):
        return Scored(self.scores)

    async def aanswer(self, request, timeout):
        return Scored(self.scores)


@dataclass(frozen=True)
class Graded:
    """Asks about each document by itself; a reply that is no "YES" and a number is no score."""

    needs = (Chat,)

    def steps(self, query, candidates):
        replies = yield [Chat([{"role": "user", "content": candidate.text}]) for candidate in candidates]
        return order_by([self._score(reply) for reply in replies], score_kind="absolute")

    @staticmethod
    def _score(reply):
        said = re.fullmatch(r"YES(?: (\d))?", reply.text) if isinstance(reply, ChatReply) else None
        return float(said.group(1) or 1) if said else None
