from hypothesis import given
from hypothesis import strategies as st

from rerank_plugins.backends.local.prefixes import Branch, Start, distinct_tokens, shared_beginnings

rows = st.lists(st.lists(st.integers(0, 1), max_size=40), max_size=12)


@st.composite
def starts(draw: st.DrawFn) -> list[Start]:
    return [Start(ids, draw(st.integers(0, len(ids)))) for ids in draw(rows)]


def paths(branch: Branch, above: tuple[int, ...] = ()) -> list[tuple[int, tuple[int, ...]]]:
    """Each row with the lengths of the branches on its way."""
    lengths = (*above, branch.length)
    here = [(row, lengths) for row in branch.rows]
    return [*here, *(found for further in branch.branches for found in paths(further, lengths))]


@given(starts())
def test_each_row_is_in_one_place(given_: list[Start]) -> None:
    assert sorted(row for row, _ in paths(shared_beginnings(given_))) == list(range(len(given_)))


@given(starts())
def test_reading_halts_wherever_a_row_wants_it(given_: list[Start]) -> None:
    for row, lengths in paths(shared_beginnings(given_)):
        assert given_[row].stop in lengths


@given(starts())
def test_a_branch_is_what_all_its_rows_begin_with(given_: list[Start]) -> None:
    def check(branch: Branch) -> None:
        for row, lengths in paths(branch):
            assert given_[row].ids[: branch.length] == given_[branch.sample].ids[: branch.length]
            assert all(length <= len(given_[row].ids) for length in lengths)
        for further in branch.branches:
            assert further.length > branch.length
            check(further)

    check(shared_beginnings(given_))


@given(rows)
def test_distinct_tokens_are_all_beginnings(given_: list[list[int]]) -> None:
    beginnings = {tuple(ids[:end]) for ids in given_ for end in range(1, len(ids) + 1)}
    assert distinct_tokens(given_) == len(beginnings)


def test_a_short_common_beginning_is_not_worth_a_pass() -> None:
    tree = shared_beginnings([Start([1, 2, 3]), Start([1, 2, 4])])
    assert (sorted(tree.rows), tree.branches) == ([0, 1], [])


def test_instruction_and_document_are_two_stretches() -> None:
    instruction, documents = [9] * 50, [[1] * 30, [2] * 30]
    given_ = [Start([*instruction, *document, query]) for document in documents for query in (5, 6)]
    (shared,) = shared_beginnings(given_).branches
    assert shared.length == 50
    assert sorted((branch.length, *sorted(branch.rows)) for branch in shared.branches) == [(80, 0, 1), (80, 2, 3)]


def test_beginnings_nested_a_thousand_deep_are_no_matter() -> None:
    tree = shared_beginnings([Start([1] * length) for length in range(1500)])
    assert tree.branches


def test_no_rows_are_no_tree() -> None:
    assert shared_beginnings([]) == Branch(0, 0)
    assert distinct_tokens([]) == 0
