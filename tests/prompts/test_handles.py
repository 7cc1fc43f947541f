"""Identifiers of a prompt: distinct, steady for the reply cache, and beyond what a document's author can know."""

from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.prompts.handles import handles


@given(st.text(), st.lists(st.text(), max_size=30))
def test_each_text_has_one_of_its_own_that_stands_in_no_text(query: str, texts: list[str]) -> None:
    found = handles(query, texts)
    assert len(set(found)) == len(texts)
    assert found == handles(query, texts)
    assert not any(handle in text.casefold() for handle in found for text in [query, *texts])
    assert all(len(handle) == 5 and handle[0].isalpha() and handle == handle.lower() for handle in found)


def test_they_change_with_the_query_with_any_text_and_with_the_order() -> None:
    base = handles("which?", ["a", "b", "c"])
    for query, texts in [("what?", ["a", "b", "c"]), ("which?", ["a", "b", "d"]), ("which?", ["b", "a", "c"])]:
        assert not set(base) & set(handles(query, texts))


def test_texts_are_kept_apart() -> None:
    assert handles("which?", ["ab", "c"]) != handles("which?", ["a", "bc"])


def test_a_text_that_holds_its_own_identifier_gets_another() -> None:
    (first,) = handles("which?", ["a text"])
    (second,) = handles("which?", [f"a text with {first}"])
    assert second != first


def test_a_thousand_guesses_miss() -> None:
    """An author who knows how identifiers are made, but neither the question nor the neighbours."""
    guessed = {handle for number in range(100) for handle in handles("", [f"{number} {n}" for n in range(10)])}
    given = {handle for number in range(20) for handle in handles(f"a question {number}", ["x"] * 10)}
    assert not guessed & given
