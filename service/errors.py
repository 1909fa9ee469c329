"""Every error the service answers has one shape: problem details as RFC 9457 has them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnprocessableEntity

from classifier.errors import WinnowError

PROBLEM = "application/problem+json"

DRAINED_BYTES = 32_000_000
"""How much of a refused body is read and thrown away, so that its sender comes to read the answer."""

MAX_FIELD_ERRORS = 100
"""How many wrong fields one answer names: a body full of them must not make a far larger answer."""


class SettingsError(WinnowError, ValueError):
    """A setting cannot be used; the message names the variable and says what to set it to."""


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


def register_errors(app: Flask) -> None:
    """Make `app` answer every error, expected or not, as problem details."""

    # Flask logs an unexpected exception and hands it on as an InternalServerError, so this one handler sees all.
    @app.errorhandler(HTTPException)
    def answer(error: HTTPException) -> Response:
        # The type is about:blank as none of them means more than its status says.
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": error.name,
            "status": error.code,
            "detail": _detail(error),
        }
        if isinstance(error, InvalidFields):
            problem["errors"] = [asdict(field) for field in error.errors]
        response = app.response_class(app.json.dumps(problem), error.code, error.get_headers())
        response.content_type = PROBLEM
        _drain()
        return response


def _drain() -> None:
    # A server that closes the connection on bytes it has not read resets it, and a sender that is still sending never
    # sees why it was refused. A server that does not mark the end of the body would wait for more than there is.
    if not request.environ.get("wsgi.input_terminated"):
        return
    body = request.environ["wsgi.input"]
    left = DRAINED_BYTES
    with suppress(Exception):  # the sender has gone, or has not kept to HTTP: there is no more to read
        while left > 0 and (piece := body.read(65_536)):
            left -= len(piece)


def _detail(error: HTTPException) -> str | None:
    if isinstance(error, RequestEntityTooLarge):
        return f"The body is larger than the limit of {request.max_content_length} bytes."
    return error.description
