"""One JSON object a line on standard error for each request and event; never a word of an article."""

import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)
_QUIET = ("/livez", "/readyz", "/metrics")

LOGGING: Mapping[str, Any] = {
    "formatters": {"json": {"()": "service.logs.JSONFormatter"}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "WARNING", "handlers": ["json"]},
    "loggers": {"gunicorn.error": {"level": "WARNING", "handlers": ["json"], "propagate": False}},
}
"""For `dictConfig`: what the server itself has to say, in the same form."""

_log = logging.getLogger("winnow")


class JSONFormatter(logging.Formatter):
    """Writes a record and its `fields` as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(entry)


def set_up_logs() -> None:
    """Send the service's log to standard error; for the process that serves, not for a library that is imported."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False


def register_logs(app: Flask) -> None:
    """Give each request an id, the caller's own when it is a fit one, and log how it was answered."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        g.started = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        fields = {
            "request_id": g.request_id,
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "status": response.status_code,
            "bytes_in": request.content_length,
        }
        more: dict[str, Any] = g.get("log", {})  # a stream tells the last of it at its end
        started = g.started
        level = logging.DEBUG if request.path in _QUIET else logging.INFO

        @response.call_on_close
        def log() -> None:
            seconds = round(time.perf_counter() - started, 5)
            _log.log(level, "request", extra={"fields": {**fields, **more, "seconds": seconds}})

        return response
