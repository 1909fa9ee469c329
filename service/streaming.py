"""Answers that stream while their request still comes in, without either side waiting for the other for ever."""

import select
import socket
import tempfile
from collections.abc import Iterable, Iterator

_PIECE = 8_192
_IN_MEMORY = 1_000_000


def stream(lines: Iterable[bytes], connection: socket.socket | None) -> Iterator[bytes]:
    """Yield lines as they are made, in pieces that `connection` takes without waiting.

    Making a line may read more of the request. Many clients send all of it before they read anything of the answer: to
    wait for them to read would be to wait for ever. So what they do not take yet is kept, beyond a little in memory in
    a temporary file, and more is read.
    """
    if connection is None:
        yield from lines
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as kept:
        written = read = 0
        for line in lines:
            kept.seek(written)
            written += kept.write(line)
            while read < written and _takes(connection):
                kept.seek(read)
                piece = kept.read(_PIECE)
                read += len(piece)
                yield piece
            if read == written:
                kept.truncate(0)
                written = read = 0
        kept.seek(read)
        while piece := kept.read(_PIECE * 8):
            yield piece


def _takes(connection: socket.socket) -> bool:
    return bool(select.select([], [connection], [], 0)[1])
