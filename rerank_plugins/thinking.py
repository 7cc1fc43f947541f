"""What a model thinks, told from what it answers, in the marks of each model family."""

from __future__ import annotations

import re

__all__ = ["has_ending", "without_thinking"]

_NAMES = (
    r"think|thinking|thoughts?|reasoning|reflection|scratchpad|inner_monologue|antthinking|"
    r"seed:think|seed:cot_budget_reflect|mm:think|internal_thoughts?"
)
# Each mark is a whole one: a word such as "analysis" in an answer must not swallow the rest.
_OPENING = "|".join(
    (
        rf"<(?:{_NAMES})(?:\s[^<>]{{0,80}})?>",  # DeepSeek, Qwen, GLM, Claude, Seed, EXAONE, and most others
        rf"&lt;(?:{_NAMES})&gt;",
        r"\[THINK\]",  # Magistral
        r"◁think▷",  # Kimi
        r"<\|begin_of_thought\|>",  # OpenThinker, Sky-T1
        r"<\|START_THINKING\|>",  # Command A
        r"<\|inner_prefix\|>",  # Apertus
        r"<\|think\|>",  # Solar
        r"<unused94>(?:thought)?",  # MedGemma
        r"<\|channel>thought",  # Gemma 4
        r"<\|im_start\|>think\b",  # s1
        r"<\|channel\|>\s{0,9}(?:analysis|commentary)[^<\n]{0,80}(?:<\|constrain\|>\w{0,20})?<\|message\|>",  # gpt-oss
    )
)
_CLOSING = "|".join(
    (
        rf"</(?:{_NAMES})\s{{0,9}}>",
        rf"&lt;/(?:{_NAMES})&gt;",
        r"\[/THINK\]",
        r"◁/think▷",
        r"<\|end_of_thought\|>",
        r"<\|END_THINKING\|>",
        r"<\|inner_suffix\|>",
        r"<unused95>",
        r"<channel\|>",
        # Marks with which the answer begins.
        r"<\|begin_of_solution\|>",
        r"<\|START_RESPONSE\|>",
        r"<\|im_start\|>answer\b",
        r"<\|begin\|>assistant<\|content\|>",
        r"<\|channel\|>\s{0,9}final[^<\n]{0,80}(?:<\|constrain\|>\w{0,20})?<\|message\|>",
    )
)
_MARK = re.compile(rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})", re.I)
# A mark that the token limit cut in two.
_HALF_MARK = re.compile(r"<(?:think|thinking|reasoning|thought)[^<>\n]{0,80}\Z|<\|channel\|>[^<>\n]{0,80}\Z", re.I)
# gpt-oss as a server shows it that drops the control tokens and leaves the words between them.
_BARE_CHANNELS = re.compile(r"\A(?:analysis|commentary)(?=[A-Z])(?:.*assistantfinal|.*\Z)", re.S)
_GRANITE = re.compile(r"\A\s{0,20}Here(?: is|'s) my thought process:.*?(?:Here(?: is|'s) my response:|\Z)", re.S | re.I)
_FENCED = re.compile(r"```(?:thinking|think|thought|reasoning)[ \t]*\n.*?(?:\n```|\Z)", re.S | re.I)
_FOLDED = re.compile(r"<details\b[^<>]{0,80}reasoning[^<>]{0,80}>.*?(?:</details>|\Z)", re.S | re.I)  # Open WebUI
_CONTROL = re.compile(
    r"<\|(?:end|return|call|start|message|im_start|im_end|im_sep|eot_id|eom_id|endoftext|end_of_text|end_of_solution|"
    r"END_RESPONSE|END_OF_TURN_TOKEN|begin_of_box|end_of_box|begin|content)\|>(?:assistant\b)?|<end_of_turn>|</s>",
    re.I,
)
_ANSWER = re.compile(r"<(answer|final_answer|response|output)>((?:(?!</?\1>).)*)</\1>\s*\Z", re.S | re.I)


def without_thinking(text: str) -> str:
    """Remove what a model thinks: also a block that never ends, one whose beginning is missing, and one in another.

    A mark of the end ends all that was opened, since models quote the opening mark when they think about thinking.

    >>> without_thinking("<think>1?</think>[2]"), without_thinking("so 1.</think>[2]"), without_thinking("<think>1")
    ('[2]', '[2]', '')
    >>> without_thinking("<|channel|>analysis<|message|>1?<|end|><|start|>assistant<|channel|>final<|message|>[2]")
    '[2]'
    """
    for pattern in (_GRANITE, _BARE_CHANNELS, _FENCED, _FOLDED):
        text = pattern.sub("", text)
    answer = _CONTROL.sub("", _HALF_MARK.sub("", _outside(text))).strip()
    wrapped = _ANSWER.search(answer)  # at the end alone: further up it may be a document's, quoted
    return wrapped[2].strip() if wrapped else answer


def has_ending(text: str) -> bool:
    """Whether a thought is marked as ended, so that what follows is the answer."""
    return any(mark["closing"] for mark in _MARK.finditer(text))


def _outside(text: str) -> str:
    kept: list[str] = []
    end, inside = 0, False
    for mark in _MARK.finditer(text):
        if mark["opening"]:
            kept += [] if inside else [text[end : mark.start()]]
        elif not inside:
            kept = []  # all before a closing mark without an opening one was thought
        inside, end = bool(mark["opening"]), mark.end()
    return "".join(kept) + ("" if inside else text[end:])
