"""A cluster: what is missing is told in a sentence, and units that cannot be done end the run."""

import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from classifier.batch import cluster
from classifier.batch.cluster import connected
from classifier.errors import InputError, WinnowError

distributed = pytest.importorskip("distributed", reason="install the extra: pip install '.[cluster]'")

pytestmark = pytest.mark.filterwarnings("default")


def refuse(work: str) -> str:
    """Take part in one work only."""
    return "" if work == "right" else f"it does not know {work}"


@contextmanager
def started() -> Iterator[str]:
    """Start a scheduler with a worker in this process and give its address."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as made:
        yield made.scheduler_address


def test_a_cluster_needs_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'winnow-news\[cluster\]'"), connected("tcp://a:1", refuse, ""):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{free}", "nonsense://a", "tcp://no.such.host.invalid:1"])
def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It says how to start one."""
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        named = address.format(free=taken.getsockname()[1])
        with pytest.raises(InputError, match="dask scheduler"), connected(named, refuse, ""):
            pass


def test_workers_are_asked_whether_they_can_take_part(tmp_path: Path) -> None:
    """One that cannot is named with the reason; one that can gets work."""
    from joblib import Parallel, delayed, parallel_config

    with started() as address:
        refused = pytest.raises(WinnowError, match=r"1 of 1 workers cannot take part: .*it does not know wrong")
        with refused, connected(address, refuse, "wrong"):
            pass
        with connected(address, refuse, "right") as backend, parallel_config(backend=backend):
            found = Parallel(n_jobs=-1, return_as="generator_unordered")(delayed(pow)(2, n) for n in range(5))
            assert sorted(found) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("lost", [True, False], ids=["error", "cancelled"])
def test_a_unit_that_cannot_be_done_ends_the_run(monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> None:
    """joblib's backend alone would wait for it for ever, or take the error for what came of it."""
    called: list[Any] = []
    future: Future[Any] = Future()
    made = cluster._backend()
    monkeypatch.setattr(made.__mro__[1], "submit", lambda self, func, callback=None: future)
    backend = made.__new__(made)
    backend.submit(None, called.append)
    if lost:
        future.set_exception(RuntimeError("died"))
    else:
        called.append(RuntimeError("died"))
    with pytest.raises(WinnowError, match=r"gave up on a unit .RuntimeError: died.*goes on where it stopped"):
        backend.retrieve_result_callback(called[0])


def test_a_worker_without_winnow_says_so() -> None:
    """In words, not as the error that it is."""
    assert "install winnow-news there" in cluster._told(ModuleNotFoundError("No module named 'classifier'"))
