"""The service as it runs: a process of its own, a socket, a signal."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from classifier.resources import default_model
from service.settings import Settings

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
SERVE = """
import sys
from service.server import serve
from service.settings import Settings
serve("127.0.0.1", int(sys.argv[1]), 2, 2, Settings())
"""

needs_model = pytest.mark.skipif(
    not default_model().exists(), reason="there is no default model to serve; make one with 'winnow train'"
)


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the server on a free port and yield its process and address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(process, address)
        yield process, address
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server did not become ready (exit status {process.poll()})")


@needs_model
def test_the_server_cleans_refuses_and_stops() -> None:
    """The server cleans an article, says 413 to a body that is too large with and without a length, and stops on
    SIGTERM with 0.
    """
    article = (
        "Council approves bus lanes\nThe city council voted 14 to 9 on Tuesday for new bus lanes on the ring road.\n"
        "All rights reserved."
    )
    with serving() as (process, address):
        request = urllib.request.Request(f"{address}/v1/clean", article.encode(), {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "voted 14 to 9" in answer["text"]
        assert [
            article[paragraph["start"] : paragraph["end"]] for paragraph in answer["paragraphs"]
        ] == article.splitlines()

        limit = Settings().max_body_bytes
        for size in (limit + 1, 10 * limit):  # more than any socket's buffers hold: the whole of it must be taken
            status, detail = _refusal(address, b"x" * size, "text/plain")
            assert status == 413
            assert str(limit) in detail
        assert _refusal(address, b"x" * limit, "text/html")[0] == 415
        assert _post_chunked(address, [b"x" * 100_000] * (limit // 100_000) + [b"x"]) == 413
        assert _post_chunked(address, [article.encode()]) == 200

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def _refusal(address: str, body: bytes, content_type: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{address}/v1/clean", body, {"Content-Type": content_type})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as answer:
        return answer.code, json.load(answer)["detail"]


def _post_chunked(address: str, chunks: list[bytes]) -> int:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/v1/clean", iter(chunks), {"Content-Type": "text/plain"}, encode_chunked=True)
        return connection.getresponse().status
    finally:
        connection.close()
