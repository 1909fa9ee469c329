"""An end to requests that take too long, over real sockets."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from classifier.cleaning import Cleaner
from service import create_app, deadlines
from service.deadlines import Deadline, Deadlines
from service.settings import Settings

LONG = 20.0
ROW = json.dumps({"text": "Story."}).encode() + b"\n"

Connect = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connections over loopback, and returns the two ends of each: the server's and the client's."""
    ends: list[socket.socket] = []

    def make() -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname(), LONG)
            server, _ = listening.accept()
        server.settimeout(LONG)
        ends.extend((server, client))
        return server, client

    yield make
    for end in ends:
        end.close()


@pytest.fixture
def slow_app(cleaner: Cleaner) -> Flask:
    """A service that gives each request a second."""
    return create_app(Settings(request_seconds=1), cleaner)


def post(app: Flask, server: socket.socket, path: str, content_type: str, length: int | None) -> TestResponse:
    """Answer a request whose body comes over a connection, as gunicorn would."""
    environ = {"gunicorn.socket": server, "wsgi.input_terminated": True}
    with server.makefile("rb") as body:
        response = app.test_client().post(
            path,
            content_type=content_type,
            environ_overrides={
                **environ,
                "wsgi.input": body,
                **({"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {"CONTENT_LENGTH": str(length)}),
            },
        )
        response.get_data()
        return response


def drip(client: socket.socket, pieces: list[bytes], pause: float, stop: threading.Event) -> None:
    """Send pieces one by one, until the other side does not take them or the test is over."""

    def send() -> None:
        with suppress(OSError):
            for piece in pieces:
                client.sendall(piece)
                if stop.wait(pause):
                    return
            client.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("length", [1000, None], ids=["with a length", "chunked"])
def test_a_sender_that_drips_is_answered_408(
    slow_app: Flask, connect: Connect, stop: threading.Event, length: int | None
) -> None:
    """Soon after the time is up, though it never stops sending; the answer says how long the time was."""
    server, client = connect()
    drip(client, [b"x"] * 1000, 0.02, stop)
    started = time.monotonic()
    response = post(slow_app, server, "/v1/clean", "text/plain", length)
    assert time.monotonic() - started < 6
    assert response.status_code == 408
    assert "1 seconds" in response.get_json()["detail"]


def test_a_sender_that_stops_is_answered_408(slow_app: Flask, connect: Connect) -> None:
    """Also when nothing comes any more."""
    server, client = connect()
    client.sendall(b"x")
    assert post(slow_app, server, "/v1/clean", "text/plain", 1000).status_code == 408


def test_a_sender_that_goes_away_is_no_timeout(slow_app: Flask, connect: Connect) -> None:
    """What it sent is shorter than it said."""
    server, client = connect()
    client.sendall(b"x")
    client.close()
    response = post(slow_app, server, "/v1/clean", "text/plain", 1000)
    assert response.status_code == 400
    assert "shorter" in response.get_json()["detail"]


def test_a_stream_may_last_while_it_gets_on(slow_app: Flask, connect: Connect, stop: threading.Event) -> None:
    """Its time begins anew with each row."""
    server, client = connect()
    drip(client, [ROW] * 10, 0.25, stop)
    response = post(slow_app, server, "/v1/clean/batch", "application/x-ndjson", None)
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert [row.get("text") for row in rows] == ["Story."] * 10


def test_a_stream_that_drips_ends_with_408(slow_app: Flask, connect: Connect, stop: threading.Event) -> None:
    """A row that does not come in time is the last one; those before it are answered."""
    server, client = connect()
    drip(client, [ROW, *([b" "] * 1000)], 0.02, stop)
    response = post(slow_app, server, "/v1/clean/batch", "application/x-ndjson", None)
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert rows[0]["text"] == "Story."
    assert rows[-1]["error"]["status"] == 408


def test_an_answered_request_is_not_cut(slow_app: Flask, connect: Connect) -> None:
    """Its connection is there for the next one, after its time as well."""
    server, client = connect()
    client.sendall(b"Story.")
    assert post(slow_app, server, "/v1/clean", "text/plain", 6).get_json()["text"] == "Story."
    time.sleep(1.8)
    client.sendall(b"Again.")
    assert post(slow_app, server, "/v1/clean", "text/plain", 6).get_json()["text"] == "Again."


def test_a_reader_that_does_not_read_is_cut(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after the deadline, so that whoever writes to it is free again."""
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.2)
    server, _ = connect()
    Deadlines().watch(Deadline(server, 0.2))
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        server.sendall(b"x" * 100_000_000)  # more than any buffers hold


def test_an_answer_may_still_be_sent_after_the_deadline(connect: Connect) -> None:
    """For some seconds: what is cut first is what comes in."""
    server, client = connect()
    deadline = Deadline(server, 0.1)
    Deadlines().watch(deadline)
    assert server.recv(10) == b""
    assert deadline.passed
    server.sendall(b"too slow")
    assert client.recv(10) == b"too slow"


def test_many_are_watched_by_one_thread(connect: Connect) -> None:
    """Each to its own end; one whose connection is closed does not hinder the others."""
    before = sum(thread.name == "deadlines" for thread in threading.enumerate())
    watch = Deadlines()
    watched = []
    for seconds in (0.1, 0.1, 60.0, 0.1):
        server, _ = connect()
        watched.append(Deadline(server, seconds))
        watch.watch(watched[-1])
    assert watched[0].connection
    watched[0].connection.close()
    for deadline in (watched[1], watched[3]):
        assert deadline.connection
        assert deadline.connection.recv(10) == b""
    assert [deadline.passed for deadline in watched] == [True, True, False, True]
    assert sum(thread.name == "deadlines" for thread in threading.enumerate()) == before + 1


def test_a_deadline_counts_down_and_is_extended() -> None:
    """And never has less than nothing left; without a connection there is nothing to cut."""
    deadline = Deadline(None, 0.4)
    assert 0 < deadline.left <= 0.4
    time.sleep(0.5)
    assert deadline.left == 0
    deadline.extend()
    assert 0 < deadline.left <= 0.4
    Deadlines().watch(deadline)
    assert not deadline.passed
