"""An end to requests that take too long: a sender that drips, a reader that does not read."""

import socket
import threading
import time
from dataclasses import dataclass, field

GRACE_SECONDS = 5
"""How long after its deadline a request may still answer, before its connection is cut."""

_INTERVAL = 0.5


@dataclass(eq=False)
class Deadline:
    """The time at which a request ends; what still comes from its sender then reads as the end of the body."""

    connection: socket.socket | None
    seconds: float
    at: float = field(init=False)
    passed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.extend()

    def extend(self) -> None:
        """Give the request its full time again, for it got on."""
        self.at = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self.at - time.monotonic())


class Deadlines:
    """Watches the deadlines of the requests under way in this process, in one thread."""

    def __init__(self) -> None:
        self._watched: set[Deadline] = set()
        self._lock = threading.Lock()
        self._watching = False

    def watch(self, deadline: Deadline) -> None:
        """Watch a deadline until `forget`."""
        if deadline.connection is None:  # nothing to cut: not served over a socket
            return
        with self._lock:
            self._watched.add(deadline)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def forget(self, deadline: Deadline) -> None:
        """Stop watching: the request is done."""
        with self._lock:
            self._watched.discard(deadline)

    def _watch(self) -> None:
        while True:
            time.sleep(_INTERVAL)
            now = time.monotonic()
            with self._lock:
                late = [deadline for deadline in self._watched if now >= deadline.at]
                for deadline in late:
                    _cut(deadline, socket.SHUT_RDWR if now >= deadline.at + GRACE_SECONDS else socket.SHUT_RD)


def _cut(deadline: Deadline, how: int) -> None:
    deadline.passed = True
    try:
        if deadline.connection is not None:
            deadline.connection.shutdown(how)
    except OSError:
        pass  # the other side has gone
