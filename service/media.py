"""Media types in and out: what a request's body holds, and in which form its sender wants the answer."""

from collections.abc import Sequence

from flask import request
from werkzeug.exceptions import NotAcceptable, UnsupportedMediaType

JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"
ROWS = "application/x-ndjson"
ROWS_NAMES = (ROWS, "application/ndjson", "application/jsonl", "application/jsonlines")
"""JSON Lines goes by several names."""


def body_type(accepted: Sequence[str]) -> str:
    """Return the media type of the body, one of `accepted`.

    Raises UnsupportedMediaType for another one and for another charset than UTF-8.
    """
    if request.mimetype not in accepted:
        raise UnsupportedMediaType(f"Send the body as {' or '.join(accepted)}, and say so in Content-Type.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send the body in UTF-8.")
    return request.mimetype


def answer_type(offered: Sequence[str]) -> str:
    """Return the media type of `offered` that the Accept header likes best, the first one when it has no preference.

    Raises NotAcceptable when it allows none. Parameters such as a charset are not compared: all answers are UTF-8.
    """
    if not request.accept_mimetypes:
        return offered[0]
    best = max(offered, key=_quality)
    if not _quality(best):
        raise NotAcceptable(f"Accept {' or '.join(offered)}.")
    return best


def _quality(media_type: str) -> float:
    # The most specific range decides (RFC 9110, 12.5.1), which best_match does not heed: "text/plain;q=0, */*" refuses
    # plain text.
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        qualities = [
            quality
            for value, quality in request.accept_mimetypes
            if value.partition(";")[0].strip().lower() == media_range
        ]
        if qualities:
            return float(max(qualities))
    return 0.0
