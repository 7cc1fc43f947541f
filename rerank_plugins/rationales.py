"""Rationales: what to look for in order to answer a question, and domains that say what matters and what to refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rerank_plugins.candidates import encodable
from rerank_plugins.errors import InvalidInput

__all__ = ["DOMAINS", "Domain", "Rationale", "as_rationales"]


@dataclass(frozen=True)
class Rationale:
    """One search strategy for a question.

    Args:
        label: What it looks for, in a few words.
        strategy: How evidence of that kind is recognised, in a sentence; "" where the label says it all.
        flag: An instruction to the verifier about what to refuse, such as "Refuse what is about another product."

    Raises:
        InvalidInput: One of them is no text, or label and strategy are both blank.

    >>> Rationale("retention", "Look for how long data are kept.").text
    'retention: Look for how long data are kept.'
    """

    label: str
    strategy: str = ""
    flag: str = ""

    def __post_init__(self) -> None:
        for name in ("label", "strategy", "flag"):
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(f"Rationale({name}=...) is a text, not {getattr(self, name)!r}.")
        if not (self.label.strip() or self.strategy.strip()):
            raise InvalidInput("A Rationale has a label or a strategy; give it a few words.")

    @property
    def text(self) -> str:
        """What is compared with the chunks."""
        return encodable(": ".join(part.strip() for part in (self.label, self.strategy) if part.strip()))


@dataclass(frozen=True)
class Domain:
    """What matters in a field.

    Args:
        guidance: What good rationales look for there, told to the model that writes them.
        flags: What evidence is refused for, told to the verifier, one instruction each.
    """

    guidance: str
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.flags, str) or not all(isinstance(text, str) for text in (self.guidance, *self.flags)):
            raise InvalidInput(f"A Domain has a text as guidance and a list of texts as flags, not {self.flags!r}.")
        object.__setattr__(self, "flags", tuple(self.flags))


def as_rationales(items: Iterable[Rationale | str]) -> tuple[Rationale, ...]:
    """Read a list of rationales, where a plain string stands for a label.

    >>> as_rationales(["retention"])
    (Rationale(label='retention', strategy='', flag=''),)
    """
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise InvalidInput(f"Rationales come as a list of Rationale(label, strategy) or texts, not {items!r}.")
    return tuple(item if isinstance(item, Rationale) else Rationale(item) for item in items)


DOMAINS: Mapping[str, Domain] = {
    "finance": Domain(
        "Figures with their period, currency and unit; guidance, restatements and one-off items; risk factors; notes.",
        ("Refuse figures whose period, currency or entity is not the one asked about.",),
    ),
    "legal": Domain(
        "Operative clauses, definitions, conditions and exceptions, time limits, parties, governing law, cross-"
        "references to other clauses.",
        ("Refuse what is of another contract, party or jurisdiction.", "Refuse what says that it was superseded."),
    ),
    "medical": Domain(
        "The population, dose, contraindications, interactions, outcomes, strength of evidence and date of guidance.",
        (
            "Refuse doses or treatments that are dangerous for the patients asked about.",
            "Refuse claims of a cure without any source or study.",
        ),
    ),
    "privacy": Domain(
        "Which data are collected, the purpose, who receives them, how long they are kept, how they are protected, and "
        "the rights and choices that people have.",
        ("Refuse what is of another company's or product's policy.",),
    ),
    "science": Domain(
        "The claim itself, the method, the sample, the effect with its uncertainty, replication, and stated limits.",
        ("Refuse numbers that contradict the study that the text itself names.",),
    ),
}
"""Ready-made domains by name; an instance of `Domain` does as well."""
