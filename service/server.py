"""The service on gunicorn, a production WSGI server."""

from collections.abc import Mapping

from flask import Flask
from gunicorn.app.base import BaseApplication

from service.app import create_app
from service.settings import Settings

REQUEST_SECONDS = 60
"""How long a worker may be silent, and how long requests under way may take to finish when the service stops."""

KEEP_ALIVE_SECONDS = 5
"""How long an idle connection is kept for the next request."""


def serve(host: str, port: int, workers: int, threads: int, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests under way and exit with status 0 (SystemExit).

    The model is loaded once, before the workers start, and they share its memory. Raises ModelError when it cannot be
    used.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = {
        "bind": address,
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",  # keeps connections alive and is not blocked by a slow sender
        "preload_app": True,
        "timeout": REQUEST_SECONDS,
        "graceful_timeout": REQUEST_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        "accesslog": None,
        "control_socket_disable": True,  # nothing but HTTP comes in
    }
    _Server(settings, options).run()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, options: Mapping[str, object]) -> None:
        self.settings = settings
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self.settings)
