"""The service on gunicorn, a production WSGI server."""

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from service.app import create_app
from service.heaps import bound_heaps
from service.logs import LOGGING, set_up_logs
from service.metrics import forget_worker
from service.settings import Settings
from service.worker import Worker

KEEP_ALIVE_SECONDS = 5
"""How long an idle connection is kept for the next request."""

WORKER_BYTES = 400_000_000
"""What a worker may need beside the model they share: texts under way and their arrays."""

SWITCH_SECONDS = 0.001
"""How long a thread of a worker runs while others want to."""

BACKLOG = 512
"""Connections that wait to be accepted; the system turns more away."""


def serve(host: str, port: int, workers: int, threads: int, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests under way and exit with status 0 (SystemExit).

    The model is loaded once, before the workers start, and they share its memory. Raises ModelError when it cannot be
    used.
    """
    bound_heaps()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = {
        "bind": address,
        "workers": workers,
        "threads": threads,
        "worker_class": Worker,
        "preload_app": True,
        "timeout": settings.request_seconds + 30,
        "graceful_timeout": settings.request_seconds,
        "keepalive": KEEP_ALIVE_SECONDS,
        "backlog": BACKLOG,
        "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # no disk can stall the heartbeat
        "accesslog": None,
        "logconfig_dict": LOGGING,
        "forwarded_allow_ips": "",  # no proxy's word is needed, so nobody's is taken
        "control_socket_disable": True,  # nothing but HTTP comes in
        "child_exit": _forget,
        "post_fork": _limit,
        "when_ready": _when_ready,
    }
    _Server(settings, options).run()


def default_workers() -> int:
    """Return how many workers suit this machine: one for each core it may use, and memory for all of them.

    Of a container or unit that may use less than the whole machine, its limits count.
    """
    memory = min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_memory_limits(Path("/"))])
    return max(1, min(cpu_count(), memory // (2 * WORKER_BYTES)))


def _memory_limits(root: Path) -> Iterator[int]:
    """Yield the limits in bytes of the control groups, of either version, that this process is in."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            top = root / "sys/fs/cgroup" / controllers
            group = top / path.strip("/")
            for folder in (group, *group.parents):
                if folder.is_relative_to(top):
                    with suppress(OSError, ValueError):  # a group outside of this container; "max", which is no limit
                        yield int((folder / ("memory.limit_in_bytes" if controllers else "memory.max")).read_text())


_log = logging.getLogger("winnow")


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, options: Mapping[str, object]) -> None:
        self.settings = settings
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        set_up_logs()
        return create_app(self.settings)


def _limit(server: Any, worker: Any) -> None:
    threadpool_limits(1)  # workers are as many as cores: more threads in each would only wait for each other
    # A thread that waits for the interpreter often, as one that takes up a model does, would wait long beside others.
    sys.setswitchinterval(SWITCH_SECONDS)


def _forget(server: Any, worker: Any) -> None:
    forget_worker(worker.pid)


def _when_ready(server: Any) -> None:
    if hasattr(socket, "TCP_DEFER_ACCEPT"):  # else a connection that sends nothing holds a thread for some seconds
        for listener in server.LISTENERS:
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, KEEP_ALIVE_SECONDS)
    address = ", ".join(map(str, server.LISTENERS))
    _log.info("ready", extra={"fields": {"address": address, "workers": server.num_workers}})
