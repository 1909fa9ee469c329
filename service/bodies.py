"""The body of a request, read within limits of size and time, and decompressed."""

import zlib
from collections.abc import Iterator
from typing import Any

from flask import g, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType

from service.deadlines import Deadline

_PIECE = 65_536


def read_body(limit: int) -> bytes:
    """Return the whole body, decompressed.

    Raises RequestEntityTooLarge over `limit` bytes (of the text, not of what was sent), RequestTimeout when the sender
    is too slow, BadRequest when less comes than was announced or gzip is broken.
    """
    body = bytearray()
    for piece in _pieces(limit):
        body += piece
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def read_rows(limit: int) -> Iterator[bytes]:
    """Yield the rows of a body as they come, without line breaks and blank rows left out.

    A row over `limit` bytes is yielded cut off, `limit + 1` bytes of it; the rest of it is read and thrown away. Raises
    RequestTimeout and BadRequest as `read_body` does.
    """
    row = bytearray()
    for piece in _pieces(None, by_row=True):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            row += piece[start : min(end, start + limit + 1)]
            if row.strip():
                yield bytes(row[: limit + 1])
            row.clear()
            start = end + 1
            g.deadline.extend()
        row += piece[start : start + max(0, limit + 1 - len(row))]
    if row.strip():
        yield bytes(row[: limit + 1])


def too_large(limit: int) -> RequestEntityTooLarge:
    """Return the error that names the limit."""
    return RequestEntityTooLarge(f"The body is larger than the limit of {limit} bytes.")


def _pieces(limit: int | None, *, by_row: bool = False) -> Iterator[bytes]:
    encoding = (request.content_encoding or "identity").strip().lower()
    if encoding == "identity":
        yield from _sent(limit, by_row)
    elif encoding in ("gzip", "x-gzip"):
        yield from _inflated()
    else:
        raise UnsupportedMediaType("Send the body as it is or with Content-Encoding gzip.")


def _sent(limit: int | None, by_row: bool = False) -> Iterator[bytes]:
    length = request.content_length
    if length is not None and limit is not None and length > limit:
        raise too_large(limit)
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return  # a body of no announced length has no end here
    stream: Any = request.environ["wsgi.input"]
    deadline: Deadline = g.deadline
    left = length
    while left is None or left > 0:
        size = _PIECE if left is None else min(_PIECE, left)
        try:
            piece = stream.readline(size) if by_row else stream.read(size)
        except Exception as error:
            g.unread = False
            if deadline.passed:  # a chunk that was cut off
                raise _too_slow(deadline) from error
            if isinstance(error, OSError):
                raise BadRequest("The connection broke before the end of the body.") from error
            raise BadRequest("The body breaks the rules of HTTP.") from error  # the server's own, for broken chunks
        if not piece:
            if deadline.passed:
                g.unread = False
                raise _too_slow(deadline)
            if left is not None:
                g.unread = False
                raise BadRequest("The body is shorter than its Content-Length.")
            break
        if left is not None:
            left -= len(piece)
        yield piece
    g.unread = False


def _too_slow(deadline: Deadline) -> RequestTimeout:
    return RequestTimeout(f"The body did not come within {deadline.seconds:g} seconds.")


def _inflated() -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    rest = b""
    try:
        for piece in _sent(None):
            rest += piece
            while rest:
                if inflate.eof:  # several members in a row are one file
                    inflate = zlib.decompressobj(wbits=31)
                out = inflate.decompress(rest, _PIECE)
                rest = inflate.unused_data or inflate.unconsumed_tail
                if out:
                    yield out
        if not inflate.eof:
            raise BadRequest("The gzip data of the body breaks off.")
    except zlib.error as error:
        raise BadRequest("The body is not gzip data.") from error
