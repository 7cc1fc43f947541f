from llama_index.postprocessor import rerank_plugins


def test_the_public_names_are_these():
    assert rerank_plugins.__all__ == [
        "DecompositionRetriever",
        "LlamaIndexEmbedding",
        "LlamaIndexLLM",
        "LlamaIndexNeighbours",
        "LlamaIndexRetriever",
        "RerankPostprocessor",
        "cite_nodes",
    ]


def test_each_is_there():
    assert all(hasattr(rerank_plugins, name) for name in rerank_plugins.__all__)
