"""What a method may ask for, and what it is sent in reply.

A method yields a batch of requests and is sent as many replies, in the same order. A call that failed comes back
as `Failed`, whatever was asked.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Self, TypedDict

from rerank_plugins.candidates import Candidate
from rerank_plugins.errors import CallError
from rerank_plugins.ranking import Note, Usage, Verdict

__all__ = [
    "Attend",
    "Attended",
    "Chat",
    "ChatReply",
    "Choose",
    "Chosen",
    "Embed",
    "Embedded",
    "Failed",
    "Found",
    "Likelihood",
    "Measured",
    "Message",
    "Neighbours",
    "Reply",
    "Request",
    "Retrieve",
    "ScorePairs",
    "Scored",
    "Steps",
]


class Message(TypedDict):
    """One chat message in the form that every compatible endpoint takes; role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The base of every reply: what the call cost, and what the backend has to say about it."""

    usage: Usage = Usage()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Failed(Reply):
    """The reply to a call that failed after all its tries."""

    error: CallError


@dataclass(frozen=True)
class ChatReply(Reply):
    """What the model wrote, without its thinking.

    Args:
        text: The answer.
        parsed: The answer as data, where a schema was given and the answer kept to JSON; else None.
        truncated: Whether the model was stopped by the token limit.
    """

    text: str
    parsed: Any = None
    truncated: bool = False


@dataclass(frozen=True)
class Chosen(Reply):
    """Label to natural log-probability of it as the answer, among all that the model could answer.

    Labels that an endpoint does not give are missing, and so are those whose value is no log-probability.
    """

    logprobs: Mapping[str, float]


@dataclass(frozen=True)
class Measured(Reply):
    """Natural log-probability of each token of the continuation, given all before it."""

    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Attended(Reply):
    """Attention mass per segment.

    Args:
        mass: For each segment the attention that the question's tokens pay to it: the sum of its tokens' values.
        tokens: For each segment the value of each of its tokens: attention from the question's tokens, averaged over
            these, all heads and the layers asked for. Empty where the backend gives the sums alone.
    """

    mass: tuple[float, ...]
    tokens: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Embedded(Reply):
    """One vector per text, of shape (texts, dimensions), not necessarily of unit length.

    A vector is empty if the embedder gave none that can be used for that text.
    """

    vectors: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Scored(Reply):
    """One score per text; higher is more relevant. None if the model gave no number for that text."""

    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class Found(Reply):
    """Candidates, best first for `Retrieve` and in document order for `Neighbours`."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Request:
    """The base of every request.

    `units` and `of_units` are the seam of the cache: a request for many texts is many cacheable units, so that a
    document embedded for one query is not embedded again for the next.
    """

    reply: ClassVar[type[Reply]]
    asks: ClassVar[str]

    def units(self) -> Sequence[Self]:
        """The smallest requests that together ask the same."""
        return (self,)

    @classmethod
    def of_units(cls, units: Sequence[Self]) -> Self:
        """One request that asks for all these units."""
        return units[0]

    @classmethod
    def join(cls, replies: Sequence[Any]) -> Any:
        """The reply to the whole from the replies to its units."""
        return replies[0]

    @classmethod
    def split(cls, reply: Any, count: int) -> Sequence[Any]:
        """The replies to the units from the reply to the whole."""
        return (reply,)

    def payload(self) -> dict[str, Any]:
        """All that decides the reply, as plain data: the cache key is made of it."""
        return {"asks": type(self).__name__} | {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True)
class Chat(Request):
    """Ask for text.

    Args:
        messages: The conversation so far.
        schema: A JSON schema that the answer shall keep to. An endpoint may not know how, so the text has to be
            parsed with tolerance anyway.
        max_tokens: Longest answer, in tokens, thinking not counted.
        temperature: None leaves it to the backend (0 where the model takes one).
        seed: Distinguishes several samples of the same prompt.
        may_cut: Whether documents in the prompt may be shortened to fit the context. If not, a prompt that is
            too long comes back as `Failed` with `PromptTooLong`.
    """

    reply: ClassVar[type[Reply]] = ChatReply
    asks: ClassVar[str] = "a chat model's answer"
    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 1024
    temperature: float | None = None
    seed: int | None = None
    may_cut: bool = True


@dataclass(frozen=True)
class Choose(Request):
    """Ask for the log-probability of each label as the beginning of the answer.

    An answer counts for the longest label that it begins with: where the labels are 1 and 10, "1" has what "10" leaves
    of it.

    Args:
        messages: The conversation so far.
        labels: Distinct labels. Each is best a single token of the model. A local model also takes longer ones that
            begin one another or differ in their last token alone, such as 1 and 10; an endpoint gives none that are
            no token of its model, and at most 20.
    """

    reply: ClassVar[type[Reply]] = Chosen
    asks: ClassVar[str] = "log-probabilities of labels"
    messages: Sequence[Message]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Likelihood(Request):
    """Ask how probable a continuation is after a prompt, token by token. No chat template is applied."""

    reply: ClassVar[type[Reply]] = Measured
    asks: ClassVar[str] = "log-probabilities of a given text"
    prompt: str
    continuation: str


@dataclass(frozen=True)
class Attend(Request):
    """Ask how much attention the tokens of a question pay to each segment before it.

    The model reads prefix, segments and question one after another, each cut into tokens by itself. No chat template
    is applied. Requests that differ in the question alone belong into one batch: what they share is read once.

    Args:
        segments: The texts whose attention is wanted, in the order in which the model reads them.
        question: What follows them, and pays the attention.
        prefix: What stands before them, such as an instruction.
        layers: The first layer that counts and the one after the last, as in a slice; None is all.
        may_cut: Whether segments may be shortened to fit the context. If not, a request that is too long comes back as
            `Failed` with `PromptTooLong`.
    """

    reply: ClassVar[type[Reply]] = Attended
    asks: ClassVar[str] = "attention weights"
    segments: tuple[str, ...]
    question: str
    prefix: str = ""
    layers: tuple[int, int] | None = None
    may_cut: bool = True


@dataclass(frozen=True)
class Embed(Request):
    """Ask for the vectors of texts; `role` is "query" or "document", for models that tell them apart."""

    reply: ClassVar[type[Reply]] = Embedded
    asks: ClassVar[str] = "embedding vectors"
    texts: tuple[str, ...]
    role: str = "document"

    def units(self) -> Sequence[Self]:
        return [type(self)((text,), self.role) for text in self.texts]

    @classmethod
    def of_units(cls, units: Sequence[Self]) -> Self:
        return cls(tuple(unit.texts[0] for unit in units), units[0].role)

    @classmethod
    def join(cls, replies: Sequence[Embedded]) -> Embedded:
        return Embedded([reply.vectors[0] for reply in replies], notes=_notes_of(replies))

    @classmethod
    def split(cls, reply: Embedded, count: int) -> Sequence[Embedded]:
        return [Embedded([reply.vectors[position]]) for position in range(count)]


@dataclass(frozen=True)
class ScorePairs(Request):
    """Ask for the relevance of each text to a query, from a model that reads both together."""

    reply: ClassVar[type[Reply]] = Scored
    asks: ClassVar[str] = "scores of query and text pairs"
    query: str
    texts: tuple[str, ...]

    def units(self) -> Sequence[Self]:
        return [type(self)(self.query, (text,)) for text in self.texts]

    @classmethod
    def of_units(cls, units: Sequence[Self]) -> Self:
        return cls(units[0].query, tuple(unit.texts[0] for unit in units))

    @classmethod
    def join(cls, replies: Sequence[Scored]) -> Scored:
        return Scored(tuple(reply.scores[0] for reply in replies), notes=_notes_of(replies))

    @classmethod
    def split(cls, reply: Scored, count: int) -> Sequence[Scored]:
        return [Scored((reply.scores[position],)) for position in range(count)]


@dataclass(frozen=True)
class Retrieve(Request):
    """Ask the first stage for the best `k` documents for a query."""

    reply: ClassVar[type[Reply]] = Found
    asks: ClassVar[str] = "a retriever"
    query: str
    k: int


@dataclass(frozen=True)
class Neighbours(Request):
    """Ask for the chunks that stand before and after a chunk in its own document."""

    reply: ClassVar[type[Reply]] = Found
    asks: ClassVar[str] = "a chunk's neighbours in its document"
    candidate: Candidate
    before: int = 1
    after: int = 1


Steps = Generator[Sequence[Request], Sequence[Any], Verdict]
"""What `Method.steps` returns: it yields batches, is sent their replies, and returns its verdict."""


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, str):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float)) else repr(value)


def _notes_of(replies: Sequence[Reply]) -> tuple[Note, ...]:
    return tuple(note for reply in replies for note in reply.notes)
