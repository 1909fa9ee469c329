"""The gunicorn worker: a time limit from a request's first byte on, and errors of HTTP itself as problem details."""

import json
import logging
import socket
import time
import uuid
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any
from weakref import WeakKeyDictionary

from gunicorn import util
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    RequestHeaderFieldsTooLarge,
    RequestURITooLarge,
)
from werkzeug.exceptions import ExpectationFailed as Expectation

from service.batching import WAITING
from service.deadlines import Deadline, Deadlines
from service.errors import HEADERS, PROBLEM, log_exception, problem

HEAD_SECONDS = 10
"""Longest time for the lines in front of a body, when requests as a whole may take longer."""

LINGER_SECONDS = 2.0
"""How long a connection that was answered its last stays half open, for the client to read that and close it."""

_LINGER_BYTES = 65_536  # of what still comes meanwhile
_YIELD_SECONDS = 0.0001
_LONGEST_YIELD_SECONDS = 0.002

_log = logging.getLogger("winnow")


class Worker(ThreadWorker):  # type: ignore[misc]
    """Serves connections with threads, which no sender can hold for ever."""

    wsgi: Any

    def init_process(self) -> None:
        """Serve, until told to stop."""
        self._deadlines = Deadlines()
        self._heads: WeakKeyDictionary[Any, Deadline] = WeakKeyDictionary()
        self._head_seconds = min(HEAD_SECONDS, self.app.settings.request_seconds)
        self._waiting: set[Any] = set()
        self._lingering: dict[Any, tuple[float, int]] = {}  # until when, and the bytes that may still come
        super().init_process()

    def load_wsgi(self) -> None:
        """Have each request say how many wait behind it, so that the application can refuse what is too much."""
        super().load_wsgi()
        application = self.wsgi

        def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
            environ[WAITING] = len(self._waiting)
            return application(environ, start_response)

        self.wsgi = wsgi

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless a worker that has fewer takes it meanwhile: all are woken, and the first to
        come would have all connections of a client that opens many.
        """
        time.sleep(min(_YIELD_SECONDS * self.nr_conns, _LONGEST_YIELD_SECONDS))
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Have a connection wait for a thread."""
        self._waiting.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Serve the next request of a connection; one whose head does not come in time is cut off."""
        self._waiting.discard(conn)
        head = self._heads[conn] = Deadline(conn.sock, self._head_seconds)
        self._deadlines.watch(head)
        try:
            return super().handle(conn)
        finally:
            self._deadlines.forget(head)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Go on with a connection that was answered. One that is at its end closes when its client has closed it, or
        after a while (RFC 9112, 9.6); gunicorn would wait for that in the one thread that serves all connections.
        """
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):  # it is closed already
            self._close(conn)
            return
        self._lingering[conn] = time.monotonic() + LINGER_SECONDS, _LINGER_BYTES

    def murder_pending(self) -> None:
        """Close connections whose time is up."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, (until, _) in self._lingering.items() if until < now]:
            self._stop_lingering(conn)

    def _drain(self, conn: Any, _: object) -> None:
        until, left = self._lingering[conn]
        try:
            sent = conn.sock.recv(_LINGER_BYTES)
            left = left - len(sent) if sent else 0
        except BlockingIOError:
            return
        except OSError:
            left = 0
        if left > 0:
            self._lingering[conn] = until, left
        else:
            self._stop_lingering(conn)

    def _stop_lingering(self, conn: Any) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has come: from here on the application sets its limit."""
        self._deadlines.forget(self._heads[conn])
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP; what was sent is not logged, for it may be an article."""
        request_id = uuid.uuid4().hex
        if isinstance(exc, ParseException):
            _log.info("no HTTP", extra={"fields": {"request_id": request_id, "error": type(exc).__name__}})
        else:
            log_exception(exc)
        error = _error(exc)
        body = json.dumps(problem(error)).encode()
        lines = [
            f"HTTP/1.1 {error.code} {error.name}",
            "Connection: close",
            f"Content-Type: {PROBLEM}",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
            *(f"{name}: {value}" for name, value in HEADERS.items()),
        ]
        with suppress(OSError):  # the other side has gone
            util.write_nonblock(client, "\r\n".join([*lines, "", ""]).encode() + body)


def _error(exc: BaseException) -> HTTPException:
    match exc:
        case LimitRequestLine():
            return RequestURITooLarge("The first line of the request is too long.")
        case LimitRequestHeaders():
            return RequestHeaderFieldsTooLarge("The headers of the request are too many or too long.")
        case ExpectationFailed():
            return Expectation("Nothing but 100-continue can be expected.")
        case ParseException():
            return BadRequest("The request breaks the rules of HTTP.")
        case _:
            return InternalServerError()
