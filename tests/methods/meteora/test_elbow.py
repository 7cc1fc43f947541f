"""The elbow: worked examples, an independent reference from the formulas, and what must not move it."""

import math
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from rerank_plugins.methods.meteora.elbow import Cut, elbow, knee_elbow, paper_elbow

SORTED = st.lists(st.floats(-1, 1), min_size=1, max_size=60).map(lambda values: sorted(values, reverse=True))


@pytest.mark.parametrize(
    ("scores", "kept", "found_by"),
    [
        # gaps .02 .40 .01 .01, mean .11, deviation .1678: only .40 is above .2778
        ([0.9, 0.88, 0.48, 0.47, 0.46], 2, "gap"),
        # gaps .3 .01 .01 .28, mean .15, deviation .1403: .3 is above .2903, .28 is not; the first counts
        ([0.9, 0.6, 0.59, 0.58, 0.3], 1, "gap"),
        # gaps .1 .1 .2 .2, mean .15, deviation .05: none is above .2; differences 0 .1 0, the greatest at place 1
        ([0.9, 0.8, 0.7, 0.5, 0.3], 2, "bend"),
        ([0.9], 1, None),
        ([0.9, 0.1], 1, None),
        ([0.9, 0.8, 0.1], 1, None),  # two gaps are always one deviation from their mean, and never more
        ([0.9, 0.2, 0.1], 1, None),
        ([0.5] * 7, 1, None),
    ],
)
def test_the_paper_rule_by_hand(scores: list[float], kept: int, found_by: str | None) -> None:
    assert paper_elbow(scores) == Cut(kept, found_by)  # type: ignore[arg-type] # the strings above are of that type


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        # the line falls by .2 a place: depths 0 .1 -.02 .2 0
        ([1.0, 0.7, 0.62, 0.2, 0.2], 3),
        ([1.0, 0.1, 0.05, 0.0], 1),  # depths 0 .567 .283 0
        ([1.0, 0.95, 0.9, 0.0], 1),  # all above the line: no knee
        ([0.5] * 4, 1),
        ([0.5], 1),
        ([0.9, 0.1], 1),
    ],
)
def test_the_knee_by_hand(scores: list[float], kept: int) -> None:
    assert knee_elbow(scores).kept == kept


def reference(scores: list[float], z: float, epsilon: float) -> int:
    """The formulas once more, written another way: with z-scores, and with indices."""
    n = len(scores)
    d = [scores[i] - scores[i + 1] for i in range(n - 1)]
    if n < 3:
        return 1
    mean = sum(d) / len(d)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in d) / len(d))
    for i in range(n - 1):
        if (d[i] - mean - epsilon) > z * deviation:
            return i + 1
    second = [d[i + 1] - d[i] for i in range(n - 2)]
    best = 0
    for i in range(n - 2):
        if second[i] > second[best]:
            best = i
    return best + 1


def test_the_paper_rule_against_an_independent_reference() -> None:
    draw = random.Random(7)
    for _ in range(1500):
        scores = sorted((draw.gauss(0, 1) for _ in range(draw.randint(1, 40))), reverse=True)
        z = draw.choice([0.5, 1.0, 2.0, 50.0])
        assert paper_elbow(scores, z, 1e-9).kept == reference(scores, z, 1e-9)


@hypothesis.given(SORTED, st.sampled_from(["paper", "knee"]), st.floats(0, 5))
def test_between_one_and_all_are_kept(scores: list[float], rule: str, z: float) -> None:
    assert 1 <= elbow(scores, rule, z, 1e-6).kept <= len(scores)  # type: ignore[arg-type] # sampled from its values


@hypothesis.given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=40),
    st.sampled_from(["paper", "knee"]),
    st.randoms(use_true_random=False),
)
def test_noise_of_the_last_digits_changes_nothing(values: list[int], rule: str, draw: random.Random) -> None:
    scores = sorted((value / 1000 for value in values), reverse=True)
    noisy = sorted((score + draw.uniform(-1e-13, 1e-13) for score in scores), reverse=True)
    assert elbow(noisy, rule, 1.0, 1e-6) == elbow(scores, rule, 1.0, 1e-6)  # type: ignore[arg-type] # as above


@pytest.mark.parametrize("rule", ["paper", "knee"])
@pytest.mark.parametrize("step", [0.1, 0.01, 1 / 3, 0.007])
@pytest.mark.parametrize("count", [3, 10, 11, 100])
def test_equal_spacing_has_no_elbow(rule: str, step: float, count: int) -> None:
    scores = [1.0 - step * place for place in range(count)]  # not equal in floats
    assert elbow(scores, rule, 1.0, 1e-6) == Cut(1, None)  # type: ignore[arg-type] # as above
    assert elbow(scores, rule, 0.0, 1e-6) == Cut(1, None)  # type: ignore[arg-type] # as above


def test_without_an_epsilon_float_noise_is_an_elbow() -> None:
    assert paper_elbow([1.0 - 0.1 * place for place in range(11)], epsilon=0.0).found_by == "gap"


def share_of_single_chunks(rule: str, count: int, rounds: int = 1500) -> float:
    draw = random.Random(count)
    lists = (sorted((draw.gauss(0, 1) for _ in range(count)), reverse=True) for _ in range(rounds))
    return sum(elbow(scores, rule, 1.0, 1e-6).kept == 1 for scores in lists) / rounds  # type: ignore[arg-type] # as above


def test_on_random_scores_the_paper_rule_keeps_one_more_often_the_longer_the_list() -> None:
    assert share_of_single_chunks("paper", 10) == pytest.approx(0.36, abs=0.05)
    assert share_of_single_chunks("paper", 100) == pytest.approx(0.73, abs=0.06)


def test_on_random_scores_the_knee_hardly_ever_keeps_one_of_a_long_list() -> None:
    assert share_of_single_chunks("knee", 100) < 0.02
