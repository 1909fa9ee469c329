"""Every error the service answers has one shape: problem details as RFC 9457 has them."""

import logging
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable, UnprocessableEntity

from classifier.errors import OutputError

PROBLEM = "application/problem+json"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer says, whether an error or not."""

MAX_FIELD_ERRORS = 100
"""How many wrong fields one answer names: a body full of them must not make a far larger answer."""

DRAINED_BYTES = 32_000_000
"""How much of a refused body is read and thrown away, so that its sender comes to read the answer."""

_log = logging.getLogger("winnow")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is empty when it is the body as a whole."""

    field: str
    message: str


class InvalidFields(UnprocessableEntity):
    """The body can be read, but fields of it cannot be used: status 422, with each of them named, up to
    `MAX_FIELD_ERRORS`.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("Some fields cannot be used; see errors.")
        self.errors = tuple(errors[:MAX_FIELD_ERRORS])


def problem(error: HTTPException) -> dict[str, Any]:
    """Return the problem details of an error.

    The type is about:blank as none of them means more than its status says.
    """
    details: dict[str, Any] = {
        "type": "about:blank",
        "title": error.name,
        "status": error.code,
        "detail": error.description,
    }
    if isinstance(error, InvalidFields):
        details["errors"] = [asdict(field) for field in error.errors]
    return details


def register_errors(app: Flask) -> None:
    """Make `app` answer every error, expected or not, as problem details."""

    @app.errorhandler(HTTPException)
    def expected(error: HTTPException) -> Response:
        _drain()
        response = app.response_class(app.json.dumps(problem(error)), error.code, error.get_headers())
        response.content_type = PROBLEM
        return response

    @app.errorhandler(OutputError)
    def unwritable(error: OutputError) -> Response:
        _log.error("store not writable", extra={"fields": {"reason": str(error)}})
        return expected(ServiceUnavailable("The store cannot be written; nothing was changed."))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log_exception(error)
        return expected(InternalServerError())


def log_exception(error: BaseException) -> None:
    """Log where an error that nobody expected came from; its message stays out, for it may hold an article's text."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error("unexpected error", extra={"fields": {"error": type(error).__name__, "traceback": where}})


def _drain() -> None:
    # A server that closes the connection on bytes it has not read resets it, and a sender that is still sending never
    # sees why it was refused. A server that does not mark the end of the body would wait for more than there is.
    if not g.get("unread", True) or not request.environ.get("wsgi.input_terminated"):
        return
    body = request.environ["wsgi.input"]
    left = DRAINED_BYTES
    with suppress(Exception):  # the sender has gone, or has not kept to HTTP: there is no more to read
        while left > 0 and (piece := body.read(65_536)):
            left -= len(piece)
