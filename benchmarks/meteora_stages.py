"""What each stage of `Meteora` adds on real privacy policies: precision, recall and chunks kept, beside plain cosine.

The questions and passages of PrivacyQA, as LegalBench-RAG cut them, from a folder shared/data beside the checkout. The
candidates of a question are all chunks of its policy, in document order. Models: all-MiniLM-L6-v2 for vectors, and for
rationales of some questions SmolLM2-135M, far too small for the task; what it writes is kept in a file in the temporary
folder, because it takes minutes.

    python -m benchmarks meteora_stages             # tables as Markdown
    python -m benchmarks.meteora_stages --write     # and into the page
"""

from __future__ import annotations

import json
import re
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks._pages import show
from rerank_plugins import Candidate, Embedding, Meteora, Ranking, Rationale, rerank_many
from rerank_plugins.backends import ChunkNeighbours
from rerank_plugins.backends.base import Backend
from rerank_plugins.commands.cache_file import CacheFile
from rerank_plugins.prompts.rationales import parse_rationales
from rerank_plugins.requests import Chat, ChatReply, Embed

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "legalbenchrag-privacyqa"
PAGE = ROOT / "docs" / "methods" / "meteora.md"
REPLIES = Path(tempfile.gettempdir()) / "meteora-stages.sqlite"
BLOCK = re.compile(r"(<!-- stages:.*?-->\n).*?(<!-- end -->)", re.S)

WRITTEN = 10  # questions whose rationales the language model writes
# What one looks for in any privacy policy, whatever is asked: written by hand, and the same for all questions.
BY_HAND = (
    Rationale("collection", "Says which personal data are collected, and how."),
    Rationale("sharing", "Says to which third parties or partners data are disclosed or sold."),
    Rationale("purpose", "Says what the data are used for."),
    Rationale("retention and deletion", "Says how long data are kept and how they can be deleted."),
    Rationale("security", "Says how data are protected."),
)


# What an attentive reader would look for, written by hand from each question alone, without a look at the policies.
FOR_EACH: Mapping[str, tuple[str, ...]] = {
    "is my information sold to any third parties?": (
        "sale of data: we do not sell or rent your personal information to third parties",
        "disclosure: we share information with service providers, affiliates and partners",
        "advertising: personal information is given to advertisers for their own marketing",
        "business transfer: information is transferred in a merger, sale or acquisition of the company",
    ),
    "who can see my data?": (
        "visibility to other users: your profile and activity are public or visible to others",
        "recipients: information is shared with service providers who work for us",
        "staff access: access is limited to employees who need to know it",
        "legal disclosure: information is disclosed to law enforcement or under a court order",
    ),
    "do you keep and upload my activity to your database": (
        "usage data: we collect information on how you use the app, and your activity",
        "storage: information is stored on our servers",
        "log data: our servers automatically record information on each visit",
        "retention: we keep your information for as long as your account is active",
    ),
    "if i decide to discontinue using groupon, how long does it keep my data?": (
        "retention: how long we keep personal information after an account is closed",
        "account deletion: you can close your account, and we delete or anonymise your data",
        "legal retention: we keep some information as required by law or for legitimate business purposes",
    ),
    "what protections are used": (
        "security measures: we use technical, administrative and physical safeguards to protect information",
        "encryption: data are encrypted in transmission, with SSL",
        "limits: no method of transmission over the internet is completely secure",
        "access control: only authorised staff has access to personal information",
    ),
    "does this app use data on my phone not within the app?": (
        "device access: the app accesses contacts, photos or other data on your phone",
        "device information: we collect device identifiers, model and operating system",
        "permissions: with your permission we access the address book, camera, microphone or location",
        "other services: we receive information from social networks or other apps that you use",
    ),
    "would there be a way to see what data you collect?": (
        "access right: you can request access to the personal information that we hold on you",
        "account settings: you can view and update your information in your account",
        "contact: write to us to receive a copy of your data",
        "download: you can export your data",
    ),
    "will you destroy my dna sample when you are finished?": (
        "sample destruction: the laboratory destroys saliva samples and DNA after analysis",
        "sample storage: with consent, your sample is stored in a biobank",
        "deletion request: you can ask that your sample be discarded",
    ),
    "does viber have any affiliation with the advertisement industry?": (
        "advertising partners: we share information with advertisers and ad networks",
        "targeted advertising: advertisements are shown according to your interests",
        "opt out: you can opt out of personalised advertisements",
        "tracking: third-party cookies and identifiers are used for advertising",
    ),
    "does the app offer a password service where i am required to input a password when i want to access it?": (
        "login: you need an account with user name and password to use the app",
        "password protection: you are responsible for keeping your password secret",
        "security: access to your account is protected by a password",
    ),
}


@dataclass(frozen=True, eq=False)
class Question:
    text: str
    chunks: Sequence[Candidate]
    gold: frozenset[int]


@dataclass(frozen=True)
class Row:
    """Means over questions; precision and recall are those of each question's chunks."""

    kept: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def by_small_model() -> Callable[[str], list[Rationale]]:
    """A generator of one's own: SmolLM2 cannot do what the prompt of `Meteora` asks, but it can write a list."""
    from rerank_plugins.backends.embedded import smollm2

    model, replies = smollm2(), CacheFile(REPLIES)

    def generate(question: str) -> list[Rationale]:
        if question not in replies:
            prompt = f'A privacy policy answers the question "{question}" List five different sentences from it.'
            ((_, reply),) = model.answer_batch([Chat([{"role": "user", "content": prompt}], max_tokens=200)])
            replies[question] = reply.text if isinstance(reply, ChatReply) else ""
        return list(parse_rationales(ChatReply(replies[question]), 5).rationales)

    return generate


def questions() -> list[Question]:
    """The questions, without the words that name the policy: the candidates are of that policy anyway."""
    corpus = [json.loads(line) for line in (DATA / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    documents: dict[str, list[Candidate]] = {}
    for entry in corpus:
        documents.setdefault(entry["title"], []).append(Candidate(entry["text"], id=entry["_id"]))
    lines = [line.split("\t") for line in (DATA / "qrels.tsv").read_text().splitlines()[1:]]
    gold: dict[str, set[str]] = {}
    for query, chunk, _ in lines:
        gold.setdefault(query, set()).add(chunk)
    titles = {chunk.id: title for title, chunks in documents.items() for chunk in chunks}
    found = []
    for line in (DATA / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        chunks = documents[titles[next(iter(gold[entry["_id"]]))]]
        places = frozenset(place for place, chunk in enumerate(chunks) if chunk.id in gold[entry["_id"]])
        found.append(Question(entry["text"].partition(";")[2].strip(), chunks, places))
    return found


def with_vectors(asked: Sequence[Question], embedder: Backend) -> tuple[Question, ...]:
    """The same, with chunks that bring their vectors, as a vector store would give them."""
    texts = tuple({chunk.text for question in asked for chunk in question.chunks})
    ((_, reply),) = embedder.answer_batch([Embed(texts)])  # type: ignore[attr-defined] # a local model computes batches
    vectors = dict(zip(texts, reply.vectors, strict=True))
    documents = {id(q.chunks): [replace(c, embedding=vectors[c.text]) for c in q.chunks] for q in asked}
    return tuple(replace(question, chunks=documents[id(question.chunks)]) for question in asked)


def sample(every: Sequence[Question], count: int = WRITTEN) -> tuple[Question, ...]:
    """Questions spread over the collection."""
    return tuple(every[int((number + 0.5) * len(every) / count)] for number in range(count))


@cache
def ranked(method: Meteora | Embedding, asked: tuple[Question, ...], embedder: Backend) -> list[Ranking]:
    shelf = ChunkNeighbours({id(question.chunks): question.chunks for question in asked}.values())
    return rerank_many(method, [(q.text, q.chunks) for q in asked], backends=[embedder, shelf])


def row(asked: Sequence[Question], kept: Iterable[Sequence[int]]) -> Row:
    triples = [
        (len(k), len(question.gold.intersection(k)), len(question.gold))
        for question, k in zip(asked, kept, strict=True)
    ]
    return Row(
        statistics.fmean(count for count, _, _ in triples),
        statistics.fmean(hits / count for count, hits, _ in triples),
        statistics.fmean(hits / gold for _, hits, gold in triples),
    )


def top_k(asked: tuple[Question, ...], k: float, embedder: Backend) -> Row:
    """The best k by cosine; for a k between two numbers, as many questions get the greater as make it the mean."""
    least, rest = int(k), k - int(k)
    counts = [least + (int((n + 1) * rest) > int(n * rest)) for n in range(len(asked))]
    orders = [ranking.order for ranking in ranked(Embedding(), asked, embedder)]
    return row(asked, [order[:count] for order, count in zip(orders, counts, strict=True)])


def stages(asking: Mapping[str, Any], elbow: str) -> dict[str, Meteora | tuple[Meteora, str]]:
    """Each stage switched on in turn. Pooling cannot be off, so that what pairing alone chooses is read off `why`."""
    chosen = Meteora(**asking, elbow=elbow, verify=False, expand=0)  # type: ignore[arg-type] # one of its two values
    return {
        "pairing": (chosen, "pairing"),
        "pairing + pooling": chosen,
        "pairing + pooling + expansion": replace(chosen, expand=1),
    }


def kept_by(stage: Meteora | tuple[Meteora, str], asked: tuple[Question, ...], embedder: Backend) -> Row:
    method, only = stage if isinstance(stage, tuple) else (stage, "")
    rankings = ranked(method, asked, embedder)
    return row(
        asked,
        [[i.index for i in ranking if not only or only in i.why["selected_by"]] for ranking in rankings],
    )


def table(asked: tuple[Question, ...], sources: Mapping[str, Mapping[str, Any]], embedder: Backend) -> str:
    lines = [
        "| rationales | stages on | kept | precision | recall | F1 | same k by cosine: precision | recall | F1 |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, asking in sources.items():
        for rule in ("paper", "knee"):
            for label, stage in stages(asking, rule).items():
                if rule == "knee" and "pooling" not in label:
                    continue
                found = kept_by(stage, asked, embedder)
                plain = top_k(asked, found.kept, embedder)
                said = label.replace("pooling", f"pooling ({rule})")
                numbers = (found.precision, found.recall, found.f1, plain.precision, plain.recall, plain.f1)
                cells = " | ".join(f"{value:.3f}".lstrip("0") for value in numbers)
                lines.append(f"| {name} | {said} | {found.kept:.1f} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    if not DATA.is_dir():
        print(f"The collection {DATA.name!r} is not in a folder shared/data beside the checkout.")
        return
    from rerank_plugins.backends.embedded import minilm

    question, embedder = {"rationales": 0}, minilm()
    every = with_vectors(questions(), embedder)
    some = sample(every)
    of_all = table(every, {"the question": question, "5 by hand, for all questions": {"rationales": BY_HAND}}, embedder)
    small = by_small_model()
    by_model = {
        "the question": question,
        "3 or 4 by hand for each question": {"rationales": FOR_EACH.__getitem__},
        "these and the question": {"rationales": lambda asked: [asked, *FOR_EACH[asked]]},
        "by SmolLM2": {"rationales": small},
        "the question, and by SmolLM2": {"rationales": lambda asked: [asked, *small(asked)]},
    }
    of_some = table(some, by_model, embedder)
    text = f"All {len(every)} questions:\n\n{of_all}\n\n{len(some)} of them:\n\n{of_some}\n"
    show(text, PAGE, BLOCK)


if __name__ == "__main__":
    main()
