import langchain_rerank_plugins


def test_the_public_names_are_these():
    assert langchain_rerank_plugins.__all__ == [
        "DecompositionRetriever",
        "LangChainChat",
        "LangChainEmbeddings",
        "LangChainNeighbours",
        "LangChainRetriever",
        "RerankCompressor",
        "cite_documents",
    ]


def test_each_is_there():
    assert all(hasattr(langchain_rerank_plugins, name) for name in langchain_rerank_plugins.__all__)
