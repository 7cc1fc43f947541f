"""The service: from a request to its ranking, within its limits, counted."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import replace

from rerank_plugins.backends.base import BatchBackend
from rerank_plugins.backends.shared import SharedBatches
from rerank_plugins.candidates import encodable
from rerank_plugins.drive import arerank
from rerank_plugins.limits import Limits
from rerank_plugins.methods import Method
from rerank_plugins.ranking import Ranking
from rerank_plugins.serving.admission import Admission
from rerank_plugins.serving.forms import Answer, Request
from rerank_plugins.serving.metrics import Metrics
from rerank_plugins.serving.refusals import HUNG_UP, Refusal
from rerank_plugins.serving.settings import Settings
from rerank_plugins.tally import Tally

__all__ = ["Service"]

_log = logging.getLogger(__name__)


class Service:
    """Answers requests for rankings.

    Each request is a rerank of its own: its deadline, its budget and its failures are its own, and it is answered as
    soon as it is done, whatever others take. The backends are shared: calls to an endpoint run side by side, and a
    local model computes what several requests ask of it in the same batches.

    Args:
        settings: What is served.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._backends = [
            SharedBatches(backend) if isinstance(backend, BatchBackend) else backend for backend in settings.backends
        ]
        self.admission = Admission(settings.max_active, settings.max_waiting)
        self.metrics = Metrics(self.admission)

    async def answer(self, form: str, asked: Request) -> Answer:
        """Rank the documents of a request.

        Raises:
            Refusal: The model is unknown, there are too many documents or requests, or no model answered.
        """
        label, status = "unknown", 500
        try:
            label, method = self.settings.method_of(asked.name)
            texts = self._checked(asked.texts_in_order)
            ranking, tally = await self._ranked(label, method, asked, texts)
            status = 200
        except Refusal as refusal:
            status = refusal.status
            raise
        except asyncio.CancelledError:
            status = HUNG_UP
            raise
        finally:
            self.metrics.request(form, label, status)
        name = asked.name or label
        return Answer(str(uuid.uuid4()), name, ranking, self.settings.price(tally.chat))

    def _checked(self, texts: list[str]) -> list[str]:
        most = self.settings.max_documents
        if len(texts) > most:
            raise Refusal(413, f"A request has at most {most} documents here, not {len(texts)}; send fewer.")
        return [encodable(text) for text in texts]  # what JSON may say, and no reply could repeat

    async def _ranked(self, label: str, method: Method, asked: Request, texts: list[str]) -> tuple[Ranking, Tally]:
        arrived, tally = time.monotonic(), Tally()
        async with self.admission.place(self.settings.limits.deadline_s):
            ranking = await arerank(
                method,
                asked.query,
                texts,
                backends=self._backends,
                top_n=asked.keep,
                limits=_what_is_left(self.settings.limits, time.monotonic() - arrived),
                observer=tally,
            )
        seconds = time.monotonic() - arrived
        self.metrics.work(label, ranking, tally.failed, seconds)
        _log.info("Ranked %d documents by %s in %.3f s.", len(texts), label, seconds)
        if tally.all_failed:
            raise Refusal(503, f"No call to a model succeeded. {_first_failure(ranking)}")
        return ranking, tally


def _what_is_left(limits: Limits, waited: float) -> Limits:
    if limits.deadline_s is None:
        return limits
    return replace(limits, deadline_s=max(0.0, limits.deadline_s - waited))


def _first_failure(ranking: Ranking) -> str:
    """The note that says why; notes hold neither keys nor texts."""
    return next((note.message for note in ranking.notes if note.kind in ("failed", "limit")), "")
