"""Rerank endpoints as a backend: Cohere, Jina, Voyage, text-embeddings-inference, vLLM, NVIDIA, llama.cpp, and ours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from rerank_plugins.backends._clients import Clients
from rerank_plugins.backends._processes import ByArguments
from rerank_plugins.backends.asking import Asking, Body, arun, run
from rerank_plugins.backends.loading import require
from rerank_plugins.backends.rerank_forms import FORMS, Asked, usage_of
from rerank_plugins.errors import BadReply, CallError, InvalidInput, PromptTooLong, Refused, classify
from rerank_plugins.ranking import Note, Usage
from rerank_plugins.requests import Request, Scored, ScorePairs

if TYPE_CHECKING:
    import httpx

__all__ = ["RerankAPI"]

_HALVED_ON = (400, 413, 422)  # what providers answer to more documents than they take
_SHORTEST = 64  # characters below which a text is not shortened further


class RerankAPI(ByArguments):
    """A reranker behind an endpoint: it answers `ScorePairs`, as a cross-encoder here does.

    So `CrossEncode()` ranks by it, `Cascade(CrossEncode(), Rebel())` narrows a list by it before a language model
    reads, and a comparison has a row for it. Scores are the provider's, higher is better. They follow the documents by
    the index that the provider gives with each, whatever the order of its reply; a document that it leaves out has no
    score.

    A long list goes out in several requests. A request that is refused for its size is halved until it is taken, and
    the size is remembered; a document that is refused alone costs its own score.

    Args:
        model: The model's name at the endpoint; "" for a server that has one model alone.
        base_url: The endpoint's address; None is the provider's own. With or without "/v1" at its end.
        api_key: None is taken from the environment: `CO_API_KEY`, `JINA_API_KEY`, `VOYAGE_API_KEY`, `NVIDIA_API_KEY`.
            A server of your own needs none.
        form: What the endpoint speaks: "cohere" (which `rerank-plugins serve` speaks as well), "cohere-v1", "jina",
            "voyage", "tei" (text-embeddings-inference), "vllm", "vllm-score", "nvidia" or "llama.cpp".
        instruction: How documents are to be judged, in a sentence, for the forms that take one: "voyage".
        batch_size: The most documents in a request; None is what the provider documents.
        headers: Sent with each request.

    Raises:
        InvalidInput: An argument breaks a rule, or there is no address or no key.
        MissingExtra: The package httpx is not installed.

    >>> RerankAPI("BAAI/bge-reranker-v2-m3", "http://localhost:8080", form="tei")
    RerankAPI('BAAI/bge-reranker-v2-m3', base_url='http://localhost:8080', form='tei')
    """

    kinds: ClassVar[tuple[type[Request], ...]] = (ScorePairs,)

    def __init__(
        self,
        model: str = "",
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        form: str = "cohere",
        instruction: str = "",
        batch_size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        require("RerankAPI", "rerank-api", "httpx")
        if form not in FORMS:
            raise InvalidInput(f"RerankAPI(form=...) is one of {', '.join(FORMS)}, not {form!r}.")
        self._form, self._name = FORMS[form], form
        if not isinstance(model, str):
            raise InvalidInput(f"RerankAPI(model=...) is the model's name at the endpoint, not {model!r}.")
        if instruction and not self._form.takes_instruction:
            taking = ", ".join(name for name, known in FORMS.items() if known.takes_instruction)
            raise InvalidInput(f"RerankAPI(form={form!r}) has no place for an instruction; these have one: {taking}.")
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise InvalidInput(f"RerankAPI(batch_size=...) is a whole number of at least 1, not {batch_size!r}.")
        self._model, self._instruction = model, instruction
        self._most = batch_size or self._form.most
        self._address = self._checked_address(base_url)
        key = api_key or next(filter(None, map(os.environ.get, self._form.key_names)), None)
        if key is None and base_url is None:
            raise InvalidInput(
                f"RerankAPI needs a key for {self._form.host}; pass api_key=... or set {self._form.key_names[0]}, or "
                "pass the base_url=... of another server."
            )
        authorised = {"Authorization": f"Bearer {key}"} if key else {}
        self._headers = {**authorised, **(headers or {})}
        self._clients = _clients(self._headers)

    def _checked_address(self, base_url: str | None) -> str:
        address = base_url or self._form.host
        if not address:
            raise InvalidInput(f"RerankAPI(form={self._name!r}) has no address of its own; pass base_url=....")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            shown = address.rpartition("@")[2].partition("?")[0]
            raise InvalidInput(f"RerankAPI(base_url=...) begins with http:// or https://, not {shown!r}.")
        return address.rstrip("/")

    @property
    def _url(self) -> str:
        """Address and path; a version, or the whole path, at the end of the address is not put twice."""
        path = self._form.path
        for end in (path, path[: path.rindex("/")]):
            if end and self._address.endswith(end):
                return self._address.removesuffix(end) + path
        return self._address + path

    @property
    def identity(self) -> str:
        """Model, address, form and what decides the scores; no key and no header."""
        parts = urlsplit(self._address)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        options = {"base_url": "" if shown == self._form.host else shown, "form": self._name}
        options |= {"instruction": self._instruction}
        said = "".join(f", {name}={value!r}" for name, value in options.items() if value)
        return f"RerankAPI({self._model!r}{said})"

    def __repr__(self) -> str:
        return self.identity

    def answer(self, request: ScorePairs, timeout: float | None) -> Scored:
        """Ask from the calling thread."""

        def post(body: Body, seconds: float | None) -> Any:
            return _read(self._clients.sync().post(self._url, json=body, timeout=seconds))

        return run(self._asking(request), post, timeout)

    async def aanswer(self, request: ScorePairs, timeout: float | None) -> Scored:
        """Ask from the running event loop."""

        async def post(body: Body, seconds: float | None) -> Any:
            client = await self._clients.of_loop()
            return _read(await client.post(self._url, json=body, timeout=seconds))

        return await arun(self._asking(request), post, timeout)

    def _asking(self, request: ScorePairs) -> Asking[Scored]:
        """Ask for batch after batch, smaller ones once a size was refused."""
        round_ = _Round(request.texts)
        while batch := round_.waiting[: self._most]:
            asked = Asked(self._model, request.query, [round_.texts[place] for place in batch], self._instruction)
            try:
                data = yield self._form.body(asked)
            except Exception as error:
                read = classify(error, self.identity)
                if not _is_about_documents(read):
                    raise
                if len(batch) > 1:
                    self._most = len(batch) // 2  # remembered: the next request need not find it out again
                elif not round_.refuse(batch[0], read, self.identity):
                    raise
            else:
                round_.take(batch, self._scores(data), usage_of(data))
        return Scored(tuple(round_.scores), usage=round_.usage, notes=tuple(dict.fromkeys(round_.notes)))

    def _scores(self, data: Any) -> Iterable[tuple[int, float]]:
        try:
            return self._form.read(data)
        except (KeyError, TypeError, ValueError, IndexError):
            raise BadReply(
                f"{self.identity} did not answer in the form {self._name!r}; check base_url and form."
            ) from None


class _Round:
    """One request on its way: what still has to be asked for, and what came."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = [text or " " for text in texts]  # endpoints refuse an empty one
        self.waiting = list(range(len(texts)))
        self.scores: list[float | None] = [None] * len(texts)
        self.usage = Usage()
        self.notes: list[Note] = []
        self._refused = 0

    def take(self, batch: Sequence[int], found: Iterable[tuple[int, float]], usage: Usage) -> None:
        self.waiting = self.waiting[len(batch) :]
        self.usage += usage
        for place, score in found:
            if 0 <= place < len(batch):
                self.scores[batch[place]] = score

    def refuse(self, place: int, error: CallError, source: str) -> bool:
        """Shorten a document that was refused alone, or go on without it; False if it is not the document's fault."""
        text = self.texts[place]
        if isinstance(error, PromptTooLong) and len(text) > _SHORTEST:
            self.texts[place] = text[: len(text) // 2]
            self.notes.append(Note("cut", f"A document was shortened to fit {source}."))
            return True
        self._refused += 1
        if self._refused > 1 and not any(score is not None for score in self.scores):
            return False  # nothing was ever taken: the request itself is wrong
        self.waiting.remove(place)
        self.notes.append(Note("failed", f"A document was refused and has no score: {error}"))
        return True


def _is_about_documents(error: CallError) -> bool:
    """Whether fewer or shorter documents could be taken."""
    return isinstance(error, Refused) and error.scope == "request" and error.status in _HALVED_ON


class _HTTPRefusal(Exception):
    """A status that is no success; `errors.classify` reads it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.response = response
        self.status_code = response.status_code
        try:
            self.body = response.json()
        except ValueError:
            self.body = response.text


def _read(response: httpx.Response) -> Any:
    if not response.is_success:
        raise _HTTPRefusal(response)
    try:
        return response.json()
    except ValueError:
        raise BadReply("The endpoint answered with something that is no JSON; check base_url.") from None


def _clients(headers: Mapping[str, str]) -> Clients[httpx.Client, httpx.AsyncClient]:
    import httpx

    # Each request has a timeout of its own.
    return Clients(
        lambda: httpx.Client(headers=headers),
        lambda: httpx.AsyncClient(headers=headers),
        lambda client: client.aclose(),
    )
