"""POST /v1/clean: one raw text in, the cleaned article out."""

import re
from collections import Counter
from collections.abc import Sequence

from flask import Blueprint, Response, jsonify

from classifier.cleaning import Cleaner, kept_text
from classifier.labels import LABELS, CleanedArticle, Paragraph
from service.media import JSON, TEXT, answer_type, body_text, body_type
from service.schema import CleanRequest, parse_json

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_routes(cleaner: Cleaner) -> Blueprint:
    """Return the route that cleans one text with `cleaner`."""
    routes = Blueprint("clean", __name__)

    @routes.post("/v1/clean")
    def clean() -> Response:
        form = answer_type((JSON, TEXT))
        asked = _read_request()
        article = cleaner.clean(asked.text)
        kept = [stays(paragraph, asked) for paragraph in article.paragraphs]
        text = kept_text(asked.text, article.paragraphs, kept)
        response = _plain(text) if form == TEXT else jsonify(_described(asked, article, kept, text))
        response.vary.add("Accept")
        return response

    return routes


def stays(paragraph: Paragraph, asked: CleanRequest) -> bool:
    """Return whether a paragraph is part of the text that is asked for."""
    return paragraph.label in asked.keep or paragraph.confidence < asked.min_confidence


def _read_request() -> CleanRequest:
    if body_type((JSON, TEXT)) == TEXT:
        return CleanRequest(body_text())
    return CleanRequest.from_json(parse_json(body_text()))


def _plain(text: str) -> Response:
    # Half a surrogate pair, which JSON can carry, has no UTF-8 form.
    return Response(_SURROGATE.sub("\ufffd", text), mimetype=TEXT)


def _described(asked: CleanRequest, article: CleanedArticle, kept: Sequence[bool], text: str) -> dict[str, object]:
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
