"""Forms: what existing rerank clients send, and what they read: those of Cohere (v1, v2), Jina and TEI.

Fields that only make sense for those services' own models, such as `max_tokens_per_doc`, are accepted and ignored.

What is not theirs stands under the key `rerank_plugins`, and only where a request says `"explain": true`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from rerank_plugins.candidates import encodable
from rerank_plugins.ranking import Dropped, Note, Ranked, Ranking, explanation

__all__ = ["Answer", "CohereV1", "CohereV2", "Rank", "Reply", "Request", "Tei", "Told", "ToldTei", "relevances"]

_TOLD = ("failed", "repaired", "limit", "cut")


@dataclass(frozen=True)
class Answer:
    """A ranking as a server gives it.

    Args:
        id: A name of its own.
        model: The model that was asked for.
        ranking: The ranking.
        dollars: What it cost, if that is known.
    """

    id: str
    model: str
    ranking: Ranking
    dollars: float | None


class Document(BaseModel):
    """A document as an object: its text; further fields are read where `rank_fields` names them."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"properties": {"text": {"type": "string"}}, "required": ["text"]}
    )

    text: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """Those of its fields that are texts."""
        named = {"text": self.text} | (self.model_extra or {})
        return {name: value for name, value in named.items() if isinstance(value, str)}

    def read(self, rank_fields: Sequence[str]) -> str | None:
        """What is ranked: these fields, one to a line; where it has none of them, its text; None if there is none."""
        found = [self.fields[name] for name in rank_fields if name in self.fields]
        return "\n".join(found) if found else self.text


def _text_of(query: Any) -> Any:
    """Jina's clients may send a question as a document."""
    return query["text"] if isinstance(query, dict) and isinstance(query.get("text"), str) else query


class Request(BaseModel):
    """What all forms have in common."""

    query: str

    @property
    def name(self) -> str | None:
        """The model that is asked for."""
        return None

    @property
    def texts_in_order(self) -> list[str]:
        """The documents' texts."""
        raise NotImplementedError

    @property
    def keep(self) -> int | None:
        """How many documents are wanted; None for all."""
        return None


class _WithDocuments(Request):
    query: Annotated[str, BeforeValidator(_text_of)]
    model: str | None = Field(None, description="A name from GET /v1/models; the default if there is none.")
    documents: list[str | Document]
    rank_fields: list[str] | None = Field(None, description="Fields that are ranked, of documents that are objects.")
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = None
    explain: bool = Field(False, description="Also give reasons, what was left out, notes and cost.")

    @property
    def name(self) -> str | None:
        return self.model

    @property
    def texts_in_order(self) -> list[str]:
        return [text for text in self._texts if text is not None]

    @property
    def _texts(self) -> list[str | None]:
        wanted = self.rank_fields or ["text"]
        return [document if isinstance(document, str) else document.read(wanted) for document in self.documents]

    @model_validator(mode="after")
    def _each_has_a_text(self) -> _WithDocuments:
        if None in self._texts:
            place = self._texts.index(None)
            raise PydanticCustomError("document", f"document {place} has no field 'text', nor one of rank_fields")
        return self

    def given(self, index: int) -> dict[str, str]:
        """A document as it came, or as an object where it came as a text."""
        document = self.documents[index]
        fields = {"text": document} if isinstance(document, str) else document.fields
        return {encodable(name): encodable(text) for name, text in fields.items()}

    @property
    def keep(self) -> int | None:
        return self.top_n


class CohereV2(_WithDocuments):
    """Cohere's v2 form."""

    def reply(self, answer: Answer) -> Reply:
        """What Cohere's v2 clients read; documents come back only where they are asked for."""
        return _reply(answer, self, "2", texts=bool(self.return_documents))


class CohereV1(_WithDocuments):
    """Cohere's v1 form, which is also Jina's."""

    def reply(self, answer: Answer) -> Reply:
        """What the clients of both read; documents come back, as Jina's expect, unless they are not wanted."""
        return _reply(answer, self, "1", texts=self.return_documents is not False)


class Tei(Request):
    """The form of text-embeddings-inference."""

    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False

    @property
    def texts_in_order(self) -> list[str]:
        return self.texts

    def reply(self, answer: Answer) -> list[Rank]:
        """What its clients read."""
        scores = _raw(answer.ranking) if self.raw_scores else relevances(answer.ranking)
        pairs = zip(_given(answer.ranking), scores, strict=True)
        if self.return_text:
            return [Rank(index=item.index, score=score, text=item.candidate.text) for item, score in pairs]
        return [Rank(index=item.index, score=score) for item, score in pairs]


class Rank(BaseModel):
    """One document in TEI's form."""

    index: int
    score: float
    text: str | None = None


class Explained(BaseModel):
    """A document's place: see `rerank_plugins.ranking.explanation`."""

    method: str
    rank: int | None
    score: float | None
    score_kind: str
    first_stage_rank: int | None
    first_stage_score: float | None
    why: dict[str, Any]


class Result(BaseModel):
    """One document in its place; `relevance_score` is from 0 to 1 and falls with the rank."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None
    rerank_plugins: Explained | None = None


class LeftOut(BaseModel):
    """A document that was left out, and the reason."""

    index: int
    reason: str
    score: float | None
    why: dict[str, Any]


class Said(BaseModel):
    """A note of the ranking."""

    kind: str
    message: str


class Account(BaseModel):
    """What is not in the other services' forms."""

    method: str
    score_kind: str
    dropped: list[LeftOut]
    notes: list[Said]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    dollars: float | None


class Reply(BaseModel):
    """Cohere's and Jina's reply: each reads the fields that it knows."""

    id: str
    model: str
    results: list[Result]
    meta: dict[str, Any]
    usage: dict[str, int]
    rerank_plugins: Account | None = None


class Told(BaseModel):
    """A refusal: Cohere's clients read `message`, Jina's `detail`."""

    message: str
    detail: str


class ToldTei(BaseModel):
    """A refusal as TEI's clients read it."""

    error: str
    error_type: Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer"]


def relevances(ranking: Ranking) -> list[float]:
    """Numbers from 0 to 1 that fall with the rank: clients sort by them and cut at thresholds.

    They are the method's own scores where those are so already. Else they are 1 / rank: they say the order and
    nothing more.

    >>> from rerank_plugins import FirstStage, rerank
    >>> relevances(rerank(FirstStage(), "q", ["a", "b"]))
    [1.0, 0.5]
    """
    scores = [item.score for item in _given(ranking)]
    known = [score for score in scores if score is not None and 0 <= score <= 1]
    if len(known) == len(scores) and known == sorted(known, reverse=True):
        return known
    return [1 / rank for rank in range(1, len(scores) + 1)]


def _given(ranking: Ranking) -> list[Ranked]:
    """Those that the client sent: an index of anything else means nothing to it."""
    return [item for item in ranking if not item.added]


def _raw(ranking: Ranking) -> list[float]:
    scores = [item.score for item in _given(ranking)]
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else relevances(ranking)


def _reply(answer: Answer, asked: _WithDocuments, version: str, *, texts: bool) -> Reply:
    ranking, usage = answer.ranking, answer.ranking.usage
    meta: dict[str, Any] = {
        "api_version": {"version": version},
        "billed_units": {"search_units": 1},
        "tokens": {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens},
    }
    if warnings := [note.message for note in ranking.notes if note.kind in _TOLD]:
        meta["warnings"] = warnings
    reply = Reply(
        id=answer.id,
        model=answer.model,
        results=_results(ranking, asked, texts=texts),
        meta=meta,
        usage={
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        },
    )
    if asked.explain:
        reply.rerank_plugins = _account(answer)
    return reply


def _results(ranking: Ranking, asked: _WithDocuments, *, texts: bool) -> list[Result]:
    results = []
    for item, relevance in zip(_given(ranking), relevances(ranking), strict=True):
        result = Result(index=item.index, relevance_score=relevance)
        if texts:
            result.document = asked.given(item.index)
        if asked.explain:
            result.rerank_plugins = _explained(ranking, item)
        results.append(result)
    return results


def _explained(ranking: Ranking, item: Ranked) -> Explained:
    return Explained(**explanation(ranking, item))


def _account(answer: Answer) -> Account:
    ranking, usage = answer.ranking, answer.ranking.usage
    return Account(
        method=ranking.method,
        score_kind=ranking.score_kind,
        dropped=_left_out(ranking.dropped),
        notes=_said(ranking.notes),
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        seconds=usage.seconds,
        dollars=answer.dollars,
    )


def _left_out(dropped: Sequence[Dropped]) -> list[LeftOut]:
    return [
        LeftOut(index=item.index, reason=item.reason, score=item.score, why=dict(item.why))
        for item in dropped
        if not item.added
    ]


def _said(notes: Sequence[Note]) -> list[Said]:
    return [Said(kind=note.kind, message=note.message) for note in notes]
