"""Criteria: the qualities that documents are judged by beside their relevance, and ready-made sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rerank_plugins.candidates import finite
from rerank_plugins.errors import InvalidInput

__all__ = ["CODE", "LEGAL", "MEDICAL", "NEWS", "PAPER", "PRESETS", "RELEVANCE", "SUPPORT", "Criterion"]


@dataclass(frozen=True)
class Criterion:
    """One quality of a document, as a grader is told about it.

    Args:
        name: What it is called, in a word or two.
        definition: What earns a high score, in a sentence.
        weight: What one point counts in the total, where a point of relevance counts 1; at least 0.
        scale: The highest score, a whole number of at least 1; the lowest is 0.

    Raises:
        InvalidInput: An argument breaks one of these rules.

    >>> Criterion("brevity", "It comes to the point at once.")
    Criterion(name='brevity', definition='It comes to the point at once.', weight=0.5, scale=5)
    """

    name: str
    definition: str
    weight: float = 0.5
    scale: int = 5

    def __post_init__(self) -> None:
        for field in ("name", "definition"):
            value = getattr(self, field)
            if not isinstance(value, str) or not any(map(str.isalnum, value)):
                raise InvalidInput(f"Criterion({field}=...) is a text of at least one letter or digit, not {value!r}.")
        weight = finite(self.weight)
        if weight is None or weight < 0:
            raise InvalidInput(f"Criterion(weight=...) is a number of at least 0, not {self.weight!r}.")
        if isinstance(self.scale, bool) or not isinstance(self.scale, int) or self.scale < 1:
            raise InvalidInput(f"Criterion(scale=...) is a whole number of at least 1, not {self.scale!r}.")

    @property
    def key(self) -> str:
        """The name as it is compared: two criteria whose names differ in case or punctuation alone are one.

        >>> Criterion("Depth of Content", "It goes deep.").key
        'depth_of_content'
        """
        return "_".join("".join(char if char.isalnum() else " " for char in self.name.casefold()).split())


RELEVANCE = Criterion(
    "relevance",
    "How much the document helps to answer the question, wherever it comes from and however it is written.",
    weight=1.0,
    scale=10,
)
"""What every form of REBEL grades beside the other criteria."""

PAPER = (
    Criterion("depth of content", "It goes into the matter: causes, details, conditions, examples."),
    Criterion("diversity of perspectives", "It shows more than one side, or adds a view that others leave out."),
    Criterion("clarity and specificity", "It is easy to follow and exact: names, numbers and terms, not generalities."),
    Criterion("authoritativeness", "Its author knows the field, is named, or rests on sources that can be checked."),
    Criterion("recency", "It reflects the present state of things; what is older scores less where things change."),
)
"""The five fixed criteria of REBEL's one-turn form, with definitions of this project's own."""

LEGAL = (
    Criterion("jurisdiction", "It is the law of the place, court and field that the question is about."),
    Criterion("authoritativeness", "Statutes and binding decisions score highest, then official guidance."),
    Criterion("in force", "It states the law as of the date in question, and says what was amended or repealed."),
    Criterion("conditions and exceptions", "It gives a rule's requirements, definitions, time limits and exceptions."),
    Criterion("precise citation", "It names article, section, case or paragraph, so that a reader can look it up."),
)
"""For questions of law."""

MEDICAL = (
    Criterion("strength of evidence", "Reviews and trials score highest, then cohorts, then single cases.", 0.7),
    Criterion("patients it applies to", "Age, condition, severity and setting are those that the question is about."),
    Criterion("safety", "It names harms, contraindications, interactions, doses and when to seek help."),
    Criterion("authoritativeness", "Guideline bodies, regulators and peer-reviewed work score higher than opinion."),
    Criterion("recency", "It reflects present guidance; what has been superseded scores low."),
)
"""For questions on health and treatment."""

NEWS = (
    Criterion("recency", "It covers the latest state of the events that the question is about.", 0.7),
    Criterion("first-hand reporting", "It has witnesses, documents, figures or quotes of its own."),
    Criterion("neutrality", "It keeps facts and opinion apart and does not argue for a side."),
    Criterion("authoritativeness", "The outlet and the sources are named and known for checking what they print."),
    Criterion("background", "It gives the causes and the context that are needed to understand the event."),
)
"""For questions on current events."""

SUPPORT = (
    Criterion("fit to product and version", "It is about the product, version, plan and platform in question.", 0.7),
    Criterion("steps to take", "It says what to do, in order and completely, and how to see that it worked."),
    Criterion("match of the symptom", "It describes the same message or behaviour, not merely the same feature."),
    Criterion("authoritativeness", "Official documentation and staff answers score higher than users' guesses."),
    Criterion("recency", "It fits the product as it is now; steps for menus that are gone score low."),
)
"""For questions about a product in use."""

CODE = (
    Criterion("fit to language and version", "It is for the language, library and version in question.", 0.7),
    Criterion("code that runs", "It shows complete code with imports and calls that exist, not fragments."),
    Criterion("explanation", "It says why this works, what it costs and what its alternatives are."),
    Criterion("pitfalls", "It covers errors, edge cases, security and concurrency where they matter."),
    Criterion("authoritativeness", "Source code and official references score higher than posts of unknown origin."),
)
"""For questions about programming."""

PRESETS: Mapping[str, tuple[Criterion, ...]] = {
    "code": CODE,
    "legal": LEGAL,
    "medical": MEDICAL,
    "news": NEWS,
    "paper": PAPER,
    "support": SUPPORT,
}
"""The ready-made sets by name."""
