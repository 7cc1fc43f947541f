"""A server and a page of it in a browser, for the tests that look at the page as a person does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from rerank_plugins import Candidate, Decompose, Embedding, Fuse, InsertRank, Meteora, Rebel
from rerank_plugins.commands.serve import _address, _listening
from rerank_plugins.criteria import Criterion
from rerank_plugins.limits import Limits
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Retrieve, Steps
from rerank_plugins.serving import Settings, create_app
from rerank_plugins.testing import FakeModel, Grader, Judge, prompt_of

RYE = ["Wheat is kneaded.", "A stone keeps the oven hot.", "Rye needs acid.", "Salt is weighed."]
HOSTILE = (
    '<script>alert(1); window.ran = 1</script><img src=x onerror="alert(2); window.ran = 2"><b>bold</b> '
    "</p></li></ol><a href=javascript:alert(3)>link</a> &lt;i&gt; {{7*7}}"
)

_GRADER = Grader(lambda shown, text, name: len(text) % (11 if name == "relevance" else 6))
_JUDGE = Judge(flag=lambda text: "factual" if "stone" in text else "none")


@dataclass(frozen=True)
class Own:
    """A method of one's own, with reasons of its own."""

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        yield []
        why: dict[str, Any] = {"constructor": "a word", "a list": [True, 1 / 3], "nothing": None, "<b>": HOSTILE}
        why |= {"verdict": "fine", "fused": 7, "criteria": {"one": "two"}, "bm25": "high"}
        return Verdict(order=range(len(candidates)), why=dict.fromkeys(range(len(candidates)), why))


def found(asked: Retrieve) -> Sequence[Candidate]:
    """What the store has: one of the passages, and one more."""
    return [Candidate(RYE[2]), Candidate("Rye is a grass.")] if asked.query == "What is rye?" else []


METHODS = {
    "quick": InsertRank(),
    "careful": Rebel(
        criteria=[Criterion("depth", "It goes deep.")], turns=1, floor=5, below_floor="drop", reasons=True
    ),
    "evidence": Meteora(rationales=["the acid", "the heat of the oven"], min_pooled=4),
    "both": Fuse(Embedding(), InsertRank()),
    "parts": Decompose(rerank=Embedding(), subquestions=["What is rye?", "What is acid?"]),
    "own": Own(),
}


def model(asked: Any) -> str:
    """Answers each of the methods; to those that rank a list, with the list from its end."""
    prompt = prompt_of(asked)
    if '{"ranking"' in prompt:
        return json.dumps({"ranking": [*range(prompt.count("<document id="), 0, -1)]})
    return _GRADER(asked) if re.search(r"^relevance.*, 0 to \d+:", prompt, re.M) else _JUDGE(asked)


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server on a port of this machine: its address, and what stops it."""
    usual: dict[str, Any] = {
        "methods": METHODS,
        "backends": [FakeModel(model, found=found)],
        "limits": Limits(deadline_s=20, retries=0),
    }
    listening = _listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(Settings(**(usual | settings))), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    try:
        yield _address(listening), stop
    finally:
        stop()


def nobody() -> str:
    """An address at which nobody listens."""
    with _listening("127.0.0.1", 0) as closed:
        return _address(closed)


@dataclass
class Seen:
    """A page that is open, and all that it has done."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("console", self._hear)

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, message: Any) -> None:
        if not message.text.startswith("Failed to load resource"):  # a refusal, which tests look at themselves
            self.complaints.append(message.text)

    def fill(self, question: str, passages: list[str], first: str = "quick", second: str = "") -> None:
        self.page.fill("#query", question)
        self.page.fill("#passages", "\n\n".join(passages))
        self.page.select_option("#first", first)
        self.page.select_option("#second", second)

    def rerank(self) -> list[Any]:
        """Press the button; the replies as the server gave them, in the order of the columns."""
        names = [name for name in map(self.page.input_value, ("#first", "#second")) if name]
        replies: dict[str, Any] = {}
        self.page.on(
            "response", heard := lambda answer: replies.update({answer.request.post_data_json["model"]: answer})
        )
        self.page.click("#go")
        self.page.wait_for_selector("#go:enabled")
        self.page.remove_listener("response", heard)
        return [replies[name].json() for name in names]

    def order(self, column: int, *, of: str = ":not(.left-out)") -> list[int]:
        cards = self.page.locator(f".column >> nth={column} >> .document{of}")
        return [int(index) for index in cards.evaluate_all("(all) => all.map((one) => one.dataset.index)")]

    @property
    def status(self) -> str:
        return str(self.page.text_content("#status"))


CONTRAST = r"""() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (one) => {
    const colour = numbers(getComputedStyle(one).backgroundColor);
    return colour[3] === 0 ? behind(one.parentElement) : colour;
  };
  const ratio = (one) => {
    const both = [light(numbers(getComputedStyle(one).color)), light(behind(one))];
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const all = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility() && hasText(one));
  const low = all.filter((one) => ratio(one) < 4.5).map((one) => `${one.className} ${one.textContent} ${ratio(one)}`);
  return { checked: all.length, low };
}"""
"""The texts whose contrast with what is behind them is less than WCAG 2 asks for at level AA."""

ENDS = r"""() => {
  const top = document.querySelector(".gap").getBoundingClientRect().top;
  const middle = (one) => {
    const box = one.firstChild.getBoundingClientRect();
    return box.top + box.height / 2 - top;
  };
  return [...document.querySelectorAll("path.line")].map((line) => {
    const numbers = line.getAttribute("d").match(/[\d.]+/g).map(Number);
    const [from, to] = document.querySelectorAll(`.document[data-index="${line.dataset.index}"]`);
    return Math.max(Math.abs(numbers[1] - middle(from)), Math.abs(numbers[7] - middle(to)));
  });
}"""
"""For each line between two columns, by how many pixels it misses the middle of a card's head."""

PLACE = """() => {
  const one = document.activeElement;
  return [[...document.querySelectorAll(".column")].indexOf(one.closest(".column")), Number(one.dataset.index)];
}"""
"""The column and the document of the card that has the focus."""

INJECTED = """async () => {
  document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }));
  const markup = "<img src=/x.png onerror='window.ran = 2'><p style='color: red'>x</p>";
  document.body.insertAdjacentHTML("beforeend", markup);
  await new Promise((done) => setTimeout(done, 100));
}"""
"""What an attacker would add if one could."""
