"""The report on robustness as a table and as data."""

import json
import math

from rerank_plugins.evaluation.changes import Change, Robustness
from rerank_plugins.evaluation.statistics import Difference

CLEAR = Difference(-0.2, -0.3, -0.1, 0.001, 1, 7, 8)
UNCLEAR = Difference(0.01, -0.1, 0.1, 0.8, 4, 4, 8)
NOTHING = Difference(math.nan, math.nan, math.nan, math.nan, 0, 0, 0)
REPORT = Robustness(
    "grain",
    "nDCG@10",
    [
        Change("FirstStage()", "Reversed()", 0.8, 0.6, CLEAR, -1.0),
        Change("Mine()", "Reversed()", 0.8, 0.81, UNCLEAR, 0.75),
        Change("FirstStage()", "Injected('claim')", 0.8, 0.6, CLEAR, 1.0, gained=-0.5),
    ],
    "It was interrupted.",
)


def test_a_table_for_each_method_in_which_clear_changes_are_bold() -> None:
    first, mine, partial = REPORT.markdown().split("\n\n`Mine()`")[0], *REPORT.markdown().split("\n\n")[-2:]
    assert first.startswith("`FirstStage()` on grain, 8 queries\n\n| perturbation | nDCG@10 before |")
    assert "| `Reversed()` | 0.8000 | 0.6000 | **-0.2000 (-0.3000 to -0.1000)** | -1.000 |  |" in first
    assert "| 1.000 | -0.5 |" in first
    assert "| `Reversed()` | 0.8000 | 0.8100 | +0.0100 (-0.1000 to +0.1000) | 0.750 |  |" in mine
    assert partial == "Partial: It was interrupted.\n"


def test_the_data_can_be_written_as_json_whatever_is_unknown() -> None:
    unknown = Robustness("grain", "AP", [Change("a", "b", math.nan, math.nan, NOTHING, math.nan)])
    (entry,) = json.loads(json.dumps(unknown.as_json(), allow_nan=False))["changes"]
    assert entry["tau"] is entry["before"] is entry["gained"] is entry["difference"]["mean"] is None
    assert REPORT.as_json()["changes"][0]["difference"]["worse"] == 7
    assert REPORT.as_json()["stopped"] == "It was interrupted."


def test_an_empty_report() -> None:
    assert Robustness("grain", "nDCG@10", []).markdown() == ""
