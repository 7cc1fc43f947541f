"""What a model thinks is never its answer, whatever marks its family uses."""

from __future__ import annotations

import time

import pytest

from rerank_plugins.text import without_thinking

HARMONY = "<|channel|>analysis<|message|>[1]?<|end|><|start|>assistant<|channel|>final<|message|>"
MARKS = {
    "<think>[1]?</think>": "DeepSeek-R1, Qwen3, QwQ, GLM, MiniMax, Nemotron, Phi-4-reasoning",
    "<THINK>\n[1]?\n</THINK>\n\n": "in capitals",
    '<think time="3">[1]?</think>': "with an attribute",
    "&lt;think&gt;[1]?&lt;/think&gt;": "escaped by a web page",
    "<thinking>[1]?</thinking>": "Claude by prompt, Reflection",
    "<reasoning>[1]?</reasoning>": "by prompt",
    "<thought>[1]?</thought>": "EXAONE Deep",
    "<seed:think>[1]?</seed:think>": "Seed-OSS",
    "<seed:think>[1]?<seed:cot_budget_reflect>9 left</seed:cot_budget_reflect>[1]!</seed:think>": "Seed-OSS, budget",
    "[THINK][1]?[/THINK]": "Magistral",
    "◁think▷[1]?◁/think▷": "Kimi-VL",
    "<|begin_of_thought|>[1]?<|end_of_thought|>\n<|begin_of_solution|>": "OpenThinker, Sky-T1",
    "<|START_THINKING|>[1]?<|END_THINKING|><|START_RESPONSE|>": "Command A Reasoning",
    "<|inner_prefix|>[1]?<|inner_suffix|>": "Apertus",
    "<unused94>thought\n[1]?<unused95>": "MedGemma",
    "<|channel>thought\n[1]?<channel|>": "Gemma 4",
    "<|im_start|>think\n[1]?\n<|im_start|>answer\n": "s1",
    "<|think|>[1]?<|end|><|begin|>assistant<|content|>": "Solar",
    HARMONY: "gpt-oss",
    HARMONY.replace("final<", "final <|constrain|>json<"): "gpt-oss with a format",
    "analysisWe have [1]?assistantfinal": "gpt-oss without its control tokens",
    "Here is my thought process: [1]?\n\nHere is my response:": "Granite 3.2",
    "```thinking\n[1]?\n```\n": "in a fence",
    '<details type="reasoning" done="true"><summary>Thought</summary>[1]?</details>': "Open WebUI",
    "[1]?</think>": "no opening mark, which the template wrote",
    "[1]?[/THINK]": "no opening mark",
    "<think>[1] <think> [3]</think>": "an opening mark that is quoted",
    "<think>[1]<think>[3]</think>[4]</think>": "one in the other",
    "<think>[1]</think><think>[3]</think>": "two",
    "<think></think>": "an empty one",
}


@pytest.mark.parametrize("thought", MARKS, ids=MARKS.values())
@pytest.mark.parametrize("answer", ["[2] > [1]", '{"ranking": [2, 1]}'])
@pytest.mark.parametrize("end", ["", "<|im_end|>", "<|return|>", "</s>"])
def test_the_answer_is_what_is_left(thought, answer, end):
    assert without_thinking(thought + answer + end) == answer


@pytest.mark.parametrize(
    "text",
    [
        "<think>[1] > [2]",
        "[THINK][1]",
        "<|channel|>analysis<|message|>[1] > [2]",
        "<|channel|>analysis",
        "analysisWe have [1]",
        "◁think▷[1]",
        "<think>[1]</think>",
        "<think",
        "[1]</think>",
        "Here is my thought process: [1]",
    ],
)
def test_a_thought_alone_is_no_answer(text):
    assert without_thinking(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "I think [2] > [1]",
        "analysis of the documents: [2] > [1]",
        "My reasoning: [2] is better than [1].",
        '{"reasoning": "so", "ranking": [2]}',
        "[2] > [1]\n\nThinking: the second is on topic.",
        "a < b and c > d",
    ],
)
def test_words_about_thinking_are_no_marks(text):
    assert without_thinking(text) == text


def test_an_answer_in_its_own_tag_counts_at_the_end_alone():
    assert without_thinking("First [1]. <answer>[2]</answer>") == "[2]"
    quoted = "The text says <answer>[3]</answer>, but [1] > [2]"
    assert without_thinking(quoted) == quoted


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think", "<|channel|>", "<answer>", "```think\n", "<details "]
)
def test_no_reply_costs_quadratic_time(piece):
    start = time.process_time()
    without_thinking("1" + piece * 20_000 + "a")
    assert time.process_time() - start < 1
