"""A Dask cluster as the place where the units of a batch are cleaned, by joblib's own backend for it.

Workers get names of files and the identifier of a model. They must see the same files, and have the same Winnow and
model, which they are asked about before anything else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from classifier.errors import InputError, WinnowError

_PATIENCE = 30  # seconds until a scheduler has answered and has a worker


@contextmanager
def connected(address: str, problem: Callable[[Any], str], work: Any) -> Iterator[Any]:
    """Give a joblib backend that works on the cluster of a scheduler.

    `problem` is asked on each worker why that cannot take part in `work`; its answer is empty when it can.
    Raises InputError when there is no such cluster, and WinnowError when a worker of it cannot take part.
    """
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise InputError("a cluster needs Dask; install it: pip install 'winnow-news[cluster]'") from error
    try:
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error}); start one: dask scheduler") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise InputError(f"the scheduler at {address} has no worker; start some: dask worker {address}") from error
        answers = client.run(problem, work, on_error="return")
        refused = [f"{worker}: {_told(answer)}" for worker, answer in answers.items() if answer]
        if refused:
            raise WinnowError(
                f"{len(refused)} of {len(answers)} workers cannot take part: {'; '.join(sorted(refused)[:8])}"
            )
        yield _backend()(client=client)


def _told(answer: object) -> str:
    if isinstance(answer, ImportError):
        return f"it has no Winnow that can be imported ({answer}); install winnow-news there"
    return str(answer)


def _backend() -> Any:
    """Return joblib's backend for Dask, which also tells of units that could not be done.

    As it is, it waits for ever for one whose workers died as often as the scheduler allows.
    """
    base: Any = import_module("joblib._dask").DaskDistributedBackend

    class Backend(base):  # type: ignore[misc]
        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)

            def failed(done: Any) -> None:
                error = done.exception()
                if error is not None and callback is not None:
                    callback(_Error(error))

            future.add_done_callback(failed)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            error = out.error if isinstance(out, _Error) else out if isinstance(out, BaseException) else None
            if error is not None:
                raise WinnowError(
                    f"the cluster gave up on a unit ({type(error).__name__}: {str(error)[:200]}); look at its workers, "
                    "then give the same command again: it goes on where it stopped"
                ) from error
            return super().retrieve_result_callback(out)

    return Backend


class _Error:
    def __init__(self, error: BaseException) -> None:
        self.error = error
