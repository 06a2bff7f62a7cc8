"""The one thread of a log: does what time brings."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Upkeep"]


class Upkeep:
    """Calls ``tick`` every so often, and when woken, in a thread of its own between `start` and `stop`."""

    def __init__(self, tick: Callable[[], None], *, every_ms: int) -> None:
        self._tick = tick
        self._every_ms = every_ms
        self._wanted = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tankstreams-upkeep", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have ``tick`` called soon."""
        self._wanted.set()

    def stop(self) -> None:
        """Return when the thread has ended."""
        self._stopping = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            self._wanted.wait(self._every_ms / 1000)
            self._wanted.clear()
            if not self._stopping:
                self._tick()
