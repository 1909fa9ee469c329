"""Answers that stream while the request still comes in, over real sockets."""

import hashlib
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from service.streaming import stream

LONG = 30.0
LINE = 1_000
MANY = 20_000
"""Lines in all: far more than the buffers of a socket hold."""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: the server's and the client's."""
    server, client = socket.socketpair()
    with server, client:
        for end in (server, client):
            end.settimeout(LONG)
        yield server, client


def lines(number: int) -> Iterator[bytes]:
    """Yield lines that differ."""
    for place in range(number):
        yield b"%0*d\n" % (LINE - 1, place)


def echo(server: socket.socket) -> Iterator[bytes]:
    """Yield the lines of a request as they come, as answers."""
    with server.makefile("rb") as request:
        yield from request


def serve(server: socket.socket) -> None:
    """Answer a request with its own lines, as a server would: piece by piece, waiting for the client to take each."""
    for piece in stream(echo(server), server):
        server.sendall(piece)
    server.shutdown(socket.SHUT_WR)


def send_all(client: socket.socket) -> None:
    """Send all lines and say that there are no more."""
    for line in lines(MANY):
        client.sendall(line)
    client.shutdown(socket.SHUT_WR)


def receive_all(client: socket.socket) -> tuple[int, str]:
    """Return how much comes, and its digest."""
    size, digest = 0, hashlib.sha256()
    while piece := client.recv(65_536):
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()


def expected() -> tuple[int, str]:
    """Return what `receive_all` should."""
    digest = hashlib.sha256()
    for line in lines(MANY):
        digest.update(line)
    return MANY * LINE, digest.hexdigest()


def run(work: Callable[[], None]) -> threading.Thread:
    """Start some work in a thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_client_that_sends_all_before_it_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    """Neither waits for the other for ever: it gets every line, in order."""
    server, client = pair
    serving = run(lambda: serve(server))
    send_all(client)
    assert receive_all(client) == expected()
    serving.join(LONG)
    assert not serving.is_alive()


def test_a_client_that_reads_while_it_sends(pair: tuple[socket.socket, socket.socket]) -> None:
    """It too gets every line, in order."""
    server, client = pair
    run(lambda: serve(server))
    run(lambda: send_all(client))
    assert receive_all(client) == expected()


def test_an_answer_comes_before_the_next_line_is_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client may wait for each answer before it goes on."""
    server, client = pair
    run(lambda: serve(server))
    with client.makefile("rb") as answers:
        for line in lines(20):
            client.sendall(line)
            assert answers.readline() == line
        client.shutdown(socket.SHUT_WR)
        assert answers.read() == b""


def test_memory_is_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """However much a client does not read yet: what is kept for it is on the disk."""
    server, client = pair
    tracemalloc.start()
    try:
        serving = run(lambda: serve(server))
        send_all(client)
        assert receive_all(client) == expected()
        serving.join(LONG)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MANY * LINE / 4


@pytest.mark.parametrize("number", [0, 1, 3, 5_000])
def test_without_a_connection_lines_go_as_they_are_made(number: int) -> None:
    """As where a server does not tell of its socket."""
    assert list(stream(lines(number), None)) == list(lines(number))


@pytest.mark.parametrize("size", [0, 1, 8_191, 8_192, 8_193, 3_000_000])
def test_nothing_is_lost_at_any_size(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    """Lines shorter and longer than a piece, with a client that reads nothing until the end."""
    server, _ = pair
    made = [b"a" * size, b"", b"b" * size, b"c"]
    assert b"".join(stream(iter(made), server)) == b"".join(made)


def test_an_error_in_the_middle_comes_through(pair: tuple[socket.socket, socket.socket]) -> None:
    """After what was made before it."""

    def failing() -> Iterator[bytes]:
        yield b"one\n"
        raise KeyError

    pieces = stream(failing(), pair[0])
    assert next(pieces) == b"one\n"
    with pytest.raises(KeyError):
        next(pieces)
