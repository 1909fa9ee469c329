"""Requests that come at the same time are cleaned together: most of what one article costs, many share."""

import threading
from collections import deque
from dataclasses import dataclass, field

from werkzeug.exceptions import ServiceUnavailable

from classifier.cleaning import Cleaner
from classifier.labels import CleanedArticle

WAITING = "winnow.waiting"
"""In a request's WSGI environment: how many requests wait behind it for a thread of the worker."""

_TOGETHER = 150_000  # code points that are scored at once: a longer wait for the first would not pay for the rest


class Busy(ServiceUnavailable):
    """More waits for the model than the service lets wait: status 503, to be tried again."""

    def __init__(self, description: str) -> None:
        super().__init__(description, retry_after=1)


def _held() -> threading.Lock:
    """Return a lock that is held: to wait for its release costs a fraction of what an event does."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class _Job:
    cleaner: Cleaner
    text: str
    article: CleanedArticle | None = None
    error: Exception | None = None
    woken: threading.Lock = field(default_factory=_held)

    @property
    def done(self) -> bool:
        return self.article is not None or self.error is not None


class Batcher:
    """Cleans texts for many threads: the first to come works for all that have come until it is done with the last
    batch, then hands on to one that still waits.
    """

    def __init__(self, queue: int) -> None:
        self._queue = queue
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._working = False

    def clean(self, cleaner: Cleaner, text: str, seconds: float) -> CleanedArticle:
        """Clean one text with a cleaner, together with what else waits; the answer is the one it would get alone.

        Raises Busy when too many wait already, or when the turn does not come within `seconds`.
        """
        job = _Job(cleaner, text)
        with self._lock:
            first = not self._working
            if not first and len(self._waiting) >= self._queue:
                raise Busy("Too many articles wait for the model; try again.")
            self._working = True
            if not first:
                self._waiting.append(job)
        if not first and not job.woken.acquire(timeout=seconds):
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)
                    raise Busy("The article's turn did not come in time; try again.")
            job.woken.acquire()  # it is being worked on
        if not job.done:
            self._work(job)
        if job.error is not None:
            raise job.error
        assert job.article is not None
        return job.article

    def _work(self, job: _Job) -> None:
        """Clean a job and those that wait, wake them, and hand on."""
        jobs = [job]
        try:
            with self._lock:
                size = len(job.text)
                while self._waiting and self._waiting[0].cleaner is job.cleaner:
                    size += len(self._waiting[0].text)
                    if size > _TOGETHER:
                        break
                    jobs.append(self._waiting.popleft())
            _clean(jobs)
        finally:
            for other in jobs[1:]:
                other.woken.release()
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().woken.release()
                else:
                    self._working = False


def _clean(jobs: list[_Job]) -> None:
    try:
        articles = jobs[0].cleaner.clean_many([job.text for job in jobs])
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = error
            return
        for job in jobs:  # one of them is to blame, the others are not
            _clean([job])
        return
    for job, article in zip(jobs, articles, strict=True):
        job.article = article
