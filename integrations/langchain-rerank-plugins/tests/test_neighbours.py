"""What stands around a chunk: from a function, a list of documents, or a store asked by metadata."""

import asyncio
from typing import ClassVar

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from langchain_rerank_plugins import LangChainNeighbours, RerankCompressor
from langchain_rerank_plugins.documents import candidates_of
from rerank_plugins import Candidate, Meteora, arerank, rerank
from rerank_plugins.errors import BadReply, InvalidInput, UnmetNeed
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Failed, Neighbours
from rerank_plugins.testing.bodies import word_vector

CHUNKS = [
    Document(f"{source} {number}", id=f"{source}{number}", metadata={"source": source, "chunk_index": number})
    for source in ("a", "b")
    for number in range(6)
]


class Widening:
    """Puts the neighbours of its first document after all others."""

    needs: ClassVar = (Neighbours,)

    def steps(self, query, candidates):
        (reply,) = yield [Neighbours(candidates[0])]
        added = () if isinstance(reply, Failed) else reply.candidates
        return Verdict(order=range(len(candidates) + len(added)), added=added)


class Store:
    """A store of the shape of Chroma's, that knows the operators that are asked for."""

    def __init__(self, documents):
        self.documents, self.asked = documents, []

    def get(self, where):
        self.asked.append(where)
        found = [document for document in reversed(self.documents) if self._fits(document.metadata, where)]
        return {
            "ids": [document.id for document in found],
            "documents": [document.page_content for document in found],
            "metadatas": [document.metadata for document in found],
        }

    def _fits(self, metadata, where):
        ((key, wanted),) = where.items()
        if key == "$and":
            return all(self._fits(metadata, part) for part in wanted)
        if not isinstance(wanted, dict):
            return metadata.get(key) == wanted
        ((operator, bound),) = wanted.items()
        return metadata[key] >= bound if operator == "$gte" else metadata[key] <= bound


def around(chunks, document, before=1, after=1, **options):
    (candidate,) = candidates_of([document])
    return LangChainNeighbours(chunks, **options).answer(Neighbours(candidate, before, after), None)


def texts(reply):
    return [candidate.text for candidate in reply.candidates]


@pytest.fixture(params=["list", "store"])
def place(request):
    return (lambda documents: documents) if request.param == "list" else Store


@pytest.mark.parametrize(
    ("number", "before", "after", "expected"),
    [
        (2, 1, 1, ["a 1", "a 3"]),
        (2, 2, 1, ["a 0", "a 1", "a 3"]),
        (0, 1, 1, ["a 1"]),
        (5, 1, 1, ["a 4"]),
        (2, 0, 2, ["a 3", "a 4"]),
        (2, 1, 0, ["a 1"]),
        (2, 9, 9, ["a 0", "a 1", "a 3", "a 4", "a 5"]),
        (2, 0, 0, []),
    ],
)
def test_the_chunks_of_the_same_document_in_its_order(place, number, before, after, expected):
    assert texts(around(place(CHUNKS), CHUNKS[number], before, after)) == expected


def test_id_and_metadata_are_the_chunks_own(place):
    (first, _) = around(place(CHUNKS), CHUNKS[2]).candidates
    assert (first.id, first.metadata) == ("a1", {"source": "a", "chunk_index": 1})


def test_offsets_are_an_order_too(place):
    chunks = [
        Document(f"{start}", id=f"{start}", metadata={"source": "a", "start_index": start}) for start in (0, 180, 395)
    ]
    assert texts(around(place(chunks), chunks[1])) == ["0", "395"]


def test_keys_of_the_users_own(place):
    chunks = [Document(f"{n}", id=f"{n}", metadata={"file": 7, "part": n, "chunk_index": -n}) for n in range(4)]
    assert texts(around(place(chunks), chunks[1], source_key="file", number_key="part")) == ["0", "2"]


@pytest.mark.parametrize(
    "metadata",
    [{}, {"source": "a"}, {"chunk_index": 1}, {"source": "a", "chunk_index": "one"}, {"source": ["a"], "chunk": 1}],
    ids=str,
)
def test_a_chunk_that_does_not_say_where_it_stands_has_no_neighbours_which_is_told(place, metadata):
    reply = around(place(CHUNKS), Document("lost", metadata=metadata))
    assert reply.candidates == ()
    assert [note.kind for note in reply.notes] == ["info"]
    assert "lost" not in reply.notes[0].message


def test_chunks_that_do_not_say_it_are_passed_over(place):
    assert texts(around(place([Document("lost", id="x"), *CHUNKS]), CHUNKS[2])) == ["a 1", "a 3"]


def test_a_document_that_is_not_there_has_none(place):
    assert around(place(CHUNKS), Document("new", metadata={"source": "z", "chunk_index": 1})).candidates == ()


def test_a_number_that_stands_twice_is_no_neighbour_of_itself(place):
    twice = [*CHUNKS, CHUNKS[2].model_copy(update={"id": "copy"})]
    assert texts(around(place(twice), CHUNKS[2])) == ["a 1", "a 3"]


def test_a_store_is_asked_for_no_more_than_the_reach():
    store = Store(CHUNKS)
    around(store, CHUNKS[2], 2, 1)
    reach = [{"source": "a"}, {"chunk_index": {"$gte": 0}}, {"chunk_index": {"$lte": 3}}]
    assert store.asked == [{"$and": reach}]


def test_a_function_is_asked_with_the_document_itself():
    asked = []
    reply = around(lambda *given: asked.append(given) or [CHUNKS[0]], CHUNKS[1], 2, 3)
    assert asked == [(CHUNKS[1], 2, 3)]
    assert asked[0][0] is CHUNKS[1]
    assert texts(reply) == ["a 0"]


@pytest.mark.parametrize("found", [None, "text", [1]], ids=repr)
def test_a_function_that_gives_something_else(found):
    with pytest.raises(BadReply, match="no list of documents"):
        around(lambda *_: found, CHUNKS[1])


def test_a_candidate_of_no_document_has_its_own_metadata():
    asked = Neighbours(Candidate("a 2", id="a2", metadata=CHUNKS[2].metadata))
    assert texts(LangChainNeighbours(CHUNKS).answer(asked, None)) == ["a 1", "a 3"]


@pytest.mark.parametrize("chunks", [None, 3, "text", [1], {"a": CHUNKS}], ids=repr)
def test_what_cannot_be_searched_is_refused(chunks):
    with pytest.raises(InvalidInput, match="Neighbours are looked for"):
        LangChainNeighbours(chunks)


async def test_it_answers_in_both_ways():
    backend = LangChainNeighbours(CHUNKS)
    given = candidates_of([CHUNKS[2]])
    for ranking in (
        rerank(Widening(), "q", given, backends=backend),
        await arerank(Widening(), "q", given, backends=backend),
    ):
        assert [item.candidate.id for item in ranking] == ["a2", "a1", "a3"]


class TestInTheCompressor:
    @pytest.mark.parametrize(
        "neighbours",
        [CHUNKS, Store(CHUNKS), lambda document, before, after: [CHUNKS[1], CHUNKS[3]], LangChainNeighbours(CHUNKS)],
        ids=["a list", "a store", "a function", "a backend"],
    )
    def test_neighbours_come_back_like_the_others(self, compress, neighbours):
        found = compress(RerankCompressor(Widening(), neighbours=neighbours), [CHUNKS[2]])
        assert [document.id for document in found] == ["a2", "a1", "a3"]
        assert found[1].metadata["rerank_plugins"]["rank"] == 2
        assert found[1].metadata["source"] == "a"

    def test_a_function_that_fails_costs_its_call_alone(self, compress):
        def fails(document, before, after):
            raise RuntimeError("odd")

        assert len(compress(RerankCompressor(Widening(), neighbours=fails), CHUNKS[:3])) == 3

    def test_a_method_that_needs_them_is_refused_without(self):
        with pytest.raises(UnmetNeed, match="given as neighbours"):
            RerankCompressor(Widening())

    def test_what_cannot_be_searched_is_refused_when_it_is_made(self):
        with pytest.raises(InvalidInput):
            RerankCompressor(Widening(), neighbours=3)


class TestWithMeteora:
    METHOD = Meteora(rationales=("a 2",), verify=False, max_pooled=1)

    def test_what_was_chosen_is_widened(self, compress):
        compressor = RerankCompressor(self.METHOD, embeddings=Words(), neighbours=CHUNKS)
        found = compress(compressor, [CHUNKS[2], CHUNKS[9]], "a 2")
        assert sorted(document.id for document in found) == ["a1", "a2", "a3"]

    def test_where_nothing_is_known_it_is_told_why(self, compress, trace):
        compressor = RerankCompressor(self.METHOD, embeddings=Words(), neighbours=CHUNKS)
        found = compress(compressor, [Document("a 2", id="x"), Document("b 3", id="y")], "a 2", callbacks=[trace])
        assert [document.id for document in found] == ["x"]
        assert "does not say in which document they stand" in str(trace.outputs["RerankCompressor<Meteora>"]["notes"])


class Words(Embeddings):
    def embed_query(self, text):
        return word_vector(text)

    def embed_documents(self, texts):
        return [word_vector(text) for text in texts]


@pytest.mark.slow  # starts an embedded Chroma
def test_embedded_chroma():
    chroma = pytest.importorskip("langchain_chroma")
    store = chroma.Chroma("neighbours", DeterministicFakeEmbedding(size=8))
    store.add_documents(CHUNKS, ids=[chunk.id for chunk in CHUNKS])
    compressor = RerankCompressor(Widening(), neighbours=store)
    (given,) = [found for found in store.similarity_search("a 2", k=12) if found.id == "a2"]
    assert [document.id for document in compressor.compress_documents([given], "q")] == ["a2", "a1", "a3"]
    found = asyncio.run(compressor.acompress_documents([CHUNKS[11]], "q"))
    assert [document.page_content for document in found] == ["b 5", "b 4"]
