"""A fetch over many partitions: where to start, and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tankstreams.errors import LogError
from tankstreams.log.records import Records, TopicPartition

__all__ = ["AtTime", "FetchRequest", "Fetched", "Start"]


@dataclass(frozen=True, slots=True)
class AtTime:
    """Start at the first record whose timestamp is at or after ``timestamp_ms`` (epoch milliseconds)."""

    timestamp_ms: int


Start: TypeAlias = int | Literal["beginning", "end"] | AtTime
"""Where a fetch starts: an offset, the first record kept, after the last record, or a time."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Ask for records of many partitions.

    Answers at once when ``min_bytes`` are there, else after ``max_wait_ms`` with what there is. ``max_bytes`` bounds
    the stored bytes a partition gives; whole bundles only, the first whatever its size.
    """

    starts: Mapping[TopicPartition, Start]
    max_bytes: int = 1 << 20
    min_bytes: int = 1
    max_wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one partition gave.

    ``records`` is one `Records` a bundle, in offset order, cut to start at the offset asked for. ``next_offset`` is
    where the next fetch starts. ``idle_ms`` is how long ago the last append was (None: never in this run), and
    ``drained`` says that nothing lies beyond ``next_offset`` now. ``error`` is set when this partition could not be
    read at ``next_offset`` (out of range, a damaged bundle); records before it are given all the same.
    """

    records: Sequence[Records]
    next_offset: int
    log_start: int
    high_watermark: int
    idle_ms: int | None = None
    error: LogError | None = None

    @property
    def drained(self) -> bool:
        return self.error is None and self.next_offset >= self.high_watermark
