"""GET /openapi.json and /docs: the interface, described from the models that check it."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from typing import Any, ParamSpec

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template
from spectree import Response as Answers
from spectree import SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData

from service.errors import PROBLEM
from service.media import HTML, JSON, ROWS, TEXT
from service.schema import Problem

Given = ParamSpec("Given")
View = Callable[Given, Response]

_API = SpecTree(
    "flask",
    title="Winnow",
    version=version("winnow-news"),
    description="Labels every paragraph of a raw, scraped news text and gives back the clean article.",
    security_schemes=[SecurityScheme(name="token", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))],
    mode="strict",
    validation_error_model=Problem,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _, model: model,
)
_TEXT_SCHEMA = {"schema": {"type": "string"}}
_OBJECT_SCHEMA = {"schema": {"type": "object"}}


@dataclass(frozen=True)
class _Told:
    """What spectree has no words for: forms of bodies beside JSON, and that there are no other statuses."""

    statuses: frozenset[str]
    text: bool
    rows: bool
    answer_text: bool
    answer_rows: bool
    answer_form: str | None


def describes(
    *,
    answer: Any = None,
    json: Any = None,
    query: Any = None,
    status: int = 200,
    errors: Sequence[int] = (),
    text: bool = False,
    rows: bool = False,
    answer_text: bool = False,
    answer_rows: bool = False,
    answer_form: str | None = None,
    guarded: bool = False,
    parameters: dict[str, str] | None = None,
) -> Callable[[View[Given]], View[Given]]:
    """Describe a route for the OpenAPI document: models of its body, query and answer, statuses of its errors.

    `text` and `rows` are for bodies that may also be plain text or JSON Lines, and so for answers; `answer_form` is the
    media type of an answer that has no model. A guarded route needs the token. Nothing of it runs when the route does.
    """
    refused = sorted({*errors, *((401, 403) if guarded else ())})
    codes = {f"HTTP_{code}": Problem for code in refused}
    answers = Answers(**{f"HTTP_{status}": answer}, **codes) if answer else Answers(f"HTTP_{status}", **codes)
    statuses = frozenset(map(str, (status, *refused)))

    def describe(route: View[Given]) -> View[Given]:
        described = _API.validate(
            json=json,
            query=query,
            resp=answers,
            security={"token": []} if guarded else None,
            path_parameter_descriptions=parameters,
            skip_validation=True,
        )(route)

        # spectree finds what it knows behind __wrapped__; its own wrapper, which reads a streamed answer to the end
        # before it is sent, is not called.
        @wraps(described)
        def view(*args: Given.args, **kwargs: Given.kwargs) -> Response:
            return route(*args, **kwargs)

        view.winnow_told = _Told(  # type: ignore[attr-defined]
            statuses, text, rows, answer_text, answer_rows, answer_form
        )
        return view

    return describe


def docs_routes() -> Blueprint:
    """Return the routes that tell of all others."""
    routes = Blueprint("docs", __name__, template_folder="templates")

    @routes.get("/openapi.json")
    @describes(answer_form=JSON)
    def openapi() -> Response:
        """The OpenAPI document."""
        return jsonify(_document())

    @routes.get("/docs")
    @describes(answer_form=HTML)
    def docs() -> Response:
        """The same to read, in one page that loads nothing."""
        response = Response(render_template("docs.html", document=_document()), mimetype=HTML)
        policy = response.content_security_policy
        policy.default_src = policy.frame_ancestors = policy.base_uri = policy.form_action = "'none'"
        policy.style_src = "'unsafe-inline'"
        return response

    return routes


def _document() -> dict[str, Any]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if "winnow_openapi" not in app.extensions:
        app.extensions["winnow_openapi"] = _complete(app, deepcopy(_API.spec))
    document: dict[str, Any] = app.extensions["winnow_openapi"]
    return document


def _complete(app: Flask, document: dict[str, Any]) -> dict[str, Any]:
    """Add the forms of bodies beside JSON, and the media type of problem details; take out what is never answered."""
    for rule in app.url_map.iter_rules():
        told = getattr(app.view_functions[rule.endpoint], "winnow_told", None)
        path = str(rule).replace("<", "{").replace(">", "}")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = document["paths"].get(path, {}).get(method.lower())
            if told is None or operation is None:
                continue
            body = operation.get("requestBody")
            answers = {code: answer for code, answer in operation["responses"].items() if code in told.statuses}
            operation["responses"] = answers
            if body:
                body["required"] = True
                body["content"] |= {TEXT: _TEXT_SCHEMA} if told.text else {}
                body["content"] |= {ROWS: _TEXT_SCHEMA} if told.rows else {}
            for status, answer in answers.items():
                content = answer.get("content", {})
                if status >= "400" and JSON in content:
                    content[PROBLEM] = content.pop(JSON)
                elif status < "300":
                    content |= {TEXT: _TEXT_SCHEMA} if told.answer_text else {}
                    content |= {ROWS: _TEXT_SCHEMA} if told.answer_rows else {}
                    if told.answer_form:
                        answer["content"] = {
                            told.answer_form: _OBJECT_SCHEMA if told.answer_form == JSON else _TEXT_SCHEMA
                        }
    document.pop("servers", None)
    return document
