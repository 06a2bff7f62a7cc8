"""Inputs: the partitions that a task reads, and the order in which their records are taken.

The next record comes from the input whose head has the lowest timestamp; ties go by order of declaration. An input
with nothing in hand holds nobody back if the last fetch said that it was drained; otherwise the task waits for the
next fetch of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tankstreams.log.records import Records, TopicPartition
from tankstreams.runtime.columns import Batch
from tankstreams.runtime.operators.sources import Decoded, SourceOperator

__all__ = ["Input", "Prepared", "Segment", "next_segment"]


@dataclass(slots=True)
class Prepared:
    """A batch decoded by every source node that reads it; the first one's event times order the merge."""

    batch: Batch
    seen: Sequence[tuple[SourceOperator, Decoded]]
    times: Sequence[int]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows ``start`` up to ``stop`` of one batch of one input: what runs as one piece."""

    input: Input
    prepared: Prepared
    start: int
    stop: int


class Input:
    """One partition: what was fetched and not yet taken. ``next_offset`` is where the next fetch starts."""

    def __init__(self, source: TopicPartition, readers: Sequence[SourceOperator], position: int) -> None:
        self.source = source
        self.readers = readers
        self.position = position
        self.next_offset = position
        self.drained = False
        self._batches: deque[Batch] = deque()
        self._head: Prepared | None = None
        self._row = 0

    def offer(self, records: Sequence[Records], next_offset: int, *, drained: bool) -> int:
        """Take what a fetch gave; return the number of records."""
        count = 0
        for columns in records:
            if len(columns):
                self._batches.append(Batch(self.source, columns))
                count += len(columns)
        self.next_offset = next_offset
        self.drained = drained
        return count

    def prepare(self, batch: Batch) -> Prepared:
        """Decode a batch for every reader."""
        seen = [(reader, reader.decode(batch)) for reader in self.readers]
        return Prepared(batch, seen, seen[0][1].run.times)

    @property
    def head(self) -> Prepared:
        """The first batch in hand, decoded only now: what is decoded and not yet run costs memory and collections."""
        if self._head is None:
            self._head = self.prepare(self._batches[0])
        return self._head

    @property
    def waiting(self) -> bool:
        """Whether records are in hand."""
        return bool(self._batches)

    @property
    def head_time(self) -> int:
        """The event time of the next record in hand."""
        return self.head.times[self._row]

    def cut(self, limit: int | None, *, inclusive: bool, rows: int) -> Segment:
        """Return the next rows of the first batch, up to ``rows``, while their times are below ``limit``."""
        first = self.head
        start, stop = self._row, min(len(first), self._row + rows)
        if limit is not None:
            stop = _first_above(first.times, limit if inclusive else limit - 1, start, stop)
        return Segment(self, first, start, stop)

    def advance(self, segment: Segment) -> None:
        """The segment's rows were taken."""
        if segment.stop == len(segment.prepared):
            self._batches.popleft()
            self._head = None
            self._row = 0
        else:
            self._row = segment.stop
        self.position = (
            self.next_offset if not self._batches else segment.prepared.batch.records.offsets[segment.stop - 1] + 1
        )


def _first_above(times: Sequence[int], bound: int, start: int, stop: int) -> int:
    """Return the first row from ``start`` whose time is above ``bound``, else ``stop``; steps double as it goes."""
    step = 8
    while start < stop:
        piece = times[start : min(start + step, stop)]
        if max(piece) > bound:
            return start + next(row for row, time in enumerate(piece) if time > bound)
        start += step
        step *= 2
    return stop


def next_segment(inputs: Sequence[Input], rows: int) -> Segment | None:
    """Return what to take next (at most ``rows`` rows), or None when a fetch must come first.

    ``inputs`` are in order of declaration, then topic, then partition.
    """
    ready: list[tuple[int, int]] = []
    for order, candidate in enumerate(inputs):
        if candidate.waiting:
            ready.append((candidate.head_time, order))
        elif not candidate.drained:
            return None
    if not ready:
        return None
    if len(ready) == 1:
        return inputs[ready[0][1]].cut(None, inclusive=True, rows=rows)
    ready.sort()
    (_, chosen), (limit, other) = ready[0], ready[1]
    return inputs[chosen].cut(limit, inclusive=chosen < other, rows=rows)
