"""The service as it runs: processes of its own, sockets, signals."""

import gzip
import http.client
import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from classifier.labels import LABELS
from classifier.resources import default_model
from classifier.store import load_card
from service.deadlines import GRACE_SECONDS
from service.server import _memory_limits, default_workers
from service.settings import Settings
from service.worker import LINGER_SECONDS
from tests.service.running import (
    ARTICLE,
    ONE,
    PATIENCE,
    TOKEN,
    TWO,
    Answer,
    Load,
    Running,
    confidences,
    memory,
    needs_model,
    running,
    two_models,
    wait_for,
)

LIMIT = Settings().max_body_bytes
ROWS = "application/x-ndjson"

pytestmark = needs_model


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/", {"memory.max": "900000000"}, 900_000_000),
        ("0::/system.slice/winnow.service", {"system.slice/memory.max": "800000000", "memory.max": "max"}, 800_000_000),
        ("0::/winnow", {"winnow/memory.max": "700000000", "memory.max": "900000000"}, 700_000_000),
        ("9:cpu:/a\n4:memory:/docker/a\n0::/", {"memory/memory.limit_in_bytes": "600000000"}, 600_000_000),
        ("0::/../other", {}, None),
        (None, {}, None),
    ],
)
def test_the_memory_of_a_container_or_unit_counts(
    tmp_path: Path, groups: str | None, files: dict[str, str], limit: int | None
) -> None:
    """Not that of the whole machine, which would be for far more workers."""
    given = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    for name, content in {**given, **({} if groups is None else {"proc/self/cgroup": groups})}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n", "utf-8")
    assert min(_memory_limits(tmp_path), default=None) == limit
    assert default_workers() >= 1


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of two workers that no test stops or changes."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions."""
    return two_models(tmp_path_factory.mktemp("stores") / "two")


def head(path: str, content_type: str, *more: str) -> bytes:
    """Return the first lines of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: bytes, content_type: str = "text/plain", *more: str) -> bytes:
    """Return a whole POST request."""
    return head(path, content_type, f"Content-Length: {len(body)}", *more) + body


def chunk(content: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def next_answer(connection: socket.socket) -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, {**response.headers}, response.read())


def test_articles_of_any_length_are_cleaned(service: Running) -> None:
    """Sent with a length or in chunks, up to the limit."""
    answer = service.clean(ARTICLE)
    assert "voted 14 to 9" in answer["text"]
    spans = [ARTICLE[paragraph["start"] : paragraph["end"]] for paragraph in answer["paragraphs"]]
    assert spans == ARTICLE.splitlines()
    with service.socket() as connection:
        whole = ARTICLE.encode()
        connection.sendall(head("/v1/clean", "text/plain", "Transfer-Encoding: chunked"))
        connection.sendall(chunk(whole[:100]) + chunk(whole[100:]) + b"0\r\n\r\n")
        assert next_answer(connection).json() == answer


@pytest.mark.parametrize(
    ("path", "content_type", "size", "status"),
    [
        ("/v1/clean", "text/plain", LIMIT + 1, 413),
        ("/v1/clean", "text/plain", 10 * LIMIT, 413),  # more than any socket's buffers hold: it must be read
        ("/v1/clean", "text/html", LIMIT, 415),
        ("/v1/clean/batch", "text/plain", 5 * LIMIT, 415),
        ("/v1/seeds", "application/json", 5 * LIMIT, 403),
        ("/v1/nothing", "text/plain", 5 * LIMIT, 404),
        ("/livez", "text/plain", 5 * LIMIT, 405),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_sender_of_a_large_body_sees_why_it_is_refused(
    service: Running, path: str, content_type: str, size: int, status: int, chunked: bool
) -> None:
    """The body is read to its end, so that a sender who reads nothing before is not cut off."""
    body = b"x" * size
    with service.socket() as connection:
        if chunked:
            connection.sendall(head(path, content_type, "Transfer-Encoding: chunked"))
            for start in range(0, size, 500_000):
                connection.sendall(chunk(body[start : start + 500_000]))
            connection.sendall(b"0\r\n\r\n")
        else:
            connection.sendall(post(path, body, content_type))
        answer = next_answer(connection)
    assert answer.status == answer.json()["status"] == status
    assert str(LIMIT) in answer.json()["detail"] or status != 413


def test_requests_on_one_connection_are_answered_in_order(service: Running) -> None:
    """Though all are sent before the first is answered; those that are refused too, whose bodies nobody read."""
    texts = ["One story.", "Two stories.", "Three stories."]
    sent = [post("/v1/clean", text.encode()) for text in texts]
    sent[1:1] = [post("/v1/nothing", b"x" * 100_000), post("/v1/clean", b"x" * 1000, "text/html")]
    sent.append(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    with service.socket() as connection:
        connection.sendall(b"".join(sent))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            came = file.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", came) == [b"200", b"404", b"415", b"200", b"200", b"200"]
    places = [came.index(text.encode()) for text in texts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "rest",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"3 \t;=\r\nabc\r\n0\r\n\r\n",
        b"f" * 10_000,
        b"ffffffffffffffffffffff\r\nabc",
        b"3\r\nab",
        b"3\r\nabc",
        b"3\r\nabc\r\n",
        b"3\r\nabc\r\n0\r\n",
        b"3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
        b"",
    ],
)
@pytest.mark.parametrize(("path", "content_type"), [("/v1/clean", "text/plain"), ("/v1/clean/batch", ROWS)])
def test_broken_chunks_are_a_bad_request(service: Running, path: str, content_type: str, rest: bytes) -> None:
    """Or the end of a stream, with the error as its last row; what came a kilobyte before or earlier is answered."""
    filler = b"{}\n" * 500
    first = ARTICLE.encode() if path == "/v1/clean" else json.dumps({"text": ARTICLE}).encode() + b"\n" + filler
    with service.socket() as connection:
        connection.sendall(head(path, content_type, "Transfer-Encoding: chunked") + chunk(first) + rest)
        connection.shutdown(socket.SHUT_WR)
        answer = next_answer(connection)
    if path == "/v1/clean":
        assert answer.status == answer.json()["status"] == 400
    else:
        rows = [json.loads(line) for line in answer.body.splitlines()]
        assert "voted 14 to 9" in rows[0]["text"]
        assert rows[-1]["error"]["status"] == 400


def test_answers_stream_while_rows_still_come(service: Running) -> None:
    """The first answers are there before the last row is sent, of a fast sender and of one that takes its time."""
    row = json.dumps({"text": ARTICLE, "id": "x" * 2000}).encode() + b"\n"
    for pause, before in ((0.0, 200), (0.2, 10)):
        with service.socket() as connection:
            connection.sendall(head("/v1/clean/batch", ROWS, "Transfer-Encoding: chunked"))
            for _ in range(before):
                connection.sendall(chunk(row))
                time.sleep(pause)
            response = http.client.HTTPResponse(connection)
            response.begin()
            first = json.loads(response.readline())
            connection.sendall(chunk(row) + b"0\r\n\r\n")
            rest = response.read().splitlines()
        assert "voted 14 to 9" in first["text"]
        assert len(rest) == before


def test_a_client_that_sends_all_before_it_reads_gets_all_in_order(tmp_path: Path) -> None:
    """20 MB of rows, and more of answers, wait on disk and not in the service's memory."""
    number, filler = 5_000, "x" * 4_000
    rows = b"".join(
        json.dumps({"text": f"Story {place}.", "id": f"{place} {filler}"}).encode() + b"\n" for place in range(number)
    )
    assert len(rows) > 20_000_000
    with running(tmp_path, workers=1) as service:
        warm = service.ask("POST", "/v1/clean/batch", b"".join(rows.splitlines(keepends=True)[:200]), ROWS)
        assert warm.status == 200
        (worker,) = service.workers()
        before = memory(worker, "VmRSS")
        with service.socket() as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(post("/v1/clean/batch", rows, ROWS))
            answer = next_answer(connection)
        grown = memory(worker, "VmHWM") - before
    texts = [json.loads(line)["text"] for line in answer.body.splitlines()]
    assert texts == [f"Story {place}." for place in range(number)]
    assert len(answer.body) > 20_000_000
    assert grown < 20_000_000, f"{grown:,} bytes more at the highest"


def test_requests_under_way_end_when_the_service_stops(tmp_path: Path) -> None:
    """Those whose body is still to come, a stream, one that is worked on and one that waits are answered 200 after
    SIGTERM; idle connections do not hold up the end, which comes with status 0.
    """
    row = json.dumps({"text": ARTICLE}).encode() + b"\n"
    whole = ARTICLE.encode()
    half = len(whole) // 2
    large = whole * 4_000
    with running(tmp_path) as service:
        with (
            ThreadPoolExecutor() as pool,
            service.socket() as slow,
            service.socket() as stream,
            service.socket() as idle,
        ):
            slow.sendall(head("/v1/clean", "text/plain", f"Content-Length: {len(whole)}") + whole[:half])
            stream.sendall(head("/v1/clean/batch", ROWS, "Transfer-Encoding: chunked") + chunk(row * 100))
            working = [pool.submit(service.ask, "POST", "/v1/clean", large, "text/plain") for _ in range(4)]
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert next_answer(idle).status == 200
            time.sleep(0.3)
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            slow.sendall(whole[half:])
            stream.sendall(chunk(row) + b"0\r\n\r\n")
            assert "voted 14 to 9" in next_answer(slow).json()["text"]
            assert len(next_answer(stream).body.splitlines()) == 101
            assert {job.result().status for job in working} == {200}
        assert service.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < PATIENCE


def totals(service: Running) -> dict[str, float]:
    """Return the samples of GET /metrics."""
    exposed = service.ask("GET", "/metrics").body.decode()
    rows = (line.rpartition(" ") for line in exposed.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def check_totals(service: Running) -> None:
    """Ask for the metrics several times; each time they are those of 60 cleaned articles and 20 refusals."""
    # A request's time is counted when its answer is out, which its client may have read by then.
    wait_for(lambda: totals(service)['winnow_request_seconds_count{route="/v1/clean"}'] == 80)
    for _ in range(8):
        found = totals(service)
        route = 'method="POST",route="/v1/clean"'
        assert found[f'winnow_requests_total{{{route},status="200"}}'] == 60
        assert found[f'winnow_requests_total{{{route},status="415"}}'] == 20
        assert found['winnow_request_seconds_count{route="/v1/clean"}'] == 80
        assert found["winnow_articles_total"] == 60
        assert found["winnow_characters_total"] == 60 * len(ARTICLE)
        paragraphs = sum(found.get(f'winnow_paragraphs_total{{label="{label}"}}', 0) for label in LABELS)
        assert paragraphs == 60 * len(ARTICLE.splitlines())


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_metrics_add_up_over_the_workers(tmp_path: Path, end: signal.Signals) -> None:
    """Whichever worker is asked, before and after one of them was killed or has ended, all that was answered counts; of
    models in use only the workers' that live.
    """
    in_use = f'winnow_model{{model="{load_card(default_model()).identifier}"}}'
    with running(tmp_path) as service:
        with ThreadPoolExecutor(16) as pool:
            kinds = ["text/plain"] * 60 + ["text/html"] * 20
            jobs = [pool.submit(service.ask, "POST", "/v1/clean", ARTICLE.encode(), kind) for kind in kinds]
            assert sorted(job.result().status for job in jobs) == [200] * 60 + [415] * 20
        counting = {path.stem.partition("_")[2] for path in tmp_path.glob("winnow-metrics-*/counter_*.db")}
        assert {str(worker) for worker in service.workers()} <= counting, "only one worker answered"
        check_totals(service)
        assert totals(service)[in_use] == 2
        victim = service.workers()[0]
        os.kill(victim, end)
        wait_for(lambda: victim not in service.workers() and len(service.workers()) == 2)
        check_totals(service)
        assert totals(service)[in_use] in (1, 2)


def test_a_promotion_under_load_is_served_by_every_worker(store: Path, tmp_path: Path) -> None:
    """Within two seconds, there and back, with no failed request; every answer is wholly one model's."""
    with running(tmp_path, "--store", str(store), token=TOKEN) as service:
        sure = {ONE: confidences(service.clean())}
        switched = []
        with Load(service, connections=8) as load:
            for identifier in (TWO, ONE):
                time.sleep(0.5)
                asked = time.monotonic()
                service.use(identifier)
                switched.append((asked, time.monotonic(), identifier))
                time.sleep(2.5)
                sure[identifier] = confidences(service.clean())
        assert max(abs(one - two) for one, two in zip(sure[ONE], sure[TWO], strict=True)) > 0.05
        assert not load.failed
        assert len(load.exchanges) > 100
        logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    model_of = {}
    for body in {exchange.body for exchange in load.exchanges}:
        answer = json.loads(body)
        model_of[body] = answer["model"]
        np.testing.assert_allclose(confidences(answer), sure[answer["model"]], atol=0.001)
    for (_, used, identifier), (end, _, _) in pairwise([*switched, (time.monotonic(), 0.0, "")]):
        late = [exchange for exchange in load.exchanges if used + 2 < exchange.sent and exchange.answered < end]
        assert {model_of[exchange.body] for exchange in late} == {identifier}
    taken_up = [entry for entry in logged if entry["message"] == "model taken up"]
    assert len(taken_up) == 2 * len(switched), "a worker did not take part"


def drip(connection: socket.socket, content: bytes) -> Answer | None:
    """Send a byte a second until an answer comes; return it, or None when the connection is cut."""
    with suppress(BrokenPipeError, ConnectionResetError):
        for place in range(len(content)):
            connection.sendall(content[place : place + 1])
            if select.select([connection], [], [], 1)[0]:
                break
    try:
        return next_answer(connection)
    except (OSError, http.client.HTTPException):
        return None


def test_slow_senders_are_cut_off_and_hold_up_nobody(tmp_path: Path) -> None:
    """A byte a second, of a body, of chunks, of a stream's row or of headers, ends after WINNOW_REQUEST_SECONDS with
    408 or a cut; others are answered meanwhile, though many more connections are open and send nothing.
    """
    drips = {
        head("/v1/clean", "text/plain", "Content-Length: 100"): b"x" * 100,
        head("/v1/clean", "text/plain", "Transfer-Encoding: chunked"): b"1\r\nx\r\n" * 100,
        head("/v1/clean", "text/plain", "Content-Length: 100", "Content-Encoding: gzip"): gzip.compress(
            ARTICLE.encode()
        ),
        head("/v1/nothing", "text/plain", "Content-Length: 100"): b"x" * 100,
        b"POST /v1/clean HTTP/1.1\r\nHost: ": b"x" * 100,
        b"": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    }
    with running(tmp_path, request_seconds="2") as service, ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(service.socket())
        slow = [(opened.enter_context(service.socket()), start, rest) for start, rest in 2 * list(drips.items())]
        with ThreadPoolExecutor(len(slow)) as pool:
            began = time.monotonic()
            for connection, start, _ in slow:
                connection.sendall(start)
            jobs = [pool.submit(drip, connection, rest) for connection, _, rest in slow]
            times = []
            while time.monotonic() < began + 2:
                before = time.monotonic()
                service.clean()
                times.append(time.monotonic() - before)
            answers = [job.result() for job in jobs]
            took = time.monotonic() - began
        assert max(times) < 1
        assert took < 2 + GRACE_SECONDS + 2
        statuses = [answer.status if answer else None for answer in answers]
        assert statuses == [408, 408, 408, 404, None, None] * 2


def test_clients_that_do_not_close_hold_up_nobody(tmp_path: Path) -> None:
    """An answered connection whose client stays is closed after a while; others are served meanwhile."""
    with running(tmp_path, workers=1) as service, ExitStack() as opened:
        kept = [opened.enter_context(service.socket()) for _ in range(40)]
        for connection in kept[:20]:
            connection.sendall(post("/v1/clean", b"Story.", "text/plain", "Connection: close"))
        for connection in kept[20:]:
            connection.sendall(b"no HTTP\r\n\r\n" + bytes(50_000))
        assert [next_answer(connection).status for connection in kept] == [200] * 20 + [400] * 20
        began = time.monotonic()
        service.clean()
        assert time.monotonic() - began < 1
        for connection in kept:
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        wait_for(lambda: open_sockets(service.workers()[0]) < 20)
        assert time.monotonic() - began < LINGER_SECONDS + 3


def open_sockets(process: int) -> int:
    """Return how many sockets a process has."""
    names = [os.readlink(handle) for handle in Path(f"/proc/{process}/fd").iterdir()]
    return sum(name.startswith("socket:") for name in names)


def test_requests_that_wait_beyond_the_queue_are_told_to_come_back(tmp_path: Path) -> None:
    """While the one thread is held by a sender, six come, of which two may wait: those that find more than two behind
    them are 503 with Retry-After, the others are answered.
    """
    with running(tmp_path, "--threads", "1", workers=1, queue="2") as service, ExitStack() as opened:
        slow = opened.enter_context(service.socket())
        slow.sendall(head("/v1/clean", "text/plain", "Content-Length: 6") + b"Story")
        time.sleep(0.5)
        others = [opened.enter_context(service.socket()) for _ in range(6)]
        for connection in others:
            connection.sendall(post("/v1/clean", b"Story.", "text/plain", "Connection: close"))
        time.sleep(0.5)
        slow.sendall(b".")
        assert next_answer(slow).status == 200
        answers = [next_answer(connection) for connection in others]
        assert sorted(answer.status for answer in answers) == [200, 200, 200, 503, 503, 503]
        assert {answer.headers.get("Retry-After") for answer in answers if answer.status == 503} == {"1"}
        service.clean()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: secret\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nExpect: secret\r\n\r\n", 417),
        (b"GET /" + b"secret" * 1000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /livez HTTP/1.1\r\n" + b"secret: secret\r\n" * 1000 + b"\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nX: " + b"secret" * 10_000 + b"\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /secret\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n", 200),
    ],
)
def test_what_is_no_http_is_a_problem_like_others(service: Running, sent: bytes, status: int) -> None:
    """Answered with problem details that repeat nothing of it, nor does the log; proxies' headers are not heeded."""
    with service.socket() as connection:
        connection.sendall(sent)
        answer = next_answer(connection)
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.headers["X-Request-ID"]) == 32
    if status != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert b"secret" not in answer.body
    assert "secret" not in service.log.read_text()
