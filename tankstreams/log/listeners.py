"""Who wants to know that something was appended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Listeners"]

logger = logging.getLogger(__name__)


class Listeners:
    """Functions that are called after each group that was applied, in whatever thread wrote it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: tuple[Callable[[], None], ...] = ()

    def add(self, call: Callable[[], None]) -> Callable[[], None]:
        """Add a function; returns what removes it."""
        with self._lock:
            self._calls = (*self._calls, call)

        def remove() -> None:
            with self._lock:
                self._calls = tuple(known for known in self._calls if known is not call)

        return remove

    def call(self) -> None:
        """Call them all; what one raises is logged, for the writer's work is done and stays done."""
        for call in self._calls:
            try:
                call()
            # A listener's mistake must not look to a producer as if its write had failed.
            except Exception:
                logger.exception("a listener of the log failed")
