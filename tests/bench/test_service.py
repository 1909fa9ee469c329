"""Requests a second of POST /v1/clean beside an endpoint that only parses and echoes the same JSON, on the same server
and workers in one run, by wrk.

WINNOW_BENCH_PAGE names the page that is sent, by default the Arabic sample.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bench.conftest import Report

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "samples" / "arabic-portal.txt"
ROUNDS = 3
SECONDS = 8
CONNECTIONS = 32
START_SECONDS = 60
SERVE = """
import sys
from flask import Flask, Response, jsonify, request
from classifier.cli import main
from service import server
make = server.create_app
def with_echo(settings) -> Flask:
    app = make(settings)
    app.post("/echo")(lambda: jsonify(request.get_json()))
    return app
server.create_app = with_echo
main(["serve", "--port", sys.argv[1]])
"""

pytestmark = [
    pytest.mark.bench,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed; it is a package of most systems"),
]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a service that also echoes, with the usual number of workers and threads."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=log
        )
    try:
        for _ in range(10 * START_SECONDS):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_requests_a_second(address: str, tmp_path: Path, report: "Report") -> None:
    """Print requests a second, p50 and p99 of both, medians of alternating rounds, and their ratio with its goal."""
    page = Path(os.environ.get("WINNOW_BENCH_PAGE") or SAMPLE).read_text("utf-8")
    (tmp_path / "body.json").write_text(json.dumps({"text": page}), "utf-8")
    script = tmp_path / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.body = io.open("{tmp_path / "body.json"}", "rb"):read("*a")\n',
        "utf-8",
    )
    paths = ("/echo", "/v1/clean")
    found: dict[str, list[tuple[float, float, float]]] = {path: [] for path in paths}
    for _ in range(ROUNDS):
        for path in paths:
            words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script), address + path]
            told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            assert "Non-2xx" not in told, told
            rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
            assert rate, told
            found[path].append((float(rate[1]), _milliseconds(told, "50%"), _milliseconds(told, "99%")))
    print(f"\n{CONNECTIONS} connections, {len(page)} characters a page, medians of {ROUNDS} rounds of {SECONDS} s")
    medians = {
        path: [statistics.median(column) for column in zip(*rounds, strict=True)] for path, rounds in found.items()
    }
    for path, (rate_of, middle, late) in medians.items():
        print(f"{path:12s}{rate_of:8.0f} requests/s   p50 {middle:6.1f} ms   p99 {late:6.1f} ms")
    report.numbers["service"] = medians
    report.goal("requests/s of /v1/clean against echo", medians["/v1/clean"][0] / medians["/echo"][0], 0.25)


def _milliseconds(told: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", told)
    assert found, told
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]
