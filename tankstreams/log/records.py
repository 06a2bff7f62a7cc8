"""Records as columns: what a bundle holds, and what a fetch gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

__all__ = ["Headers", "Records", "TopicPartition", "column_bytes"]

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
"""The headers of one record, in order; a name may occur more than once, as in Kafka."""


class TopicPartition(NamedTuple):
    """A partition of a topic, by name and number (from 0)."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one partition as columns of equal length, in offset order.

    ``offsets`` is a ``range`` unless offsets have gaps; ``timestamps`` are epoch milliseconds; a key or a value is
    bytes or None (a null value is a tombstone in a table); ``headers`` is None when no record has any.
    """

    offsets: Sequence[int]
    timestamps: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] | None = None

    def __len__(self) -> int:
        return len(self.offsets)


def column_bytes(column: Sequence[bytes | None]) -> int:
    """Return the bytes of all cells of a column; a null has none."""
    try:
        return sum(map(len, column))  # type: ignore[arg-type]  # nulls are dealt with below
    except TypeError:
        return sum(map(len, filter(None, column)))
