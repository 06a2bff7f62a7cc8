"""A request that waits for its group: what `LogCore.submit` gives and `LogCore.settle` resolves."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Pending"]

T = TypeVar("T")


class Pending(Generic[T]):
    """The answer to a request, once it is there."""

    __slots__ = ("_error", "_result", "_wake", "done")

    def __init__(self, result: T) -> None:
        self._result = result
        self._error: BaseException | None = None
        self._wake: threading.Lock | None = None
        self.done = False

    def resolve(self) -> None:
        """The request is durable and applied: its answer, known since it was decided, may be given."""
        self.done = True
        self.wake()

    def fail(self, error: BaseException) -> None:
        """Nothing of the request was done, or ``error`` says that this is not known."""
        self._error = error
        self.done = True
        self.wake()

    def result(self) -> T:
        """Return the answer or raise why there is none; only when ``done``."""
        if self._error is not None:
            raise self._error
        return self._result

    def prepare(self) -> threading.Lock:
        """Return a lock that is released by the next `wake`; called before the caller may be woken."""
        self._wake = threading.Lock()
        self._wake.acquire()
        return self._wake

    def wake(self) -> None:
        """Wake the thread that waits, if one does."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.release()
