"""Who may change state: the bearer of the token."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from service.settings import Settings

Given = ParamSpec("Given")


def guarded(settings: Settings) -> Callable[[Callable[Given, Response]], Callable[Given, Response]]:
    """Return a decorator for routes that change state: they need a store, and the token of the settings.

    Raises Forbidden while the service has no token or no store, and Unauthorized when the request does not bear it.
    """

    def guard(route: Callable[Given, Response]) -> Callable[Given, Response]:
        @wraps(route)
        def guarded_route(*args: Given.args, **kwargs: Given.kwargs) -> Response:
            _require(settings)
            return route(*args, **kwargs)

        return guarded_route

    return guard


def _require(settings: Settings) -> None:
    if settings.token is None or settings.store is None:
        raise Forbidden("This service changes nothing: it was started without WINNOW_TOKEN or WINNOW_STORE.")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # As the bytes that came, which WSGI has as Latin-1, and the bytes that the environment holds; compared in a time
    # that does not tell how much of it is right.
    token = given.strip().encode("latin-1", "backslashreplace")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token, settings.token.encode("utf-8", "surrogateescape")):
        raise Unauthorized(
            "Send the service's token as Authorization: Bearer.", www_authenticate=WWWAuthenticate("bearer")
        )
