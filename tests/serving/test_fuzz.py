"""Requests made up from the server's own description: no defect shows, and what comes back is as described."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis", reason="schemathesis makes up the requests; it is not installed")

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection
from starlette.testclient import TestClient

from rerank_plugins import Embedding, FirstStage, InsertRank
from rerank_plugins.limits import Limits
from rerank_plugins.serving import Settings, create_app
from rerank_plugins.testing import FakeModel

pytestmark = pytest.mark.slow

APP = create_app(
    Settings(
        methods={"listwise": InsertRank(), "vectors": Embedding(), "as-it-was": FirstStage()},
        backends=[FakeModel("[2] > [1]")],
        limits=Limits(deadline_s=5, retries=0),
        any_method=True,
    )
)
SCHEMA: Any = schemathesis.openapi.from_asgi("/openapi.json", APP)
OPERATIONS = {f"{found.ok().method.upper()} {found.ok().path}": found.ok() for found in SCHEMA.get_all_operations()}
RIGHT, WRONG = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [(name, mode) for name in OPERATIONS for mode in (RIGHT, WRONG) if mode is RIGHT or name.startswith("POST")]
KIND = [negative_data_rejection]  # 0 is read as false and "5" as 5: clients in other languages send such

CONTENT_TYPES = ["application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data", ""]

made_up = settings(
    max_examples=40, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize(("name", "mode"), CASES, ids=lambda value: getattr(value, "value", value))
def test_nothing_is_answered_but_as_it_is_described(name: str, mode: Any) -> None:
    @seed(1)
    @made_up
    @given(case=OPERATIONS[name].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(excluded_checks=KIND)

    check()


@seed(1)
@made_up
@given(
    path=st.sampled_from(["/v2/rerank", "/v1/rerank", "/rerank"]),
    body=st.binary() | st.text('{}[]":,0Ee.\\untr NaIfiy-').map(str.encode),
    kind=st.sampled_from(CONTENT_TYPES),
)
def test_bytes_that_mean_nothing_are_refused_by_a_sentence(path: str, body: bytes, kind: str) -> None:
    answer = TestClient(APP, base_url="http://localhost").post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error" if path == "/rerank" else "message"].endswith(".")


def test_the_description_names_all_that_is_served() -> None:
    assert {name.partition(" ")[2] for name in OPERATIONS} >= {"/v2/rerank", "/v1/rerank", "/rerank", "/metrics"}
