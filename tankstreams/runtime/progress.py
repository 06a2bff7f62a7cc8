"""Progress: what a run has done so far, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Records so far: ``read`` of ``total`` (None when there is no end), ``written``, and ``committed`` of those read.

    ``skipped`` counts the records that a node could not process and that were dropped or sent to a dead letter.
    ``restored`` counts the changelog records read to rebuild state.
    """

    read: int = 0
    total: int | None = None
    written: int = 0
    committed: int = 0
    skipped: int = 0
    restored: int = 0
