import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, ConfigDict, SecretStr

from langchain_rerank_plugins.settings import accepted_settings, identity_of, is_synchronous, retries_itself
from rerank_plugins.requests import Chat


class NamedEmbeddings(BaseModel, Embeddings):
    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    model_name: str
    api_key: str = ""
    secret: SecretStr = SecretStr("")
    dimensions: int = 3
    client: object = None

    def embed_documents(self, texts):
        return [[1.0] * self.dimensions for _ in texts]

    def embed_query(self, text):
        return [1.0] * self.dimensions


class TestIdentity:
    def test_it_tells_settings_apart_and_the_same_alike(self):
        one, same, other = (identity_of(FakeListChatModel(responses=[said])) for said in ("a", "a", "b"))
        assert one == same != other

    def test_further_options_count(self):
        model = FakeListChatModel(responses=["a"])
        assert identity_of(model, "json_schema") != identity_of(model, None)

    def test_it_is_short_and_names_class_and_model(self):
        assert identity_of(NamedEmbeddings(model_name="mini")).startswith("NamedEmbeddings(mini, ")
        assert len(identity_of(FakeListChatModel(responses=["a" * 5000]))) < 80

    def test_a_model_that_tells_nothing_has_none(self):
        assert identity_of(GenericFakeChatModel(messages=iter([]))) == ""
        assert identity_of(DeterministicFakeEmbedding(size=3)) == ""
        assert identity_of(RunnableLambda(len)) == ""

    def test_a_completion_model_has_one(self):
        assert identity_of(FakeListLLM(responses=["a"])) != identity_of(FakeListLLM(responses=["b"])) != ""

    def test_a_key_is_no_part_of_it(self):
        first, second = (NamedEmbeddings(model_name="mini", api_key=key, secret=key) for key in ("sk-1", "sk-2"))
        assert identity_of(first) == identity_of(second)

    def test_a_setting_is(self):
        assert identity_of(NamedEmbeddings(model_name="m")) != identity_of(
            NamedEmbeddings(model_name="m", dimensions=4)
        )

    def test_what_is_no_plain_data_is_no_part_of_it(self):
        assert identity_of(NamedEmbeddings(model_name="m", client=object())) == identity_of(
            NamedEmbeddings(model_name="m", client=object())
        )

    def test_a_model_that_cannot_be_written_down_has_none(self, scripted):
        class Odd(scripted):
            @property
            def _identifying_params(self):
                raise RuntimeError("not now")

        assert identity_of(Odd()) == ""


class TestRetries:
    @pytest.mark.parametrize(("max_retries", "itself"), [(2, True), (None, True), (0, False)])
    def test_max_retries_says_it(self, scripted, max_retries, itself):
        class Retrying(scripted):
            max_retries: int | None = None

        model = Retrying(max_retries=max_retries)
        assert retries_itself(model) is itself
        assert retries_itself(model.bind(stop=["x"])) is itself
        assert retries_itself(model.with_fallbacks([scripted()])) is itself

    def test_a_model_without_it_does_not(self, scripted):
        assert not retries_itself(scripted())
        assert not retries_itself(RunnableLambda(len))
        assert not retries_itself(DeterministicFakeEmbedding(size=3))

    def test_with_retry_does(self, scripted):
        assert retries_itself(scripted().with_retry())


class TestAcceptedSettings:
    ASKED = Chat([], max_tokens=100, temperature=0.7)

    def model(self, scripted, profile, **options):
        class Profiled(scripted):
            profile: dict | None = None

        return Profiled(profile=profile, **options)

    def test_nothing_is_sent_to_a_model_that_nothing_is_known_of(self, scripted):
        assert accepted_settings(self.model(scripted, None), self.ASKED) == {}
        assert accepted_settings(RunnableLambda(len), self.ASKED) == {}

    def test_what_the_profile_allows_is_sent(self, scripted):
        model = self.model(scripted, {"reasoning_output": False, "temperature": True})
        assert accepted_settings(model, self.ASKED) == {"max_tokens": 100, "temperature": 0.7}
        assert accepted_settings(model, Chat([], max_tokens=100)) == {"max_tokens": 100}

    def test_a_reasoning_model_gets_no_limit_that_its_thinking_would_use_up(self, scripted):
        model = self.model(scripted, {"reasoning_output": True, "temperature": False})
        assert accepted_settings(model, self.ASKED) == {}

    def test_the_users_own_lower_limit_holds(self, scripted):
        model = self.model(scripted, {"reasoning_output": False}, max_tokens=50)
        assert accepted_settings(model, self.ASKED) == {"max_tokens": 50}

    def test_a_model_without_such_a_field_gets_nothing(self):
        class Bare(FakeListChatModel):
            profile: dict | None = None

        model = Bare(responses=[""], profile={"reasoning_output": False, "temperature": True})
        assert accepted_settings(model, self.ASKED) == {}


def test_embeddings_without_async_methods_of_their_own_are_synchronous():
    class Remote(DeterministicFakeEmbedding):
        async def aembed_documents(self, texts):
            return self.embed_documents(texts)

    assert is_synchronous(DeterministicFakeEmbedding(size=3))
    assert not is_synchronous(Remote(size=3))
