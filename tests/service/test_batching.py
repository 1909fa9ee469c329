"""Requests that are cleaned together: each gets the answer it would get alone, and no one waits for ever."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from classifier.cleaning import Cleaner
from classifier.model import Model
from classifier.paragraphs import TextBatch
from service import create_app
from service.batching import WAITING, Batcher, Busy
from service.settings import Settings
from tests.service.conftest import StubModel

LONG = 20.0
THREADS = 20
ALL = 100


class Gate(StubModel):
    """The stub model, which waits inside to be let go, and notes how many articles came at a time."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.turns = threading.Semaphore(0)
        self.sizes: list[int] = []

    def predict_proba(self, batch: TextBatch) -> NDArray[np.float32]:
        """Return what the stub model does, when its turn is there; fail on FAIL."""
        self.sizes.append(len(batch.bounds) - 1)
        self.entered.set()
        assert self.turns.acquire(timeout=LONG)
        if "FAIL" in batch.joined:
            raise RuntimeError("the inner secret")
        return super().predict_proba(batch)


class Held:
    """A batcher whose first job holds the model, while threads wait behind it."""

    def __init__(self, queue: int) -> None:
        self.model = Gate()
        self.cleaner = Cleaner(cast(Model, self.model))
        self.batcher = Batcher(queue)
        self.pool = ThreadPoolExecutor(THREADS + 1)
        self.first = self.send("First")
        assert self.model.entered.wait(LONG)

    def send(self, text: str, seconds: float = LONG) -> Any:
        """Clean a text in a thread of its own; return its future."""
        return self.pool.submit(self.batcher.clean, self.cleaner, text, seconds)

    def wait_for(self, number: int) -> None:
        """Return once so many wait."""
        until(lambda: len(self.batcher._waiting) == number)


def until(true: Callable[[], bool]) -> None:
    """Return once something is so, which must be soon."""
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def held() -> Held:
    """A batcher that is at work, behind which 20 may wait."""
    return Held(THREADS)


def test_what_waits_is_cleaned_together(held: Held) -> None:
    """All that came meanwhile is one batch, and each text gets its own answer, as alone."""
    texts = [f"Story {number}.\nPROMO {number}" for number in range(THREADS)]
    futures = [held.send(text) for text in texts]
    held.wait_for(THREADS)
    held.model.turns.release(ALL)
    assert [future.result(LONG) for future in futures] == [
        Cleaner(cast(Model, StubModel())).clean(text) for text in texts
    ]
    assert held.first.result(LONG).text == "First"
    assert held.model.sizes == [1, THREADS]


def test_a_batch_is_bounded(held: Held) -> None:
    """Texts that are large together are not cleaned together: the first would wait for the others."""
    futures = [held.send("x" * 60_000) for _ in range(5)]
    held.wait_for(5)
    held.model.turns.release(ALL)
    assert [len(future.result(LONG).text) for future in futures] == [60_000] * 5
    assert held.model.sizes == [1, 2, 2, 1]


def test_many_threads_get_what_they_would_get_alone() -> None:
    """The model that ships, 20 threads, each with its own texts again and again."""
    cleaner, batcher = Cleaner.load(), Batcher(THREADS)
    pages: Sequence[str] = [
        f"Bus lanes {number}\nThe council voted {number} to 9 on Tuesday for new lanes on the ring road.\nRead also:"
        f"\nFlour prices climb for week {number}\n— City (@city) May {number}, 2024"
        for number in range(1, 29)
    ]
    alone = [cleaner.clean(page) for page in pages]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(5):
            assert list(pool.map(lambda page: batcher.clean(cleaner, page, LONG), pages)) == alone


def test_a_text_that_the_model_fails_on_costs_only_itself(held: Held) -> None:
    """Those that were cleaned with it get their answers."""
    futures = [held.send(text) for text in ("One", "FAIL", "Two", "FAIL too", "Three")]
    held.wait_for(5)
    held.model.turns.release(ALL)
    assert [future.result(LONG).text for future in futures[::2]] == ["One", "Two", "Three"]
    for future in futures[1::2]:
        with pytest.raises(RuntimeError):
            future.result(LONG)
    assert held.send("Later").result(LONG).text == "Later"


def test_one_model_a_batch(held: Held) -> None:
    """Requests that began with another model are cleaned with it, between the others, and in turn."""
    other = Cleaner(cast(Model, type("Other", (StubModel,), {"identifier": "other"})()))
    futures = []
    for number, cleaner in enumerate((held.cleaner, other, other, held.cleaner)):
        futures.append(held.pool.submit(held.batcher.clean, cleaner, "Story", LONG))
        held.wait_for(number + 1)
    held.model.turns.release(ALL)
    assert [future.result(LONG).model for future in futures] == ["stub", "other", "other", "stub"]


def test_too_many_are_told_to_come_back() -> None:
    """At once, with Retry-After; those that wait are served."""
    held = Held(2)
    waiting = [held.send("One"), held.send("Two")]
    held.wait_for(2)
    with pytest.raises(Busy) as caught:
        held.batcher.clean(held.cleaner, "Three", LONG)
    assert ("Retry-After", "1") in caught.value.get_headers()
    held.model.turns.release(ALL)
    assert [future.result(LONG).text for future in waiting] == ["One", "Two"]
    assert held.send("Three").result(LONG).text == "Three"


def test_a_turn_that_does_not_come_is_given_up(held: Held) -> None:
    """After its time; it takes no place in the queue any more, and the others are served."""
    late, patient = held.send("Late", 0.05), held.send("Patient")
    with pytest.raises(Busy, match="did not come in time"):
        late.result(LONG)
    held.wait_for(1)
    held.model.turns.release(ALL)
    assert patient.result(LONG).text == "Patient"
    assert sum(held.model.sizes) == 2


def test_a_job_that_is_being_worked_on_is_waited_for(held: Held) -> None:
    """It was taken before its time was up: the work is being done, so its answer is given."""
    patient = held.send("Patient")
    held.wait_for(1)
    hasty = held.send("Hasty", 1.0)
    held.wait_for(2)
    held.model.entered.clear()
    held.model.turns.release()
    assert held.model.entered.wait(LONG)
    time.sleep(1.1)
    assert not hasty.done()
    held.model.turns.release()
    assert (hasty.result(LONG).text, patient.result(LONG).text) == ("Hasty", "Patient")
    assert held.model.sizes == [1, 2]


def test_the_batcher_goes_on_when_all_have_gone(held: Held) -> None:
    """Idle again, it works at once for the next one."""
    held.model.turns.release(ALL)
    assert held.first.result(LONG)
    for number in range(3):
        assert held.batcher.clean(held.cleaner, f"Story {number}", 0).text == f"Story {number}"


@pytest.mark.parametrize(("waiting", "status"), [(5, 200), (6, 503)])
def test_a_worker_behind_its_requests_refuses_some(cleaner: Cleaner, waiting: int, status: int) -> None:
    """What would be work is 503 when more wait for a thread than may; whether the service is alive is still told."""
    client = create_app(Settings(queue=5), cleaner).test_client()
    behind = {WAITING: waiting}
    for path, body in (("/v1/clean", {"text": "Story"}), ("/v1/clean/batch", [{"text": "Story"}])):
        assert client.post(path, json=body, environ_overrides=behind).status_code == status
    assert client.get("/livez", environ_overrides=behind).status_code == 200


def test_a_full_queue_is_503() -> None:
    """As problem details with Retry-After; those that had a place are served, and so is the next request."""
    model = Gate()
    app = create_app(Settings(queue=1, request_seconds=int(LONG)), Cleaner(cast(Model, model)))

    def post() -> TestResponse:
        return app.test_client().post("/v1/clean", json={"text": "Story"})

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(post)]
        assert model.entered.wait(LONG)
        futures += [pool.submit(post) for _ in range(5)]
        until(lambda: sum(future.done() for future in futures) == 4)
        refused = [future.result() for future in futures if future.done()]
        model.turns.release(ALL)
        assert sorted(future.result(LONG).status_code for future in futures) == [200, 200, 503, 503, 503, 503]
    for answer in refused:
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
        assert answer.headers["Retry-After"] == "1"
    assert post().status_code == 200
