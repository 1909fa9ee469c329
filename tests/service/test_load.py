"""The service under full load, under attack, and when its processes are killed.

WINNOW_LOAD_SECONDS says how long full load lasts, by default two minutes.
"""

import gzip
import json
import os
import random
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from classifier.registry import ModelStore
from tests.service.running import (
    ARTICLE,
    ONE,
    ROOT,
    TOKEN,
    TWO,
    Load,
    Running,
    memory,
    needs_model,
    running,
    trainings,
    two_models,
    wait_for,
)

LOAD_SECONDS = float(os.environ.get("WINNOW_LOAD_SECONDS", "120"))
PART = 1 / 6  # of the time of load: 20 seconds of two minutes
GROWTH = 0.05
NEW = "winnow-000000000003"
ROWS = "application/x-ndjson"
MAX_BODY_BYTES = 20_000
SLOW = [
    b"POST /v1/clean HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n",
    b"POST /v1/clean HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
    b"POST /v1/clean/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n",
    b"POST /v1/clean HTTP/1.1\r\nHost: a\r\nX",
]
PAGE = (ROOT / "data" / "samples" / "arabic-portal.txt").read_text("utf-8")

pytestmark = [needs_model, pytest.mark.slow]


@contextmanager
def no_training_left(store: Path) -> Iterator[None]:
    """Kill the trainings that are still under way in a store at the end."""
    try:
        yield
    finally:
        for pid in trainings(store):
            kill_training(pid)


def kill_training(pid: int) -> None:
    """Kill a training's process and those it started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def start_training(service: Running) -> str:
    """Start a training over HTTP and return its id."""
    answer = service.ask("POST", "/v1/train", token=TOKEN)
    assert answer.status == 202, answer.body
    return str(answer.json()["id"])


def state(service: Running, training: str) -> str:
    """Return the state of a training, as the service tells it."""
    return str(service.ask("GET", f"/v1/train/{training}").json()["state"])


def test_full_load_with_a_training_and_a_promotion(tmp_path: Path) -> None:
    """No request fails, and no worker has over 5 % more memory at the end than when it was warm; only while it takes up
    the other model has it both.
    """
    store = two_models(tmp_path / "store")
    with (
        no_training_left(store),
        running(tmp_path / "service", "--store", str(store), token=TOKEN) as service,
    ):
        workers = service.workers()
        samples: dict[tuple[str, int], list[tuple[float, int]]] = {
            (figure, worker): [] for figure in ("VmRSS", "Pss") for worker in workers
        }
        plan: list[tuple[float, Callable[[], object]]] = [
            (LOAD_SECONDS / 2, partial(service.use, TWO)),
            (LOAD_SECONDS / 3, partial(start_training, service)),
        ]
        with Load(service, connections=16, text=PAGE) as load:
            began = time.monotonic()
            while (at := time.monotonic() - began) < LOAD_SECONDS:
                if plan and plan[-1][0] <= at:
                    plan.pop()[1]()
                for (figure, worker), taken in samples.items():
                    taken.append((at, memory(worker, figure)))
                time.sleep(0.5)
            assert trainings(store), "the training was over too soon"
        assert service.workers() == workers
        assert service.clean()["model"] == TWO
    seconds = statistics.quantiles([exchange.answered - exchange.sent for exchange in load.exchanges], n=100)
    print(f"\n{len(load.exchanges):,} requests in {LOAD_SECONDS:g} s, {len(load.failed)} failed", end="; ")
    print(f"p50 {1000 * seconds[49]:.0f} ms, p99 {1000 * seconds[98]:.0f} ms")
    growth = []
    for (figure, worker), taken in samples.items():
        warm = next(size for at, size in taken if at >= LOAD_SECONDS * PART)
        end = statistics.median(size for at, size in taken if at >= LOAD_SECONDS * (1 - PART))
        most = max(size for _, size in taken)
        print(f"worker {worker}, {figure}: {taken[0][1] / 1e6:.1f} MB at first, {warm / 1e6:.1f} MB warm", end=", ")
        print(f"{most / 1e6:.1f} MB at most, {end / 1e6:.1f} MB at the end: {end / warm - 1:+.1%}")
        if figure == "VmRSS":
            growth.append(end / warm - 1)
    assert not load.failed, load.failed[:5]
    assert max(growth) < GROWTH


def replaced(service: Running, worker: int) -> bool:
    """Return whether another worker has taken the place of one."""
    workers = service.workers()
    return worker not in workers and len(workers) == 2


def test_a_killed_worker_costs_only_its_requests_under_way(tmp_path: Path) -> None:
    """At most one on each connection, cut off when it was killed; nothing is answered 5xx, and another takes over."""
    with running(tmp_path) as service:
        killed = []
        with Load(service, connections=12, text=PAGE) as load:
            for turn in range(4):
                time.sleep(1)
                victim = service.workers()[turn % 2]
                killed.append(time.monotonic())
                os.kill(victim, signal.SIGKILL)
                wait_for(partial(replaced, service, victim))
            time.sleep(1)
        assert {exchange.status for exchange in load.exchanges} == {200, None}
        for moment in killed:
            lost = [exchange for exchange in load.failed if exchange.sent - 1 < moment < exchange.answered + 0.01]
            assert len(lost) <= load.connections
        assert len(load.failed) <= load.connections * len(killed)
        for exchange in load.failed:
            assert any(exchange.sent < moment + 0.1 and exchange.answered > moment for moment in killed)
        recent = [exchange for exchange in load.exchanges if exchange.sent > killed[-1] + 0.5]
        assert recent
        assert {exchange.status for exchange in recent} == {200}
        assert "voted 14 to 9" in service.clean()["text"]


def test_a_killed_training_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """Killed at 20 random moments: it is told interrupted, every version loads, the one in use stays so, and the next
    training can start at once.
    """
    store = ModelStore(two_models(tmp_path / "store"))
    stamp = store.stamp()
    chance = random.Random(0)
    with (
        no_training_left(store.directory),
        running(tmp_path / "service", "--store", str(store.directory), token=TOKEN) as service,
    ):
        told = []
        for _ in range(20):
            told.append(start_training(service))
            assert service.ask("POST", "/v1/train", token=TOKEN).status == 409
            (pid,) = trainings(store.directory)
            time.sleep(chance.uniform(0, 3))
            assert state(service, told[-1]) == "running"
            kill_training(pid)
            wait_for(lambda: state(service, told[-1]) == "interrupted", 2)
            assert (store.current(), store.stamp()) == (ONE, stamp)
            assert store.load().identifier == ONE
        assert {state(service, one) for one in told} == {"interrupted"}
        assert [card.identifier for card in store.cards() if "00000000" in card.identifier] == [ONE, TWO]
        assert service.clean()["model"] == ONE
        assert service.ask("GET", "/readyz").json()["model"] == ONE


# Forks, once the libraries are there, from a process with a model in memory. A child runs the training's own process
# from its start to its end, but for the learning, in whose place it takes that model under another name; it is killed
# before its n-th step of one kind, or gets to its end.
KILLED = """
import itertools, json, os, signal, sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import classifier.comparison, classifier.seeds, classifier.training
from classifier.registry import ModelStore
from classifier.store import load_card, load_model
from service import retrain
from service.training import Trainings

store, old, new = ModelStore(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
model, card = load_model(store.path(old)), load_card(store.path(old))
classifier.seeds.read_seeds = lambda folder: []
classifier.comparison.compare_cards = lambda *given: SimpleNamespace(no_worse=True, to_json=dict)

def train(articles, report):
    report("learning")
    return replace(model, identifier=new), replace(card, identifier=new)

classifier.training.train = train

def work(step, count):
    def counted(*given, function=getattr(os, step)):
        nonlocal count
        count -= 1
        if not count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given)
    setattr(os, step, counted)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(retrain.main(store.directory))

for step in ("replace", "fsync"):
    for count in itertools.count(1):
        before, known = store.current(), set((store.directory / "trainings").glob("*.json"))
        child = os.fork()
        if not child:
            work(step, count)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert store.load().identifier == store.current()
        records = [Trainings(store.directory).read(path.stem)
                   for path in set((store.directory / "trainings").glob("*.json")) - known]
        states = [record["state"] for record in records]
        print(json.dumps([step, count, killed, store.current() != before, states]), flush=True)
        for one in store.cards():
            load_model(store.path(one.identifier))
        if not killed:
            break
        store.use(old)
    store.use(old)
"""


def test_a_training_killed_at_any_write_leaves_a_store_that_loads(tmp_path: Path) -> None:
    """Before each step in which a file appears or is made to last: every version loads, the model in use changes only
    by the step that takes the new one into use, and the training is told interrupted or is not told at all.
    """
    store = two_models(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, store, ONE, NEW],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    for step in ("replace", "fsync"):
        *cut, (_, _, killed, changed, states) = [row for row in steps if row[0] == step]
        assert (killed, changed, states) == (False, True, ["done"])
        assert len(cut) >= 5
        assert all(killed for _, _, killed, _, _ in cut)
        assert [states for *_, states in cut] == [[] if row[:2] == ["replace", 1] else ["interrupted"] for row in cut]
        taken = [changed for _, _, _, changed, _ in cut]
        assert taken == sorted(taken), "the model in use changed, and changed back"


def malformed(chance: random.Random) -> bytes:
    """Return one request that is, most likely, wrong in some way."""
    return chance.choice(KINDS)(chance)


def request(path: str, body: bytes, *headers: str, method: str = "POST", length: int | None = None) -> bytes:
    """Return a request for one answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if length is None:
        length = len(body)
    if length >= 0:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def any_value(chance: random.Random, depth: int = 0) -> object:
    """Return any JSON value."""
    kinds = [None, True, False, 0, -1, 1e308, 10**30, float("nan"), "", "core", "\ud800", "\x00", "../../x", ARTICLE]
    if depth > 2 or chance.random() < 0.6:
        return chance.choice(kinds)
    if chance.random() < 0.5:
        return [any_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    names = ["text", "id", "keep", "min_confidence", "paragraphs", "start", "language", "x"]
    return {name: any_value(chance, depth + 1) for name in chance.sample(names, chance.randrange(5))}


def any_path(chance: random.Random) -> str:
    """Return a path that takes a body, or none that there is; none that starts a training or stops one."""
    ids = ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a" * 3000, "winnow-", ONE, "%ff", "a%0d%0aX:%20y"]
    routes = ["/v1/clean", "/v1/clean/batch", "/v1/seeds", "/v1/seeds/%s", "/v1/models/%s/use", "/v1/train/%s", "/%s"]
    route = chance.choice([*routes, "/v1/clean", "/v1/clean/batch"])
    return route % chance.choice(ids) if "%s" in route else route


def any_type(chance: random.Random) -> str:
    """Return a line that says what the body is, rightly or not."""
    types = [
        "application/json",
        "application/json",
        "text/plain",
        ROWS,
        "text/html",
        "application/json; charset=utf-16",
    ]
    types += ["", ";", "text/", "text/plain; charset=" + "x" * 500, "multipart/form-data; boundary=x", "a/b/c", "\x7f"]
    return f"Content-Type: {chance.choice(types)}"


def body_of(chance: random.Random) -> bytes:
    """Return a body that is right for /v1/clean or /v1/clean/batch."""
    row: dict[str, object] = {"text": ARTICLE * chance.randrange(4), "keep": ["core", "social"], "min_confidence": 0.5}
    form = chance.randrange(3)
    if form == 0:
        return json.dumps(row, ensure_ascii=False).encode()
    rows = [json.dumps(row, ensure_ascii=bool(chance.getrandbits(1))).encode() for _ in range(chance.randrange(5))]
    return b"[" + b",".join(rows) + b"]" if form == 1 else b"\n".join(rows)


def mutated(chance: random.Random, content: bytes) -> bytes:
    """Return content with some bytes changed, lost, doubled or moved."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(changed) + 1)
        end = min(len(changed), place + chance.randrange(20))
        match chance.randrange(4):
            case 0:
                changed[place:end] = chance.randbytes(end - place)
            case 1:
                del changed[place:end]
            case 2:
                changed[place:place] = changed[place:end] * chance.randrange(4)
            case _:
                changed[place:place] = chance.choice([b"\r\n", b"\x00", b"\xff\xfe", b'"', b"{" * 50, b"\xed\xa0\x80"])
    return bytes(changed)


def truncated_json(chance: random.Random) -> bytes:
    """JSON that breaks off, with a length that fits."""
    body = body_of(chance)
    return request(any_path(chance), body[: chance.randrange(len(body) + 1)], "Content-Type: application/json")


def wrong_values(chance: random.Random) -> bytes:
    """JSON of any types and fields."""
    value = any_value(chance)
    return request(any_path(chance), json.dumps(value).encode(), "Content-Type: application/json", *token(chance))


def broken_text(chance: random.Random) -> bytes:
    """Bytes that are no UTF-8, or no text."""
    body = mutated(chance, ARTICLE.encode() if chance.random() < 0.5 else body_of(chance))
    return request(any_path(chance), body, any_type(chance))


def oversize(chance: random.Random) -> bytes:
    """More than the limit, or a length that is not true."""
    size = MAX_BODY_BYTES + chance.choice([1, 1000, 100_000])
    length = chance.choice([None, None, 10**9, 10**30, 5, -1])
    return request(chance.choice(["/v1/clean", any_path(chance)]), b"x" * size, any_type(chance), length=length)


def bad_gzip(chance: random.Random) -> bytes:
    """Compressed bytes that are damaged, cut off or too many, and other encodings."""
    content = b"x" * 5_000_000 if chance.random() < 0.1 else body_of(chance)
    body = mutated(chance, gzip.compress(content, 1))
    encoding = chance.choice(["gzip", "gzip", "gzip", "x-gzip", "br", "deflate", "gzip, gzip", "\x01"])
    return request(any_path(chance), body, any_type(chance), f"Content-Encoding: {encoding}")


def bad_chunks(chance: random.Random) -> bytes:
    """Chunks with sizes and ends that are wrong."""
    body = body_of(chance)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:]) if part) + b"0\r\n\r\n"
    return request(any_path(chance), mutated(chance, chunks), any_type(chance), "Transfer-Encoding: chunked", length=-1)


def garbage_headers(chance: random.Random) -> bytes:
    """Headers that break the rules of HTTP, contradict each other, or mean nothing."""
    headers = [
        "Transfer-Encoding: chunked", "Transfer-Encoding: identity, x", "Content-Length: 5", "Content-Length: +5",
        "Content-Length: \u0665", "Expect: 100-continue", "Expect: x", "Accept: ;q=x,,*/*;q=9", "Accept: text/html",
        "Accept: " + "a/b," * 900, "Host: " + "x" * 300, "Host: a b", "X Y: z", ": z", "no colon", " folded",
        "X-Request-ID: \udcff", "X-Request-ID: " + "a" * 200, "Authorization: Bearer", "Authorization: Basic =",
        "Authorization: Bearer \udcff\udcfe", "SCRIPT_NAME: /x", "X-Forwarded-Proto: https", "X-Forwarded-Proto: x",
        "Connection: upgrade", "Upgrade: h2c", "Content-Encoding: gzip", "Range: bytes=0-1", "Cookie: " + "a=b;" * 500,
        "X: " + "y" * 9000, "Trailer: Content-Length",
    ]  # fmt: skip
    chosen = [chance.choice(headers) for _ in range(chance.randrange(1, 4))]
    return request(any_path(chance), body_of(chance), any_type(chance), *chosen)


def garbage_line(chance: random.Random) -> bytes:
    """Methods, paths and versions that there are not."""
    method = chance.choice(
        ["POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "x", "PO ST", "\x00"]
    )
    sent = request(any_path(chance), body_of(chance), any_type(chance), *token(chance), method=method)
    return sent.replace(b"HTTP/1.1", chance.choice([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP", b""]), 1)


def mutated_request(chance: random.Random) -> bytes:
    """A right request with some bytes changed anywhere."""
    return mutated(chance, request("/v1/clean", body_of(chance), "Content-Type: application/json"))


def noise(chance: random.Random) -> bytes:
    """Bytes."""
    return chance.randbytes(chance.randrange(300)) + b"\r\n\r\n" * chance.randrange(2)


def token(chance: random.Random) -> list[str]:
    """Return a line with the token, or none."""
    return [f"Authorization: Bearer {TOKEN}"] if chance.random() < 0.5 else []


KINDS = [
    truncated_json, wrong_values, broken_text, oversize, bad_gzip, bad_chunks, garbage_headers, garbage_line,
    mutated_request, noise,
]  # fmt: skip


def exchange(service: Running, sent: bytes) -> bytes:
    """Send bytes, then no more, and return all that comes back."""
    came = b""
    with suppress(ConnectionResetError, BrokenPipeError), service.socket() as connection:
        with suppress(OSError):  # by then the service may have had enough
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65_536):
            came += piece
    return came


def drip(service: Running, sent: bytes) -> bytes:
    """Send a body byte by byte until it is answered or cut off, and return what comes back."""
    with suppress(ConnectionResetError, BrokenPipeError), service.socket() as connection:
        connection.sendall(sent)
        while not select.select([connection], [], [], 0.5)[0]:
            connection.sendall(b"x")
        return connection.recv(65_536)
    return b""


def test_malformed_requests(tmp_path: Path) -> None:
    """Of 10,000 none is answered 5xx or with a traceback, or with a path of this machine; 300 slow bodies come
    meanwhile. The same workers answer well afterwards, and nothing unexpected is in the log.
    """
    store = two_models(tmp_path / "store")
    slow = [head for head in SLOW for _ in range(300 // len(SLOW))]
    chance = random.Random(0)
    limits = {name: str(MAX_BODY_BYTES) for name in ("max_body_bytes", "max_batch_bytes")}
    with running(
        tmp_path / "service", "--store", str(store), workers=2, token=TOKEN, request_seconds="2", **limits
    ) as service:
        workers, expected = service.workers(), service.clean()
        with ThreadPoolExecutor(24) as dripping, ThreadPoolExecutor(8) as asking:
            cut = [dripping.submit(drip, service, sent) for sent in slow]
            sent = [malformed(chance) for _ in range(10_000)]
            answers = list(asking.map(partial(exchange, service), sent))
            answers += [job.result() for job in cut]
        assert service.workers() == workers
        assert service.clean() == expected
        logged = service.log.read_text()
    statuses = Counter(int(answer[9:12]) if answer else 0 for answer in answers)
    print(f"\n{len(answers):,} answers by status (0: cut off): {dict(sorted(statuses.items()))}")
    secrets = [str(tmp_path), str(ROOT), sys.prefix, "site-packages", "Traceback", ".py", ", line ", TOKEN]
    for asked, answer in zip([*sent, *slow], answers, strict=True):
        for status, body in re.findall(rb"HTTP/1\.1 (\d+)[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(.*)", answer, re.DOTALL):
            assert status < b"500", (asked[:500], answer[:500])
            if status >= b"400":
                assert not [secret for secret in secrets if secret.encode() in body and secret.encode() not in asked]
    silent = [asked for asked, answer in zip(sent, answers, strict=False) if not answer]
    assert not [asked for asked in silent if asked.startswith(b"POST /v1/clean HTTP/1.1\r\n") and b"\r\n\r\n" in asked]
    assert statuses[400] > 1000
    assert statuses[413] > 100
    assert statuses[422] > 100
    assert statuses[408] > 100
    assert "unexpected error" not in logged
    assert "Traceback" not in logged
