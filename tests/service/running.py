"""The service in processes of its own, as `winnow serve` starts it, for the tests that need it so."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest

from classifier.registry import ModelStore
from classifier.resources import default_model
from classifier.store import load_card, load_model

ROOT = Path(__file__).parents[2]
ONE, TWO = "winnow-000000000001", "winnow-000000000002"
TOKEN = "a-token-for-tests"
START_SECONDS = 60
PATIENCE = 30
"""Seconds after which a test does not wait for an answer any more."""

ARTICLE = (
    "Council approves bus lanes\nThe city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.\n"
    "Work starts in June, the transport office said, and will last about nine months.\nAll rights reserved."
)

needs_model = pytest.mark.skipif(
    not default_model().exists(), reason="there is no default model to serve; make one with 'winnow train'"
)


def two_models(directory: Path) -> Path:
    """Make a store with the versions ONE, which is in use, and TWO, less sure of everything; return its folder."""
    store = ModelStore(directory)
    model, card = load_model(default_model()), load_card(default_model())
    unsure = replace(model.context, temperature=2 * model.context.temperature)
    for identifier, context in ((ONE, model.context), (TWO, unsure)):
        store.add(replace(model, identifier=identifier, context=context), replace(card, identifier=identifier))
    store.use(ONE)
    return directory


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the value of a JSON body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A service that runs: its main process, its port, and the file that its standard error goes to."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, which keeps alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    @contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """Yield a socket, for what no HTTP library would send."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            yield connection

    def ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json", token: str = ""
    ) -> Answer:
        """Send one request on a connection of its own and return its answer."""
        headers = (
            {"Content-Type": content_type, "Authorization": f"Bearer {token}"} if body is not None or token else {}
        )
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, {**response.headers}, response.read())
        finally:
            connection.close()

    def clean(self, text: str = ARTICLE) -> dict[str, Any]:
        """Return the answer to a text, which must succeed."""
        answer = self.ask("POST", "/v1/clean", json.dumps({"text": text}).encode())
        assert answer.status == 200, answer.body
        described: dict[str, Any] = answer.json()
        return described

    def use(self, identifier: str) -> None:
        """Take a model into use over HTTP."""
        assert self.ask("POST", f"/v1/models/{identifier}/use", token=TOKEN).status == 200

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> int:
        """Stop as a supervisor does, and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path, *options: str, workers: int = 2, **environment: str) -> Iterator[Running]:
    """Run `winnow serve` with options and WINNOW_ variables, and yield it once it is ready with all its workers.

    Temporary files go below `folder`, and so does the log. All its processes are gone afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINNOW_", "PROMETHEUS_"))}
    given = {f"WINNOW_{name.upper()}": value for name, value in environment.items()}
    options = ("--port", str(port), "--workers", str(workers), *options)
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", "from classifier.cli import main; main()", "serve", *options],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **given},
            stderr=file,
            start_new_session=True,
        )
    try:
        service = Running(process, port, log)
        _wait(service, workers)
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(service: Running, workers: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if service.ask("GET", "/readyz").status == 200 and len(service.workers()) == workers:
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the service did not become ready (exit status {service.process.poll()}): {service.log.read_text()}")


@dataclass(frozen=True)
class Exchange:
    """One request of a load: when it was sent and answered (monotonic seconds), and how."""

    sent: float
    answered: float
    status: int | None
    """None when the connection broke."""
    body: bytes


@dataclass
class Load:
    """Keeps asking for ARTICLE on so many connections while it is entered, and remembers every exchange.

    Equal bodies are kept once.
    """

    service: Running
    connections: int = 8
    text: str = ARTICLE
    exchanges: list[Exchange] = field(default_factory=list)
    _bodies: dict[bytes, bytes] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.connections)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[Exchange]:
        """The exchanges that did not end with 200."""
        return [exchange for exchange in self.exchanges if exchange.status != 200]

    def _ask(self) -> None:
        body = json.dumps({"text": self.text}).encode()
        connection = self.service.connect()
        while not self._ended.is_set():
            sent = time.monotonic()
            status: int | None = None
            answer = b""
            try:
                connection.request("POST", "/v1/clean", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
            self.exchanges.append(Exchange(sent, time.monotonic(), status, self._bodies.setdefault(answer, answer)))
        connection.close()


def confidences(answer: Mapping[str, Any]) -> list[float]:
    """Return how sure an answer is of each paragraph, which tells one model's answers from another's."""
    return [paragraph["confidence"] for paragraph in answer["paragraphs"]]


def wait_for(reached: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when something is so; fail when it does not come about."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trainings(store: Path) -> list[int]:
    """Return the process ids of trainings under way in a store; each leads a group of its own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"service.retrain" in words and str(store).encode() in words:
                found.append(int(folder.name))
    return found


def memory(pid: int, figure: str) -> int:
    """Return bytes of memory of a process: VmRSS, VmHWM (its highest), or Pss, in which shared pages count in part."""
    source = "smaps_rollup" if figure == "Pss" else "status"
    found = re.search(rf"^{figure}:\s+(\d+) kB$", Path(f"/proc/{pid}/{source}").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024
