"""Odd answers, in many forms and languages, each with the order that it says; what says nothing for certain is none."""

from __future__ import annotations

import pytest

from rerank_plugins.prompts.found_json import json_values
from rerank_plugins.prompts.lettered import parse_pick
from rerank_plugins.prompts.listwise import parse_order
from rerank_plugins.prompts.pointwise import parse_score
from rerank_plugins.requests import ChatReply

ANSWERS = {
    # several orders: the last complete one counts
    "[1] > [2] > [3]. On reflection: [3] > [1] > [2]": [3, 1, 2],
    "[3] > [1] > [2], since [1] > [2].": [3, 1, 2],
    '{"ranking": [1, 2, 3]}\nNo, rather:\n{"ranking": [3, 1, 2]}': [3, 1, 2],
    '{"ranking": [3, 1, 2]} and not {"ranking": [2]}': [3, 1, 2],
    "As in [1, 2]: the order is [3] > [1] > [2]": [3, 1, 2],
    "Document 1 is weak, document 2 too, document 3 is good.\nDocument 3, document 1, document 2": [3, 1, 2],
    "[1] is off, [2] is weak, [3] answers.\n\n[3]\n[1]\n[2]": [3, 1, 2],
    # chains
    "[3] [2] > [5] > [1] > [4]": [3, 2, 5, 1, 4],
    "[3], [2] > [1]": [3, 2, 1],
    "[3] → [1] → [2]": [3, 1, 2],
    "3 -> 1 -> 2": [3, 1, 2],
    "[3] &gt; [1] &gt; [2]": [3, 1, 2],
    "[３] ＞ [１] ＞ [２]": [3, 1, 2],
    "٣ > ١ > ٢": [3, 1, 2],
    # tables and lists
    "| Rank | Document |\n|---|---|\n| 1 | 3 |\n| 2 | 1 |\n| 3 | 2 |": [3, 1, 2],
    "| Document | Rank |\n|---|---|\n| 1 | 2 |\n| 2 | 3 |\n| 3 | 1 |": [3, 1, 2],
    "| Document | Score |\n|---|---|\n| 1 | 2 |\n| 2 | 3 |\n| 3 | 1 |": [],
    "| Rang | Dokument | Grund |\n|---|---|---|\n| 1 | Dokument 3 | ja |\n| 2 | Dokument 1 | nein |": [3, 1],
    "1. 3\n2. 1\n3. 2": [3, 1, 2],
    "1) Document 3 (best of 7)\n2) Document 1": [3, 1],
    # data that is not quite JSON
    "ranking:\n  - 3\n  - 1\n  - 2": [3, 1, 2],
    "ranking: [3, 1, 2]": [3, 1, 2],
    '{"id": 3}\n{"id": 1}\n{"id": 2}': [3, 1, 2],
    '{"id": 1, "rank": 2}\n{"id": 2, "rank": 3}\n{"id": 3, "rank": 1}': [3, 1, 2],
    '{"documents": [{"id": 1, "rank": 2}, {"id": 3, "rank": 1}]}': [3, 1],
    '{"ranking": [3, 1, 2,],}': [3, 1, 2],
    "{'ranking': [3, 1, 2], 'sure': True}": [3, 1, 2],
    "{ranking: [3, 1, 2]}": [3, 1, 2],
    '{"ranking": [3, // the best\n 1, /* then */ 2]}': [3, 1, 2],
    "{'reasoning': 'it\\'s [1] > [2]', 'ranking': [3, 1, 2]}": [3, 1, 2],
    # other languages
    "Dokument 3 ist am besten, dann Dokument Nr. 1, zuletzt Dokument 2.": [3, 1, 2],
    "Le document n° 3, puis le document 1, enfin le document 2.": [3, 1, 2],
    "Primero el documento 3, después el documento 1 y el documento 2.": [3, 1, 2],
    "最相关的是文档3，其次是文档 1，最后是文档2。": [3, 1, 2],
    "第3篇最好，其次第1篇，再次第2篇": [3, 1, 2],
    "文書3、文書1、文書2の順です。": [3, 1, 2],
    "문서 3, 문서 1, 문서 2 순입니다.": [3, 1, 2],
    "المستند 3 ثم المستند 1 ثم المستند 2": [3, 1, 2],
    "Документ 3, затем документ 1, затем документ 2": [3, 1, 2],
    "दस्तावेज़ 3, फिर दस्तावेज़ 1": [3, 1],
    # nothing for certain
    "Keines der 5 Dokumente hilft.": [],
    "Ninguno de los 3 documentos sirve; puntuación 2.": [],
    "Aucun document parmi les 5.": [],
    "以上5个文档都没有帮助。": [],
    "HTTP 429: retry in 2 s": [],
    '{"1": 9.5, "2": 3.0}': [],
    "{'ranking': [3, 1, 2": [],
}


@pytest.mark.parametrize(("text", "order"), ANSWERS.items())
def test_the_order_that_an_odd_answer_says(text: str, order: list[int]) -> None:
    assert [place + 1 for place in parse_order(ChatReply(text), 5).positions] == order


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'it\\'s'}", {"a": "it's"}),
        ("{'a': \"b\"}", {"a": "b"}),
        ('{"a": "// no comment", }', {"a": "// no comment"}),
        ('{"a": "http://x" // one\n}', {"a": "http://x"}),
        ("{'a': None, 'b': True}", {"a": None, "b": True}),
        ('{"a": "None, it is True,"}', {"a": "None, it is True,"}),
        ("{a: 1}", {"a": 1}),
        ('{"a": [1, 2,]}', {"a": [1, 2]}),
        ('{"a": [1, 2', None),
        ("{'a': 1", None),
        ("{a b}", None),
    ],
)
def test_loose_json_is_read_and_not_guessed(text: str, value: object) -> None:
    assert next((found for found in json_values(text) if isinstance(found, dict)), None) == value


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("It names the dose.\n\n**Score: 7/10**", 7),
        ("Score: 3\nOn reflection:\nScore: 7", 7),
        ('{"score": 3} no, {"score": 7}', 7),
        ("{'score': 7, }", 7),
        ("Bewertung: 7,5", 7.5),
        ("Note : 7 sur 10", 7),
        ("Puntuación: 7 de 10", 7),
        ("评分：7分", 7),
        ("スコア: 7点", 7),
        ("점수: 7점", 7),
        ("الدرجة: ٧", 7),
        ("[THINK]4 or 5?[/THINK]7", 7),
        ("analysisIt is a 4.assistantfinal7", 7),
        ("It helps with 7 of 9 questions.", None),
        ("Error 7: try again", None),
        ("Score: 12", None),
    ],
)
def test_the_score_that_an_odd_answer_says(text: str, score: float | None) -> None:
    assert parse_score(ChatReply(text), 10) == score


def test_the_last_pick_counts() -> None:
    assert parse_pick(ChatReply('{"document": "A"} no, {"document": "C"}'), 3).position == 2
