"""The README's own examples, run as a reader would run them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from classifier import Cleaner
from service.settings import Settings, variable

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL_LINES = [line for language, block in BLOCKS if language == "sh" for line in block.strip().split("\n")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the examples name, for them to write into."""
    shutil.copytree(ROOT / "data" / "samples", tmp_path / "data" / "samples")
    shutil.copytree(ROOT / "seeds" / "is", tmp_path / "my-seeds" / "is")
    return tmp_path


def environment() -> dict[str, str]:
    """The environment with this Python's scripts first on the path."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )


def commands(start: str) -> list[str]:
    found = [line for line in SHELL_LINES if start in line and "pip install" not in line]
    assert found, f"the README shows no command with {start!r}"
    return found


def test_the_example_page_comes_out_as_shown() -> None:
    """The README's page, cleaned, is the README's result."""
    before, after = [block for language, block in BLOCKS if language == "text"][:2]
    assert Cleaner.load().clean(before).text == after.strip()


def test_the_service_s_variables_are_listed() -> None:
    """The README's table and `winnow serve --help` name the same ones, with the same defaults."""
    rows = dict(re.findall(r"^\| (`WINNOW_.*?) \|.*\| (.*?) \|$", README, re.MULTILINE))
    helped = subprocess.run(
        ["winnow", "serve", "--help"], env=environment(), capture_output=True, text=True, check=True
    )
    names = re.compile("WINNOW_[A-Z_]+")
    assert set(names.findall(" ".join(rows))) == set(names.findall(helped.stdout))
    for one in fields(Settings):
        default = f"{one.default:,}" if isinstance(one.default, int) else None
        assert default is None or rows[f"`{variable(one.name)}`"] == default


@pytest.mark.parametrize("command", [line for line in commands("winnow clean") if "--model" not in line])
def test_clean_commands_run(command: str, checkout: Path) -> None:
    """Each `winnow clean` of the README that uses the shipped model prints something and succeeds."""
    done = run(command, checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_python_example_runs(checkout: Path) -> None:
    """The Python block of the README runs and prints the story first."""
    code = next(block for language, block in BLOCKS if language == "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == (checkout / "data/samples/arabic-portal.txt").read_text("utf-8").split("\n")[0]


def test_batch_command_runs(checkout: Path) -> None:
    """The README's batch command cleans every sample into the new folder."""
    done = run(commands("winnow batch")[0], checkout)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (checkout / "data/samples").iterdir()}
    assert {path.name for path in (checkout / "cleaned").iterdir()} == {*names, "report.json", ".winnow"}


@pytest.mark.slow
def test_training_commands_run(checkout: Path) -> None:
    """The README's training block checks, trains and cleans with the new model."""
    block = next(block for language, block in BLOCKS if language == "sh" and "winnow train" in block)
    done = run("set -e\n" + block, checkout)
    assert done.returncode == 0, done.stderr
    assert (checkout / "my-model" / "card.json").exists()
    assert "Wexley" in done.stdout


@pytest.fixture
def server(checkout: Path) -> Iterator[int]:
    """A server started as the README says, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = commands("winnow serve")[0].replace("8000", str(port))
    process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=checkout, env=environment())
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def test_curl_commands_get_the_clean_text(server: int, checkout: Path) -> None:
    """The README's curl commands reach a served Winnow and get the story back."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for command in commands("printf"):
        assert run(command, checkout).returncode == 0
    for command in commands("curl "):
        done = run(command.replace("8000", str(server)) + " --silent --show-error --fail-with-body", checkout)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.strip()
