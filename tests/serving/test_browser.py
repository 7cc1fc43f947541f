"""The page in a browser: what a person sees, presses and hears of, and that nothing but the page's own script runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright.sync_api", reason="needs a driver for browsers: pip install playwright")

from playwright.sync_api import sync_playwright

from rerank_plugins.testing import FakeModel
from tests.serving.browsing import CONTRAST, ENDS, HOSTILE, INJECTED, PLACE, RYE, Seen, model, nobody, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium or google-chrome on the path"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (where, _):
        yield where


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Seen]]:
    """Opens the page; afterwards, no page has complained of anything or asked anything of another address."""
    with ExitStack() as stack:
        opened: list[tuple[str, Seen]] = []

        def go(where: str = address, *, script: str = "", ready: str = "#go:enabled", **options: Any) -> Seen:
            context = browser.new_context(**({"reduced_motion": "reduce"} | options))  # what moves is waited for
            stack.callback(context.close)
            if script:
                context.add_init_script(script)
            seen = Seen(context.new_page())
            seen.page.set_default_timeout(8000)
            opened.append((where, seen))
            seen.page.goto(where)
            seen.page.wait_for_selector(ready)
            return seen

        yield go
        for where, seen in opened:
            assert seen.complaints == []
            assert [url for url in seen.requests if not url.startswith(f"{where}/")] == []


def test_the_sample_is_reranked_and_stands_as_the_server_says(visit: Any) -> None:
    seen = visit()
    seen.page.select_option("#sample", "3")
    assert seen.page.text_content("#count") == "10 passages"
    (reply,) = seen.rerank()
    assert seen.order(0) == list(range(10))
    assert seen.order(1) == [result["index"] for result in reply["results"]] != list(range(10))
    assert seen.status == "Done: 10 passages."
    assert seen.page.text_content("#results h2") == seen.page.input_value("#query")
    assert seen.page.evaluate("document.activeElement.id") == "results"


def test_lines_lead_from_each_card_to_its_card(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE)
    seen.rerank()
    for where in ("as it is", "after reasons have opened"):
        seen.page.wait_for_selector("path.line")
        off = seen.page.evaluate(ENDS)
        assert len(off) == len(RYE), where
        assert max(off) < 1, where
        seen.page.click(".all-reasons")
        seen.page.wait_for_timeout(100)  # a frame, in which they are drawn anew


def test_the_document_under_the_pointer_is_marked_with_its_line(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE)
    seen.rerank()
    seen.page.hover('.column >> nth=1 >> .document[data-index="2"]')
    marked = seen.page.locator("#results .chosen")
    assert marked.evaluate_all("(all) => all.map((one) => `${one.tagName} ${one.dataset.index}`)") == [
        "LI 2",
        "path 2",
        "LI 2",
    ]


def test_another_method_gives_another_order_and_its_own_reasons(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE)
    (quick,) = seen.rerank()
    assert "BM25" in seen.page.text_content(".column >> nth=1")
    seen.page.select_option("#first", "careful")
    (careful,) = seen.rerank()
    orders = [[result["index"] for result in reply["results"]] for reply in (quick, careful)]
    assert orders[0] != orders[1] == seen.order(1)
    assert seen.page.text_content(".column >> nth=1 >> h3") == "careful"


def test_two_methods_stand_beside_each_other(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE, "quick", "both")
    replies = seen.rerank()
    orders = [[result["index"] for result in reply["results"]] for reply in replies]
    assert [seen.order(1), seen.order(2)] == orders
    assert seen.page.locator("svg.gap").count() == 2
    same = "Both put the same passage first" if orders[0][0] == orders[1][0] else "They put different passages first"
    assert seen.page.text_content(".agreement") == f"{same}; of the first 4, 4 are the same."


def test_criteria_are_bars_as_long_as_their_scores(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE, "careful")
    (reply,) = seen.rerank()
    seen.page.click(".all-reasons")
    why = reply["results"][0]["rerank_plugins"]["why"]
    bars = seen.page.locator(".column >> nth=1 >> .document >> nth=0 >> .bar")
    long = bars.evaluate_all("(all) => all.map((bar) => bar.firstChild.clientWidth / bar.clientWidth)")
    (depth,) = why["criteria"]
    assert long == pytest.approx([why["relevance"] / 10, depth["score"] / depth["scale"]], abs=0.02)
    assert why["reason"] in seen.page.text_content(".column >> nth=1 >> .document >> nth=0")


def test_what_is_flagged_stands_apart_from_what_is_left_out(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE, "evidence")
    (reply,) = seen.rerank()
    flagged = [one["index"] for one in reply["rerank_plugins"]["dropped"] if one["why"]["verdict"]]
    assert flagged == [1]
    assert seen.page.locator("h4").all_text_contents()[0] == "Flagged by the verifier (1)"
    assert seen.order(1, of=".left-out") == [one["index"] for one in reply["rerank_plugins"]["dropped"]]
    seen.fill("what does rye need?", RYE, "careful")
    (reply,) = seen.rerank()
    reasons = [one["reason"] for one in reply["rerank_plugins"]["dropped"]]
    assert reasons and seen.page.locator(".left-out .reason").all_text_contents() == reasons
    assert seen.page.locator("h4").all_text_contents()[0] == f"Left out ({len(reasons)})"


def test_sub_questions_are_told_and_places_of_what_was_found_besides(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE, "parts")
    (reply,) = seen.rerank()
    (rye,) = [one["rerank_plugins"] for one in reply["results"] if one["index"] == 2]
    assert [served["subquestion"] for served in rye["why"]["serves"]] == [None, 1]
    seen.page.click(".all-reasons")
    told = seen.page.locator('.column >> nth=1 >> .document[data-index="2"]').inner_text().split("\n")
    assert told[told.index("sub-question 1") + 1].startswith("What is rye?")
    assert told[told.index("sub-question 2") + 1 :][:2] == ["What is acid?", "not found for it"]
    missing = reply["results"][-1]["rerank_plugins"]["rank"] - len(reply["results"])
    assert missing == 1
    assert "1 place taken by what the method found itself" in seen.page.text_content(".column >> nth=1 >> .about")


def test_reasons_of_a_kind_that_it_does_not_know_are_listed(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", RYE, "own")
    seen.rerank()
    seen.page.click(".all-reasons")
    told = seen.page.locator(".column >> nth=1 >> .document >> nth=0 >> .reasons >> nth=0").inner_text().split("\n")
    assert told[:9] == ["constructor", "a word", "a list", "1", "yes", "2", "0.333", "<b>", HOSTILE]
    assert told[9:] == ["verdict", "fine", "fused", "7", "criteria", "one", "two", "BM25", "high"]


def test_markup_in_a_document_is_text(visit: Any) -> None:
    seen = visit()
    seen.fill(HOSTILE, [*RYE, HOSTILE], "quick", "careful")
    seen.rerank()
    seen.page.click(".all-reasons")
    texts = seen.page.locator('.document[data-index="4"] .text').all_text_contents()
    assert texts == [HOSTILE] * 3
    assert seen.page.text_content("#results h2") == HOSTILE
    assert seen.page.locator("#results :is(script, img, a, i, b:not(.notes b))").count() == 0
    assert seen.page.evaluate("window.ran") is None


def test_an_injected_script_does_not_run(visit: Any) -> None:
    listen = (
        "addEventListener('securitypolicyviolation', (event) => (window.stopped ??= []).push(event.effectiveDirective))"
    )
    seen = visit(script=listen)
    assert seen.page.evaluate("window.stopped") is None
    seen.page.evaluate(INJECTED)
    assert seen.page.evaluate("window.ran") is None
    assert {"script-src-elem", "style-src-attr", "img-src"} <= set(seen.page.evaluate("window.stopped"))
    assert all("Content Security Policy" in complaint for complaint in seen.complaints)
    seen.complaints.clear()


def test_a_model_that_is_down_is_told(visit: Any) -> None:
    pytest.importorskip("openai")
    from rerank_plugins.backends import OpenAIChat

    with serving(backends=[OpenAIChat("a-model", base_url=nobody(), api_key="none"), FakeModel()]) as (address, _):
        seen = visit(address)
        seen.fill("what does rye need?", RYE)
        seen.page.click("#go")
        seen.page.wait_for_selector("#status.wrong")
        assert seen.status.startswith("No call to a model succeeded.")
        assert seen.page.locator("#results > *").count() == 0


def test_a_server_that_stops_is_told_and_what_was_there_stays(visit: Any) -> None:
    with serving() as (address, stop):
        seen = visit(address)
        seen.fill("what does rye need?", RYE)
        seen.rerank()
        stop()
        seen.page.click("#go")
        seen.page.wait_for_selector("#status.wrong")
        assert seen.status == "The server cannot be reached. Is it still running?"
        assert len(seen.order(1)) == len(RYE)


def test_a_full_queue_is_told_beside_the_answer_that_there_is(visit: Any) -> None:
    with serving(backends=[FakeModel(model, delay_s=0.3)], max_active=1, max_waiting=0) as (address, _):
        seen = visit(address)
        seen.fill("what does rye need?", RYE, "quick", "both")
        seen.page.click("#go")
        seen.page.wait_for_selector("#status.wrong")
        assert re.fullmatch(r"(quick|both): More is asked .* later\. It expects a place in \d+ s\.", seen.status)
        assert seen.page.locator(".column").count() == 2


def test_a_key_is_asked_for_and_works(visit: Any) -> None:
    with serving(key="the-key") as (address, _):
        seen = visit(address, ready="#unlock:visible")
        assert seen.status == "This server asks for its key. Enter it above."
        assert seen.page.evaluate("document.activeElement.id") == "key"
        seen.page.keyboard.type("another")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("#status:has-text('not the key')")
        seen.page.fill("#key", "the-key")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("#unlock", state="hidden")
        seen.page.wait_for_selector("#go:enabled")
        seen.fill("what does rye need?", RYE)
        assert len(seen.rerank()[0]["results"]) == len(seen.order(1)) == len(RYE)


def test_waiting_can_be_stopped(visit: Any) -> None:
    with serving(backends=[FakeModel(model, delay_s=8)]) as (address, _):
        seen = visit(address)
        seen.fill("what does rye need?", RYE)
        seen.page.click("#go")
        assert seen.status == "Reranking 4 passages."
        seen.page.click("#stop")
        seen.page.wait_for_selector("#go:enabled")
        assert seen.status == "Stopped."


def test_the_code_is_copied(visit: Any) -> None:
    seen = visit(permissions=["clipboard-read", "clipboard-write"])
    seen.fill("what does rye need?", RYE)
    seen.rerank()
    for framework, adapter in (("LlamaIndex", "RerankPostprocessor"), ("LangChain", "RerankCompressor")):
        seen.page.click(f"summary:text-is('{framework}')")
        seen.page.click(f"[aria-label='Copy the code for {framework}']")
        seen.page.wait_for_selector(f"#status:text-is('{framework}: Copied.')")
        taken = seen.page.evaluate("navigator.clipboard.readText()")
        assert f"{adapter}(InsertRank(), llm=llm, top_n=5)" in taken
        assert taken == seen.page.text_content(f"details:has(summary:text-is('{framework}')) pre")


def test_where_the_clipboard_is_refused_the_code_is_selected(visit: Any) -> None:
    refuse = "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    seen = visit(script=refuse)
    seen.fill("what does rye need?", RYE)
    seen.rerank()
    seen.page.click("summary:text-is('LangChain')")
    seen.page.click("[aria-label='Copy the code for LangChain']")
    seen.page.wait_for_selector("button:text-is('Selected, press Ctrl+C')")
    assert seen.page.evaluate("getSelection().toString()").strip() == seen.page.text_content("pre >> nth=1").strip()


def test_all_of_it_can_be_done_with_keys_alone(visit: Any) -> None:
    seen = visit()
    keys = seen.page.keyboard
    focused = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
    for step in ("sample", "query", "passages", "first", "second", "keep", "go"):
        keys.press("Tab")
        assert seen.page.evaluate(focused) == step
        if step == "sample":
            keys.press("ArrowDown")
    keys.press("Enter")
    seen.page.wait_for_selector(".columns")
    keys.press("Tab")
    assert seen.page.evaluate(focused) == "all-reasons"
    keys.press("Tab")
    assert seen.page.evaluate(PLACE) == [0, 0]
    keys.press("ArrowDown")
    assert seen.page.evaluate(PLACE) == [0, 1]
    keys.press("ArrowRight")
    assert seen.page.evaluate(PLACE) == [1, 1]
    assert seen.page.locator("path.line.chosen").get_attribute("data-index") == "1"
    keys.press("Home")
    assert seen.page.evaluate(PLACE) == [1, seen.order(1)[0]]
    keys.press("Enter")
    assert seen.page.evaluate("document.activeElement.querySelector('details').open") is True
    keys.press("Escape")
    assert seen.page.evaluate(focused) == "query"


def test_hundreds_of_passages_stay_quick_and_are_one_stop_of_the_tab_key(visit: Any) -> None:
    seen = visit()
    passages = [f"Passage {number} on rye and what it needs. {'It goes on. ' * (number % 40)}" for number in range(200)]
    seen.fill("what does rye need?", passages, "both")
    seen.rerank()
    took = seen.page.evaluate("""() => {
      const began = performance.now();
      drawLines(document.querySelector(".columns"));
      document.body.getBoundingClientRect();
      return performance.now() - began;
    }""")
    assert took < 500
    assert len(seen.order(0)) == len(seen.order(1)) == 200
    stops = seen.page.locator("#results :is(.document, button, summary, pre):not([tabindex='-1']):visible").count()
    assert stops < 12


def test_a_long_passage_is_cut_until_it_is_asked_for(visit: Any) -> None:
    seen = visit()
    seen.fill("what does rye need?", [*RYE, "It goes on. " * 200])
    seen.rerank()
    assert seen.page.locator(".more").count() == 2
    text = seen.page.locator('.document[data-index="4"] .text >> nth=0')
    cut = text.bounding_box()["height"]
    seen.page.click(".more >> nth=0")
    assert text.bounding_box()["height"] > 3 * cut
    assert seen.page.get_attribute(".more >> nth=0", "aria-expanded") == "true"


def test_on_a_phone_all_is_in_one_column_and_can_be_touched(visit: Any) -> None:
    seen = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    seen.fill("what does rye need?", [*RYE, "x" * 500], "careful", "evidence")
    seen.rerank()
    seen.page.click(".all-reasons")
    for more in seen.page.locator(".more:visible").all():
        more.click()
    for summary in seen.page.locator("details.code summary").all():
        summary.click()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    assert seen.page.locator(".text:visible").evaluate_all(cut) == []
    assert not seen.page.is_visible(".gap >> nth=0")
    assert not seen.page.is_visible(".before .document >> nth=0")
    seen.page.click(".fold")
    assert seen.page.is_visible(".before .document >> nth=0")
    badges = seen.page.locator(".column >> nth=2 >> .move")
    assert badges.count() == len(seen.order(2))
    small = "(all) => all.filter((one) => one.getBoundingClientRect().height < 44).map((one) => one.outerHTML)"
    assert seen.page.locator(":is(button, summary, input, select):visible").evaluate_all(small) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(visit: Any, scheme: str) -> None:
    seen = visit(color_scheme=scheme)
    seen.fill("what does rye need?", RYE, "evidence", "careful")
    seen.rerank()
    seen.page.click(".all-reasons")
    contrast = seen.page.evaluate(CONTRAST)
    assert contrast["low"] == []
    assert contrast["checked"] > 80
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) > 400) == (scheme == "light")


def test_who_wants_no_motion_gets_none(visit: Any) -> None:
    page, scrolling = visit().page, "getComputedStyle(document.documentElement).scrollBehavior"
    still = page.evaluate(scrolling)
    page.emulate_media(reduced_motion="no-preference")
    assert (still, page.evaluate(scrolling)) == ("auto", "smooth")
