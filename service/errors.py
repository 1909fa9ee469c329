"""Every error the service answers has one shape: problem details as RFC 9457 has them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnprocessableEntity

from classifier.errors import WinnowError

PROBLEM = "application/problem+json"

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
        return response


def _detail(error: HTTPException) -> str | None:
    if isinstance(error, RequestEntityTooLarge):
        return f"The body is larger than the limit of {request.max_content_length} bytes."
    return error.description
