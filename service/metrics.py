"""GET /metrics: what the service does, for Prometheus, added up over its workers."""

import time
from collections import Counter as Count
from collections.abc import Iterable

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import MutexValue, ValueClass

from classifier.labels import LABELS, CleanedArticle
from service.docs import describes
from service.media import TEXT
from service.serving import Serving

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """The service's metrics. Workers add theirs up when PROMETHEUS_MULTIPROC_DIR was set before they began."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "winnow_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "winnow_request_seconds", "Time to the answer.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.articles = Counter("winnow_articles", "Articles cleaned.", registry=self.registry)
        self.characters = Counter("winnow_characters", "Code points of raw text cleaned.", registry=self.registry)
        self.paragraphs = Counter("winnow_paragraphs", "Paragraphs by label.", ["label"], registry=self.registry)
        self.failures = Counter(
            "winnow_failed_articles", "Articles of batches that could not be cleaned.", registry=self.registry
        )
        self.model = Gauge(
            "winnow_model",
            "Workers that have a model in use.",
            ["model"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )

        self._in_use: str | None = None

    def use(self, identifier: str) -> None:
        """Say which model this worker answers with."""
        if identifier == self._in_use:
            return
        if self._in_use:
            self.model.labels(self._in_use).set(0)
        self._in_use = identifier
        self.model.labels(identifier).set(1)

    def count(self, texts: Iterable[str], articles: Iterable[CleanedArticle]) -> None:
        """Count cleaned articles."""
        by_label: Count[str] = Count()
        number = size = 0
        for text, article in zip(texts, articles, strict=True):
            number += 1
            size += len(text)
            by_label.update(paragraph.label.value for paragraph in article.paragraphs)
        self.articles.inc(number)
        self.characters.inc(size)
        for label in LABELS:
            if by_label[label]:
                self.paragraphs.labels(label.value).inc(by_label[label])

    def expose(self) -> bytes:
        """Return the text that Prometheus reads, of all workers when they share a folder."""
        if ValueClass is MutexValue:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def forget_worker(pid: int) -> None:
    """Take a worker that has ended out of what is added up."""
    if ValueClass is not MutexValue:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def metrics_routes(metrics: Metrics, serving: Serving) -> Blueprint:
    """Return the route that Prometheus asks."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @describes(answer_form=TEXT)
    def expose() -> Response:
        """Metrics of all workers, for Prometheus."""
        metrics.use(serving.cleaner().model.identifier)
        return Response(metrics.expose(), content_type=CONTENT_TYPE_LATEST)

    return routes


def register_metrics(app: Flask, metrics: Metrics, serving: Serving) -> None:
    """Count and time every request, and say which model is in use."""

    @app.after_request
    def end(response: Response) -> Response:
        metrics.use(serving.cleaner().model.identifier)
        route = request.url_rule.rule if request.url_rule else "none"  # of unknown paths there is no end
        method = request.method if request.method in _METHODS else "other"  # nor of what a caller may name a method
        metrics.requests.labels(method, route, str(response.status_code)).inc()
        started = g.started
        response.call_on_close(lambda: metrics.seconds.labels(route).observe(time.perf_counter() - started))
        return response
