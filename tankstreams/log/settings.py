"""What can be set for a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Durability", "LogSettings"]

Durability: TypeAlias = Literal["sync", "interval", "os"]
"""When an append is acknowledged: after a sync; or before one, with a sync every so often, or whenever the operating
system likes."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Limits and times of one log.

    A checkpoint is due every ``checkpoint_bytes`` of journal or ``checkpoint_entries`` entries. ``group_bytes`` bounds
    what one sync takes along, so that those who wait are not kept by a long queue. ``interval_ms`` is the longest time
    between syncs under ``durability="interval"``. A log that is idle for ``idle_ms`` records its last sync.
    ``reserve_bytes`` are kept back for what must work on a full disk: checkpoints, deletions, the next start.
    ``open_files`` segments are kept open for appends: a process may often have no more than 1,024 files.
    ``upkeep`` runs `LogCore.tick` in a thread; without it the caller does.
    """

    checkpoint_bytes: int = 256 << 20
    checkpoint_entries: int = 200_000
    group_bytes: int = 64 << 20
    interval_ms: int = 200
    idle_ms: int = 500
    open_files: int = 256
    reserve_bytes: int = 4 << 20
    upkeep: bool = True
