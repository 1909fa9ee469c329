"""Batches as they are run: many articles, kills at any moment, a cluster, a disk that fills up, much that is broken.

By default sized for CI; WINNOW_BATCH_FULL=1 runs them at full size, which takes half an hour. The texts are those of
the JSON Lines file that WINNOW_BENCH_TEXTS names, or the shipped seeds.
"""

import gzip
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import classifier
from classifier import Cleaner
from classifier.resources import default_seeds
from classifier.seeds import read_seeds

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FULL = bool(os.environ.get("WINNOW_BATCH_FULL"))
ARTICLES = 200_000 if FULL else 4_000
FILES = 40
KILLS = 30 if FULL else 4
MOST_MEGABYTES = 400
LEAST_RATE = 0.8
WINNOW = [sys.executable, "-c", "from classifier.cli import main; main()", "batch"]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Raw articles in many languages."""
    named = os.environ.get("WINNOW_BENCH_TEXTS")
    if named:
        return [json.loads(line)["text"] for line in Path(named).read_text("utf-8").splitlines() if line.strip()]
    return [article.text for article in read_seeds(default_seeds())]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """That of a process which cleans with the model that ships, on one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    found = {**os.environ, **one, "PYTHONPATH": str(Path(classifier.__file__).parents[1])}
    return {name: value for name, value in found.items() if name not in ("WINNOW_MODEL", "WINNOW_STORE")}


def fill(folder: Path, texts: Sequence[str], articles: int) -> Path:
    """Write so many articles as a tree: a third as text files, the rest in three large files."""
    rows = [{"id": number, "text": text} for number, text in enumerate(islice(cycle(texts), articles))]
    split = articles // 3
    for row in rows[:split]:
        path = folder / "texts" / f"{int(str(row['id'])) % 7}" / f"{row['id']}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(row["text"]).encode("utf-8", "replace"))
    content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows[split:]).encode("utf-8", "replace")
    (folder / "rows.jsonl").write_bytes(content)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(content, 1))
    (folder / "more").mkdir()
    (folder / "more" / "rows.jsonl.zst").write_bytes(zstd.compress(content))
    (folder / "more" / "bad.jsonl").write_text('{"text": 5}\n{"text": "Rain is expected."}\n{')
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every output file holds; of the report what does not depend on time."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".winnow" not in path.parts
    }
    if "report.json" in found:
        report = json.loads(found["report.json"])
        del report["run"]
        found["report.json"] = json.dumps(report).encode()
    return found


def descendants(process: int) -> list[int]:
    """Return the processes below one, as Linux tells them."""
    with suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [one for child in children for one in (int(child), *descendants(int(child)))]
    return []


def is_alive(process: int) -> bool:
    """Whether a process is there and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def peak(process: int) -> int:
    """Return the most megabytes a process has had, 0 when it is gone."""
    with suppress(OSError, IndexError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
    return 0


def clean_for(texts: Sequence[str], seconds: float) -> tuple[float, float]:
    """Return how many characters `clean_many` cleans on one thread, in a second and in a second of processor time."""
    cleaner = Cleaner.load()
    with threadpool_limits(1):
        cleaner.clean_many(texts)
        start, used, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < seconds:
            cleaner.clean_many(texts)
            done += sum(map(len, texts))
        return done / (time.perf_counter() - start), done / (time.process_time() - used)


def clean_side_by_side(texts: Sequence[str], seconds: float) -> tuple[float, float]:
    """Return the sum of what `clean_for` finds in a process for each core, and the mean by processor time."""
    cores = os.cpu_count() or 1
    found = Parallel(cores)(delayed(clean_for)(texts, seconds) for _ in range(cores))
    return sum(rate for rate, _ in found), sum(rate for _, rate in found) / cores


def processor_seconds() -> float:
    """Return the processor time of the processes that this one has waited for, and those they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_many_articles(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """In 40 compressed files: all out, in order, in bounded memory, and at full size about as fast as `clean_many`
    on every core, measured before and after.
    """
    source = tmp_path / "in"
    source.mkdir()
    endless = enumerate(islice(cycle(texts), ARTICLES))
    for number in range(FILES):
        rows = islice(endless, ARTICLES // FILES)
        content = "".join(f"{json.dumps({'id': place, 'text': text})}\n" for place, text in rows)
        (source / f"{number:02d}.jsonl.zst").write_bytes(zstd.compress(content.encode()))
    measured = [clean_side_by_side(texts, 20)] if FULL else []
    before = processor_seconds()
    process = subprocess.Popen([*WINNOW, "in", "out"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for one in (process.pid, *descendants(process.pid)):
            peaks[one] = max(peaks.get(one, 0), peak(one))
        time.sleep(0.1)
    _, told = process.communicate()
    assert process.returncode == 0, told
    used = processor_seconds() - before
    run = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["run"]
    place = 0
    for number in range(FILES):
        with zstd.open(tmp_path / "out" / f"{number:02d}.jsonl.zst", "rt", encoding="utf-8") as lines:
            for line in lines:
                assert json.loads(line)["id"] == place
                place += 1
    assert place == ARTICLES
    megabytes = max(peaks.values())
    print(f"\n{ARTICLES:,} articles in {run['seconds']:.0f} s, {run['articles_per_second']:,} a second; ", end="")
    print(f"at most {megabytes} MB in one of {len(peaks)} processes")
    assert megabytes < MOST_MEGABYTES
    if FULL:
        measured.append(clean_side_by_side(texts, 20))
        characters = ARTICLES * sum(map(len, texts)) / len(texts)
        share = characters / run["seconds"] / (sum(rate for rate, _ in measured) / 2)
        share_of_time = characters / used / (sum(rate for _, rate in measured) / 2)
        print(
            f"{characters / run['seconds']:,.0f} characters a second, {share:.2f} of clean_many on every core; ", end=""
        )
        print(f"{share_of_time:.2f} of it by processor time, which others at work on the machine do not change")
        assert share >= LEAST_RATE, f"and nobody else was at work? The load is {os.getloadavg()[1]:.1f}"


def test_kills_at_any_moment(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """Of the whole group or of the first process alone, whose orphans work on: the end is as if there were none."""
    fill(tmp_path / "in", texts, 12_000 if FULL else 6_000)
    whole = subprocess.run(
        [*WINNOW, "in", "whole"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert whole.returncode == 1, whole.stderr
    expected = contents(tmp_path / "whole")
    seconds = json.loads((tmp_path / "whole" / "report.json").read_text("utf-8"))["run"]["seconds"]
    moments = random.Random(0)
    kills = ended = 0
    target = 0
    while kills < KILLS or not ended:
        process = subprocess.Popen(
            [*WINNOW, "in", f"out-{target}"],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            most = 1.5 + seconds / 3 if kills < KILLS else None
            _, told = process.communicate(timeout=moments.uniform(0.5, most) if most else None)
        except subprocess.TimeoutExpired:
            kin = descendants(process.pid)
            if kills % 2:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            kills += 1
            wait_until(lambda: not any(is_alive(one) for one in kin), 15)  # noqa: B023 (it is called at once)
            assert process.stderr is not None
            process.stderr.close()
            seen = contents(tmp_path / f"out-{target}") if (tmp_path / f"out-{target}").exists() else {}
            assert {name: content for name, content in seen.items() if expected.get(name) != content} == {}
        else:
            assert process.returncode == 1, told
            assert contents(tmp_path / f"out-{target}") == expected
            assert sorted(os.listdir(tmp_path / f"out-{target}" / ".winnow")) == ["journal.jsonl", "lock"]
            ended += 1
            target += 1
    print(f"\n{kills} kills, {ended} runs to the end, each with all {len(expected)} files as they should be")


def test_a_working_process_that_is_killed(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """Another one takes its place: nothing is lost, and nobody needs to do anything."""
    fill(tmp_path / "in", texts, 4_000)
    words = [*WINNOW, "--jobs", "2", "in"]
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    assert subprocess.run([*words, "whole"], check=False, **run).returncode == 1
    process = subprocess.Popen([*words, "out"], **run)
    journal = tmp_path / "out" / ".winnow" / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b'"unit"') >= 2, 120)
    busy = max(descendants(process.pid), key=peak)  # the one that has loaded the model
    os.kill(busy, signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1, told
    assert "killed" not in told
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@contextmanager
def started(words: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of Dask until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_until(ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def units_done(target: Path) -> Counter[tuple[str, int]]:
    """Return the units that the journal of an output has, and how often."""
    lines = (target / ".winnow" / "journal.jsonl").read_bytes().split(b"\n")[1:-1]
    return Counter(tuple(row["unit"]) for row in map(json.loads, lines) if "unit" in row)


def test_a_cluster_of_which_a_worker_is_killed(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """A scheduler and two workers on loopback: the end is what this machine alone gives."""
    pytest.importorskip("distributed", reason="install the extra: pip install '.[cluster]'")
    fill(tmp_path / "in", texts, 9_000 if FULL else 6_000)
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": False}
    assert subprocess.run([*WINNOW, "in", "local"], **run).returncode == 1
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with (
        started(scheduler, environment),
        started([*worker, "--local-directory", str(tmp_path / "one")], environment),
        started([*worker, "--local-directory", str(tmp_path / "two")], environment) as killed,
    ):
        process = subprocess.Popen(
            [*WINNOW, "in", "cluster", "--cluster", address],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        journal = tmp_path / "cluster" / ".winnow" / "journal.jsonl"
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b'"unit"') >= 3, 120)
        assert process.poll() is None, "it ended before the kill"
        killed.kill()
        _, told = process.communicate(timeout=600)
        assert process.returncode == 1, told
        other = subprocess.run([*WINNOW, "in", "other", "--cluster", address, "--model", str(default_seeds())], **run)
    assert contents(tmp_path / "cluster") == contents(tmp_path / "local")
    assert other.returncode == 1
    assert "there is no model" in other.stderr


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount 50 MB of memory as a disk, or skip the test."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=50m", "winnow-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """A clear error, nothing torn, and the run goes on after room is made."""
    if not Path("/proc/mounts").exists() or not sys.platform.startswith("linux"):
        pytest.skip("a small disk is mounted in the way of Linux")
    fill(tmp_path / "in", texts, 6_000)
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": False}
    assert subprocess.run([*WINNOW, "in", "whole"], **run).returncode == 1
    expected = contents(tmp_path / "whole")
    assert sum(map(len, expected.values())) > 9_000_000
    with small_disk(tmp_path / "disk"):
        (tmp_path / "disk" / "full").write_bytes(bytes(47_000_000))
        for room in (1_500_000, 1_000_000, None):
            full = subprocess.run([*WINNOW, "in", "disk/out"], **run)
            assert full.returncode == 2
            assert "No space left on device" in full.stderr
            assert "make room and give the same command again" in full.stderr
            assert "Traceback" not in full.stderr
            seen = contents(tmp_path / "disk" / "out")
            assert {name for name, content in seen.items() if expected[name] != content} == set()
            assert not list((tmp_path / "disk" / "out" / ".winnow").glob("new-*"))
            if room is not None:
                os.truncate(tmp_path / "disk" / "full", (tmp_path / "disk" / "full").stat().st_size - room)
        assert seen.keys() < expected.keys()
        (tmp_path / "disk" / "full").unlink()
        assert subprocess.run([*WINNOW, "in", "disk/out"], **run).returncode == 1
        assert contents(tmp_path / "disk" / "out") == expected
        assert set(units_done(tmp_path / "disk" / "out").values()) == {1}, "a finished unit was done again"


ROW = b'{"text": "Rain is expected on Sunday, forecasters said."}\n'
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "undecodable": (".txt", bytes(range(256)), "not text in any known encoding"),
    "too large": (".txt", b"x" * 2_000_001, "too large"),
    "no JSON": (".jsonl", b'{"text": \n', "not JSON"),
    "no object": (".jsonl", b'["text"]\n', "no JSON object"),
    "no text": (".jsonl", b'{"text": null}\n', "missing or no string"),
    "no UTF-8": (".jsonl", b'{"text": "\xff"}\n', "not UTF-8"),
    "gzip cut in mid-file": (".jsonl.gz", gzip.compress(ROW * 5_000)[:-40], "damaged"),
    "no gzip": (".jsonl.gz", ROW, "damaged"),
    "zstd cut": (".jsonl.zst", zstd.compress(ROW * 50)[:-5], "damaged"),
    "no Parquet": (".parquet", b"PAR1" + ROW, "no Parquet"),
    "no WET": (".warc.wet.gz", gzip.compress(ROW), "damaged"),
    "link out": (".txt", b"", "leads out of the source folder"),
    "link to nothing": (".txt", b"", "No such file"),
    "pipe": (".txt", b"", "no regular file"),
}


def test_two_hundred_broken_inputs(texts: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    """Of fourteen kinds, among two thousand good ones: those are all done, and these all named with the reason."""
    for library in ("pyarrow", "fastwarc"):
        pytest.importorskip(library, reason="install the extras: pip install '.[parquet,wet]'")
    source = tmp_path / "in"
    good = dict(zip((f"{number % 20}/good-{number}.txt" for number in range(2_000)), cycle(texts), strict=False))
    for name, text in good.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(text.encode("utf-8", "replace"))
    (tmp_path / "secret.txt").write_text("Not for this run.")
    broken = {}
    for number, kind in zip(range(200), cycle(BROKEN), strict=False):
        suffix, content, reason = BROKEN[kind]
        path = source / f"{number % 20}" / f"broken-{number}{suffix}"
        broken[path.relative_to(source).as_posix()] = reason
        if kind == "link out":
            path.symlink_to(tmp_path / "secret.txt")
        elif kind == "link to nothing":
            path.symlink_to(source / "nothing.txt")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(content)
    done = subprocess.run(
        [*WINNOW, "in", "out"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    named = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text("utf-8").splitlines()]
    assert sorted(row["path"] for row in named) == sorted(broken)
    assert {row["path"] for row in named if broken[row["path"]] not in row["reason"]} == set()
    articles = Cleaner.load().clean_many([(source / name).read_text("utf-8") for name in good])
    wrong = [
        name
        for name, article in zip(good, articles, strict=True)
        if (tmp_path / "out" / name).read_text("utf-8") != (f"{article.text}\n" if article.text else "")
    ]
    assert wrong == []
