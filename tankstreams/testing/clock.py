"""A clock under the test's hand."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """A `Clock` that stands still until it is advanced; the wall clock may also be set to any time."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, milliseconds: int) -> None:
        """Let time pass on both clocks."""
        self._now_ms += milliseconds
        self._monotonic += milliseconds / 1000

    def set_wall(self, now_ms: int) -> None:
        """Let the wall clock jump, forward or back."""
        self._now_ms = now_ms
