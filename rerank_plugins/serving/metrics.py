"""Metrics: what a server counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rerank_plugins.ranking import Ranking
from rerank_plugins.serving.admission import Admission

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120)


class Metrics:
    """The counters of one server. Labels are names that its configuration bounds, and nothing that a request says."""

    def __init__(self, admission: Admission) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests for a ranking", "form", "method", "status")
        self._seconds = Histogram(
            "rerank_request_seconds",
            "Seconds from a request's arrival to its ranking",
            ("method",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._documents = self._counter("documents", "Documents that were ranked or left out", "method")
        self._calls = self._counter("model_calls", "Calls to models, retries counted", "method")
        self._failed = self._counter("model_calls_failed", "Calls to models that failed after their retries", "method")
        self._tokens = self._counter("tokens", "Tokens that models read and wrote", "method", "kind")
        for name, help_text, read in (
            ("rerank_active", "Rerankings under way", lambda: admission.active),
            ("rerank_queue_length", "Requests that wait for their turn", lambda: admission.waiting),
        ):
            Gauge(name, help_text, registry=self._registry).set_function(read)

    def request(self, form: str, method: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(form, method, str(status)).inc()

    def work(self, method: str, ranking: Ranking, failed: int, seconds: float) -> None:
        """Count what a ranking took."""
        usage = ranking.usage
        self._seconds.labels(method).observe(seconds)
        self._documents.labels(method).inc(len(ranking) + len(ranking.dropped))
        self._calls.labels(method).inc(usage.calls)
        self._failed.labels(method).inc(failed)
        self._tokens.labels(method, "prompt").inc(usage.prompt_tokens)
        self._tokens.labels(method, "completion").inc(usage.completion_tokens)

    def page(self) -> bytes:
        """All of it, in Prometheus' text form."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"rerank_{name}", help_text, labels, registry=self._registry)
