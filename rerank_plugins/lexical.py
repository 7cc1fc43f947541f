"""BM25 scores of candidates, over their own list or over a corpus that was indexed once (with `bm25s`)."""

from __future__ import annotations

import hashlib
import heapq
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rerank_plugins.candidates import Candidate, as_candidates
from rerank_plugins.errors import InvalidInput

__all__ = ["BM25Index", "tokenize"]

_WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces: one token a character pair, as Lucene's CJK analyzer does.
_UNSPACED = re.compile(
    r"["
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    r"\u3005\u3006\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]+"  # of East Asia
)
_STOP_WORDS = frozenset(
    (
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
        "they this to was will with"
    ).split()
)


def tokenize(text: str, *, word: re.Pattern[str] = _WORD) -> list[str]:
    """Cut a text into lower-case words without stop words; unspaced scripts into overlapping character pairs.

    The text is read in Unicode's form NFKC, so that a letter is the same however it was typed; vowel signs and other
    combining marks belong to their word.

    Args:
        text: The text.
        word: What a word is.

    >>> tokenize("The crust of 食パン")
    ['crust', '食パ', 'パン']
    >>> tokenize("हिन्दी ｒｙｅ")
    ['हिन्दी', 'rye']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        word = _marked_word() if word is _WORD else word
    words = word.findall(text.lower())
    if not text.isascii() and _UNSPACED.search(text):
        words = [piece for found in words for piece in _pieces(found)]
    return [found for found in words if found not in _STOP_WORDS]


@cache
def _marked_word() -> re.Pattern[str]:
    """A word with its combining marks, which `re` knows no class for, and the joiners of Persian and Indic scripts."""
    marks = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
    return re.compile(f"[^\\W_](?:[^\\W_]|[{marks}]|[\u200c\u200d](?=[^\\W_]))*")


def _pieces(word: str) -> Iterator[str]:
    end = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > end:
            yield word[end : run.start()]
        chars = run.group()
        yield from (chars[i : i + 2] for i in range(max(1, len(chars) - 1)))
        end = run.end()
    if end < len(word):
        yield word[end:]


class BM25Index:
    """BM25 over a corpus: Lucene's formula, k1 0.9 and b 0.4 unless told otherwise.

    Build it once over the whole corpus, so that a word's rarity is the corpus's and not that of 50 candidates.

    Args:
        documents: The corpus; candidates or plain strings. Candidates are found again by their id, else by their
            text.
        k1: Saturation of repeated words.
        b: Strength of the length normalisation, 0 to 1.
        tokenizer: How texts are cut into words, queries like documents. It is not saved with the index.

    >>> index = BM25Index(["rye bread", "wheat bread", "a wooden spoon"])
    >>> index.scores("rye", ["a wooden spoon", "rye bread"])
    [0.0, 0.516...]
    """

    def __init__(
        self,
        documents: Iterable[Candidate | str],
        *,
        k1: float = 0.9,
        b: float = 0.4,
        tokenizer: Callable[[str], list[str]] = tokenize,
    ) -> None:
        corpus = as_candidates(documents)
        self._model = _bm25s().BM25(method="lucene", k1=k1, b=b)
        self._tokenize = tokenizer
        self._size = len(corpus)
        self._position: dict[str, int] = {}
        for position, document in enumerate(corpus):
            for key in _keys(document):
                self._position.setdefault(key, position)
        tokens = [tokenizer(document.text) for document in corpus]
        self._empty = not any(tokens)  # bm25s cannot index a corpus without a single word
        if not self._empty:
            self._model.index(tokens, show_progress=False)

    def __repr__(self) -> str:
        return f"<BM25Index of {self._size} documents>"

    def __len__(self) -> int:
        return self._size

    def scores(self, query: str, candidates: Iterable[Candidate | str]) -> list[float | None]:
        """The score of each candidate: 0 where no word matches, None where the corpus does not hold it."""
        found = [self._find(candidate) for candidate in as_candidates(candidates)]
        scores = self._all_scores(query)
        return [None if position is None else float(scores[position]) for position in found]

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Position and score of the best `k` documents; those that share no word with the query are not among them.

        >>> BM25Index(["a wooden spoon", "rye bread"]).search("rye", 10)
        [(1, 0.364...)]
        """
        scores = self._all_scores(query)
        best = heapq.nsmallest(k, range(self._size), key=lambda position: (-scores[position], position))
        return [(position, float(scores[position])) for position in best if scores[position] > 0]

    def _all_scores(self, query: str) -> Sequence[float]:
        known = [word for word in self._tokenize(query) if not self._empty and word in self._model.vocab_dict]
        scores: Sequence[float] = self._model.get_scores(known) if known else [0.0] * self._size
        return scores

    def _find(self, candidate: Candidate) -> int | None:
        return next((self._position[key] for key in _keys(candidate) if key in self._position), None)

    def save(self, folder: str | Path) -> None:
        """Write the index to a folder, for `BM25Index.load`."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not self._empty:
            self._model.save(str(folder), show_progress=False)
        kept = {"size": self._size, "empty": self._empty, "position": self._position}
        (Path(folder) / "documents.json").write_text(json.dumps(kept), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, tokenizer: Callable[[str], list[str]] = tokenize) -> BM25Index:
        """Read an index that `save` wrote; `tokenizer` is the one that it was built with."""
        try:
            kept: dict[str, Any] = json.loads((Path(folder) / "documents.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidInput(
                f"There is no BM25 index in {str(folder)!r}; build one with BM25Index(documents).save(folder)."
            ) from None
        index = cls([], tokenizer=tokenizer)
        index._size, index._empty, index._position = kept["size"], kept["empty"], kept["position"]
        if not index._empty:
            index._model = _bm25s().BM25.load(str(folder))
        return index


def candidate_scores(query: str, candidates: Sequence[Candidate], *, k1: float = 0.9, b: float = 0.4) -> list[float]:
    """BM25 of each candidate over the list of candidates itself.

    >>> candidate_scores("rye", [Candidate("a wooden spoon"), Candidate("rye bread")])
    [0.0, 0.364...]
    """
    asked = tokenize(query)
    # Words that are not asked for count in a document's length alone: as one filler they spare most of the indexing.
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(["", *asked]))}
    ids = [[vocabulary.get(word, 0) for word in tokenize(candidate.text)] for candidate in candidates]
    present = set().union(*ids)
    known = [word for word in asked if vocabulary[word] in present]
    if not known:
        return [0.0] * len(candidates)
    model = _bm25s().BM25(method="lucene", k1=k1, b=b)
    model.index((ids, vocabulary), show_progress=False)
    return [float(score) for score in model.get_scores(known)]


def _keys(document: Candidate) -> list[str]:
    digest = hashlib.blake2b(document.text.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return [f"id:{document.id}", f"text:{digest}"] if document.id is not None else [f"text:{digest}"]


def _bm25s() -> Any:
    import bm25s  # takes a third of a second, and only BM25 needs it

    return bm25s
