"""The wording that released rerankers were trained on, by the name of the checkpoint on the Hugging Face hub.

A checkpoint that was trained on one wording ranks worse with any other, so that here, and only here, the words are its
authors': the fields of a template, each with the place where they state it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from rerank_plugins.errors import InvalidInput

__all__ = ["LISTED", "LISTWISE", "POINTWISE", "SETWISE", "ListedTemplate", "PointwiseTemplate", "template_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PointwiseTemplate:
    """How a checkpoint reads one question with one document.

    Args:
        system: Its system message, or "" for none.
        before: What stands before the document; has {query}, and {goal} where `goal` is stated.
        after: What stands after it.
        labels: The answers that it was trained to give.
        opening: What its answer begins with before the label.
        goal: What a document is wanted for, where the user does not say.
        goal_line: How the goal is stated where there is one; "" if it stands in `before` anyway.
    """

    system: str
    before: str
    after: str
    labels: tuple[str, ...]
    opening: str = ""
    goal: str = ""
    goal_line: str = ""


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """How a checkpoint reads one question with a list of documents.

    Args:
        system: Its system message.
        before: What stands before the documents; has {query} and {count}.
        document: One document; has {label}, and ends where the text begins.
        after: What stands after them; may have {query} and {count}.
        labels: What documents are called.
        opening: What its answer begins with before the first label.
    """

    system: str
    before: str
    document: str
    after: str
    labels: Literal["letters", "numbers"]
    opening: str = ""


# mixedbread-ai/mxbai-rerank on GitHub, mxbai_rerank/mxbai_rerank_v2.py; the score there is the logit of "1" minus that
# of "0" at the first position of the answer.
_MXBAI = PointwiseTemplate(
    system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    before="{goal}query: {query}\ndocument: ",
    after=(
        "\nYou are a search relevance expert who evaluates how well documents match search queries. For each "
        "query-document pair, carefully analyze the semantic relationship between them, then provide your binary "
        "relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:"
    ),
    labels=("1", "0"),
    goal_line="instruction: {goal}\n",
)

# arXiv 2509.00520, figure 5, whose line breaks are not preserved in the copy that was read. The model card was not.
_ERANK = PointwiseTemplate(
    system="",
    before=(
        "Given a query and a document, please give a relevance score of 0 to 10. The goal or relevance definition is: "
        "{goal}\n\nHere is the query:\n{query}\n\nHere is the document:\n"
    ),
    after=(
        "\n\nAfter thinking, directly choose a relevance score from [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].\n"
        "- 0 represents completely not related.\n- 10 means perfectly related.\n\nDesired output format:\n"
        "<think>put your thinking here</think><answer>Only allows an integer here</answer>\n\nYour output:"
    ),
    labels=tuple(map(str, range(11))),
    opening="<answer>",
    goal="Retrieve documents that help to answer the query.",
)

# castorini/rank_llm on GitHub, prompt_templates/rank_zephyr_alpha_template.yaml; the model card was not read.
_FIRST = ListedTemplate(
    system=("You are RankLLM, an intelligent assistant that can rank passages based on their relevancy to the query"),
    before=(
        "I will provide you with {count} passages, each indicated by an alphabetical identifier []. Rank the passages "
        "based on their relevance to the search query: {query}.\n"
    ),
    document="[{label}] ",
    after=(
        "Search Query: {query}.\nRank the {count} passages above based on their relevance to the search query. All the "
        "passages should be included and listed using identifiers, in descending order of relevance. The output format "
        "should be [] > [], e.g., [B] > [A], Answer concisely and directly and only respond with the ranking results, "
        "do not say any word or explain."
    ),
    labels="letters",
    opening="[",
)

# ielab/llm-rankers on GitHub, Rank-R1/README.md, which says that it was trained with 20 documents.
_RANK_R1 = ListedTemplate(
    system=(
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
        "assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
        "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."
    ),
    before='Given the query: "{query}", which of the following documents is most relevant?\n',
    document="[{label}] ",
    after=(
        "After completing the reasoning process, please provide only the label of the most relevant document to the "
        "query, enclosed in square brackets, within the answer tags. For example, if the third document is the most "
        "relevant, the answer should be: <think> reasoning process here </think> <answer>[3]</answer>."
    ),
    labels="numbers",
)

POINTWISE: Mapping[str, PointwiseTemplate] = {
    "mixedbread-ai/mxbai-rerank-base-v2": _MXBAI,
    "mixedbread-ai/mxbai-rerank-large-v2": _MXBAI,
    "Alibaba-NLP/ERank-4B": _ERANK,
    "Alibaba-NLP/ERank-14B": _ERANK,
    "Alibaba-NLP/ERank-32B": _ERANK,
}

LISTWISE: Mapping[str, ListedTemplate] = {
    "castorini/first_mistral": _FIRST,
    "rryisthebest/First_Model": _FIRST,
}

SETWISE: Mapping[str, ListedTemplate] = {
    "ielabgroup/Rank-R1-3B-v0.1": _RANK_R1,
    "ielabgroup/Rank-R1-7B-v0.1": _RANK_R1,
    "ielabgroup/Rank-R1-14B-v0.1": _RANK_R1,
}

LISTED: Mapping[str, ListedTemplate] = {**LISTWISE, **SETWISE}


def template_of(name: str | None, templates: Mapping[str, T]) -> T | None:
    """The template of that name; None for None.

    Raises:
        InvalidInput: There is none.
    """
    if name is None:
        return None
    if name not in templates:
        raise InvalidInput(f"No wording is known for {name!r}; it is for {', '.join(templates)}, or None for our own.")
    return templates[name]
