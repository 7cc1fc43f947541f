"""What the chatbot knows: documents, and a hybrid first stage over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from chromadb import EphemeralClient
from langchain_chroma import Chroma
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_text_splitters import RecursiveCharacterTextSplitter

from rerank_plugins import sample
from rerank_plugins.errors import InvalidInput
from rerank_plugins.lexical import BM25Index

__all__ = ["documents_in", "hybrid_retriever", "sample_documents"]

_SUFFIXES = (".md", ".txt")


def sample_documents() -> list[Document]:
    """The 89 passages about baking bread that come with rerank-plugins.

    >>> sample_documents()[0].metadata["source"]
    'The Living Leaven, chapter 2: The first fortnight of a culture'
    """
    return [
        Document(passage.text, id=passage.id, metadata={"source": f"{passage.metadata['source']}: {passage.title}"})
        for passage in sample.load().corpus.values()
    ]


def documents_in(folder: str | Path) -> list[Document]:
    """The Markdown and text files below a folder, cut into chunks of at most 1000 characters.

    Raises:
        InvalidInput: The folder has no such file with text in it.
    """
    root = Path(folder)
    files = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in _SUFFIXES and path.is_file()]
    whole = [
        Document(path.read_text(encoding="utf-8", errors="replace"), metadata={"source": str(path.relative_to(root))})
        for path in files
    ]
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=100).split_documents(whole)
    if not chunks:
        raise InvalidInput(
            f"A folder of documents has {' or '.join(_SUFFIXES)} files with text, and {folder} has none."
        )
    return [chunk.model_copy(update={"id": f"{place}"}) for place, chunk in enumerate(chunks)]


def hybrid_retriever(documents: Sequence[Document], embeddings: Embeddings, k: int = 10) -> BaseRetriever:
    """Search by meaning and by words, `k` documents each, fused by their ranks: up to 2 k candidates to rerank."""
    store = Chroma(
        f"chatbot-{uuid4().hex}",  # all clients in a process share their collections
        embeddings,
        client=EphemeralClient(),  # PersistentClient("folder") would keep the vectors for the next start
        collection_metadata={"hnsw:space": "cosine"},
    )
    store.add_documents(list(documents))
    by_meaning = store.as_retriever(search_kwargs={"k": k})
    return EnsembleRetriever(retrievers=[by_meaning, _by_words(documents, k)], weights=[0.5, 0.5])


def _by_words(documents: Sequence[Document], k: int) -> RunnableLambda[str, list[Document]]:
    index = BM25Index([document.page_content for document in documents])
    return RunnableLambda(lambda query: [documents[place] for place, _ in index.search(query, k)], name="BM25")
