"""POST /v1/clean: one raw text in, the cleaned article out; POST /v1/clean/batch: many."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request, stream_with_context
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    RequestEntityTooLarge,
    ServiceUnavailable,
)

from classifier.cleaning import Cleaner, kept_text
from classifier.labels import LABELS, CleanedArticle, Paragraph
from service.batching import WAITING, Batcher, Busy
from service.bodies import read_body, read_rows, too_large
from service.docs import describes
from service.errors import log_exception, problem
from service.media import JSON, ROWS_NAMES, TEXT, answer_type, body_type
from service.metrics import Metrics
from service.schema import BatchAnswer, CleanBatch, Cleaned, CleanRequest, check, parse, parse_json
from service.serving import Serving
from service.settings import Settings
from service.streaming import stream

_SURROGATE = re.compile("[\ud800-\udfff]")
_COMPACT = (",", ":")
_ROWS_TOGETHER = 64
_CHARACTERS_TOGETHER = 300_000
_SECONDS_TOGETHER = 1.0  # of a slow sender, who would otherwise wait for his first answer until all those rows are sent

Row = CleanRequest | HTTPException


def clean_routes(serving: Serving, settings: Settings, metrics: Metrics) -> Blueprint:
    """Return the routes that clean."""
    routes = Blueprint("clean", __name__)
    batcher = Batcher(settings.queue)

    @routes.before_request
    def refuse() -> None:
        if request.environ.get(WAITING, 0) > settings.queue:
            raise Busy("Too many requests wait; try again.")

    @routes.post("/v1/clean")
    @describes(
        json=CleanRequest, text=True, answer=Cleaned, answer_text=True, errors=(400, 406, 408, 413, 415, 422, 503)
    )
    def clean() -> Response:
        """Clean one article.

        Send JSON, or the raw text alone as `text/plain`. For `Accept: text/plain` the answer is the cleaned text alone.
        """
        form = answer_type((JSON, TEXT))
        asked = _read_request(settings)
        _check_size(asked.text, settings)
        article = batcher.clean(serving.cleaner(), asked.text, g.deadline.left)
        metrics.count([asked.text], [article])
        g.log = {"articles": 1, "characters": len(asked.text), "model": article.model}
        kept = [stays(paragraph, asked) for paragraph in article.paragraphs]
        text = kept_text(asked.text, article.paragraphs, kept)
        response = _plain(text) if form == TEXT else jsonify(_described(asked, article, kept, text))
        response.vary.add("Accept")
        return response

    @routes.post("/v1/clean/batch")
    @describes(
        json=CleanBatch,
        rows=True,
        answer=BatchAnswer,
        answer_rows=True,
        errors=(400, 406, 408, 413, 415, 422, 503),
    )
    def clean_batch() -> Response:
        """Clean many articles.

        Send a JSON array, or JSON Lines (`application/x-ndjson`), which are answered while more come, and of which only
        some are in memory at a time. The answer has the form that was sent, or the one that Accept likes better.
        Articles are answered in order; in the place of one that cannot be cleaned stands its error.
        """
        cleaner = serving.cleaner()
        g.log = {"articles": 0, "model": cleaner.model.identifier}
        kind = body_type((JSON, *ROWS_NAMES))
        form = answer_type((JSON, *ROWS_NAMES) if kind == JSON else (*ROWS_NAMES, JSON))
        asked = _array(settings) if kind == JSON else _rows(settings)
        lines = _lines(_answers(cleaner, asked, metrics))
        if kind == form == JSON:
            response = Response(b"".join(_as_array(_punctual(lines))), mimetype=JSON)
        else:
            pieces = _as_array(lines) if form == JSON else (f"{line}\n".encode() for line in lines)
            response = Response(stream_with_context(_in_time(pieces)), mimetype=form)
        response.vary.add("Accept")
        return response

    return routes


def _lines(answers: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield answers as JSON, which takes a tenth of their memory, and count them for the log."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    for answer in answers:
        g.log["articles"] += 1
        yield app.json.dumps(answer, separators=_COMPACT)


def _as_array(lines: Iterator[str]) -> Iterator[bytes]:
    """Yield lines as the elements of a JSON array."""
    before = "["
    for line in lines:
        yield f"{before}{line}".encode()
        before = ","
    yield b"]\n" if before == "," else b"[]\n"


def _punctual(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines until the time of the request is up; raise ServiceUnavailable then, while it can still be told."""
    for line in lines:
        if not g.deadline.left:
            raise ServiceUnavailable(
                f"The articles took longer than {g.deadline.seconds:g} seconds; send fewer at a time, or JSON Lines."
            )
        yield line


def _in_time(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Stream rows for as long as their reader takes them."""
    for piece in stream(rows, request.environ.get("gunicorn.socket")):
        yield piece
        g.deadline.extend()


def stays(paragraph: Paragraph, asked: CleanRequest) -> bool:
    """Return whether a paragraph is part of the text that is asked for."""
    return paragraph.label in asked.keep or paragraph.confidence < asked.min_confidence


def _read_request(settings: Settings) -> CleanRequest:
    kind = body_type((JSON, TEXT))
    body = read_body(settings.max_body_bytes)
    if kind == JSON:
        return parse(CleanRequest, body)
    try:
        return CleanRequest.model_construct(text=body.decode())
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: byte {error.start} cannot be decoded.") from error


def _check_size(text: str, settings: Settings) -> None:
    if len(text) > settings.max_paragraphs and len(text.splitlines()) > settings.max_paragraphs:
        raise RequestEntityTooLarge(f"The text has more than the limit of {settings.max_paragraphs} paragraphs.")


def _too_many(settings: Settings) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The body has more than the limit of {settings.max_articles} articles.")


def _row(value: object, settings: Settings) -> Row:
    try:
        asked = check(CleanRequest, value)
        _check_size(asked.text, settings)
    except HTTPException as error:
        return error
    return asked


def _array(settings: Settings) -> Iterator[Row]:
    values = parse_json(read_body(settings.max_batch_bytes))
    if not isinstance(values, list):
        raise BadRequest("The body is not a JSON array of articles.")
    if len(values) > settings.max_articles:
        raise _too_many(settings)
    return (_row(value, settings) for value in values)


def _rows(settings: Settings) -> Iterator[Row]:
    rows = read_rows(settings.max_body_bytes)
    for number in range(settings.max_articles + 1):
        try:
            line = next(rows)
        except StopIteration:
            return
        except HTTPException as error:  # the body as a whole is at its end
            yield error
            return
        if number == settings.max_articles:
            yield _too_many(settings)
            return
        if len(line) > settings.max_body_bytes:
            yield too_large(settings.max_body_bytes)
            continue
        try:
            value = parse_json(line)
        except HTTPException as error:
            yield error
            continue
        yield _row(value, settings)


def _answers(cleaner: Cleaner, rows: Iterator[Row], metrics: Metrics) -> Iterator[dict[str, Any]]:
    """Answer rows in order, some at a time."""
    number = 0
    while together := _take(rows):
        asked = [row for row in together if isinstance(row, CleanRequest)]
        articles = iter(_clean(cleaner, asked, metrics))
        for row in together:
            article = row if isinstance(row, HTTPException) else next(articles)
            if isinstance(article, HTTPException):
                metrics.failures.inc()
                named = {} if isinstance(row, HTTPException) or row.id is None else {"id": row.id}
                yield {**named, "row": number, "error": problem(article)}
            else:
                assert isinstance(row, CleanRequest)
                kept = [stays(paragraph, row) for paragraph in article.paragraphs]
                yield _described(row, article, kept, kept_text(row.text, article.paragraphs, kept))
            number += 1


def _take(rows: Iterator[Row]) -> list[Row]:
    together: list[Row] = []
    size = 0
    until = time.monotonic() + _SECONDS_TOGETHER
    for row in islice(rows, _ROWS_TOGETHER):
        together.append(row)
        size += 0 if isinstance(row, HTTPException) else len(row.text)
        if size > _CHARACTERS_TOGETHER or time.monotonic() > until:
            break
    return together


def _clean(
    cleaner: Cleaner, asked: Sequence[CleanRequest], metrics: Metrics
) -> Sequence[CleanedArticle | HTTPException]:
    texts = [one.text for one in asked]
    try:
        articles = cleaner.clean_many(texts)
    except Exception as error:
        if len(asked) > 1:  # one of them is to blame, the others are not
            return [answer for one in asked for answer in _clean(cleaner, [one], metrics)]
        log_exception(error)
        return [InternalServerError()]
    metrics.count(texts, articles)
    return articles


def _plain(text: str) -> Response:
    # Half a surrogate pair, which JSON can carry, has no UTF-8 form.
    return Response(_SURROGATE.sub("\ufffd", text), mimetype=TEXT)


def _described(asked: CleanRequest, article: CleanedArticle, kept: Sequence[bool], text: str) -> dict[str, Any]:
    removed = Counter(paragraph.label for paragraph, stayed in zip(article.paragraphs, kept, strict=True) if not stayed)
    return {
        **({} if asked.id is None else {"id": asked.id}),
        "text": text,
        "paragraphs": [
            {
                "start": paragraph.start,
                "end": paragraph.end,
                "label": paragraph.label,
                "confidence": paragraph.confidence,
                "probabilities": dict(zip(LABELS, paragraph.probabilities, strict=True)),
                "kept": stayed,
            }
            for paragraph, stayed in zip(article.paragraphs, kept, strict=True)
        ],
        "removed": {label: removed[label] for label in LABELS},
        "model": article.model,
    }
