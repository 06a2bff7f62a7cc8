"""Reading a topic from a start to an end, and waiting for more: the decisions, without the waiting itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.records import Records, TopicPartition

__all__ = ["Reading", "answers", "before", "resumed"]

READ_BYTES = 4 << 20
"""Stored bytes that one fetch of a `Reading` asks of each partition."""

FOLLOW_WAIT_MS = 10_000
"""How long a fetch of a `Reading` that follows a topic waits for records before it asks again."""


def answers(request: FetchRequest, got: Mapping[TopicPartition, Fetched]) -> bool:
    """Whether ``got`` may be given now, rather than waited for: something failed, or ``min_bytes`` are there.

    Bytes are counted in keys and values as they are decoded.
    """
    if request.min_bytes <= 0 or any(fetched.error is not None for fetched in got.values()):
        return True
    columns = [records for fetched in got.values() for records in fetched.records]
    if request.min_bytes == 1:
        return any(map(len, columns))
    return sum(_size(records) for records in columns) >= request.min_bytes


def resumed(request: FetchRequest, got: Mapping[TopicPartition, Fetched]) -> FetchRequest:
    """Return the request to ask again after waiting: from the same offsets.

    ``"end"`` and a time are asked once: what is appended while the request waits must not move them.
    """
    starts: dict[TopicPartition, Start] = {
        source: fetched.records[0].offsets[0] if fetched.records else fetched.next_offset
        for source, fetched in got.items()
    }
    return replace(request, starts=starts)


def before(records: Records, end: int) -> Records:
    """Return the records below offset ``end``."""
    count = bisect_left(records.offsets, end)
    if count == len(records):
        return records
    return Records(
        records.offsets[:count],
        records.timestamps[:count],
        records.keys[:count],
        records.values[:count],
        None if records.headers is None else records.headers[:count],
    )


class Reading:
    """Where a reader of partitions stands: gives the next request, takes its answer.

    ``starts`` are offsets. ``ends`` are the offsets to stop at (exclusive), or None to follow for ever.
    """

    def __init__(self, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int] | None) -> None:
        self._ends = ends
        self._next = {source: at for source, at in starts.items() if ends is None or at < ends[source]}

    def request(self) -> FetchRequest | None:
        """Return what to fetch next; None when everything is read."""
        if not self._next:
            return None
        wait_ms = FOLLOW_WAIT_MS if self._ends is None else 0
        return FetchRequest(dict(self._next), max_bytes=READ_BYTES, max_wait_ms=wait_ms)

    def take(self, got: Mapping[TopicPartition, Fetched]) -> list[tuple[TopicPartition, Records]]:
        """Return the records that came, partitions in order; raises what a partition could not be read for."""
        taken: list[tuple[TopicPartition, Records]] = []
        for source in sorted(got):
            fetched = got[source]
            end = None if self._ends is None else self._ends[source]
            for records in fetched.records:
                wanted = records if end is None else before(records, end)
                if len(wanted):
                    taken.append((source, wanted))
            if fetched.error is not None and not fetched.records:
                raise fetched.error
            self._next[source] = fetched.next_offset
            if end is not None and fetched.next_offset >= end:
                del self._next[source]
        return taken


def _size(records: Records) -> int:
    keys = sum(len(key) for key in records.keys if key is not None)
    return keys + sum(len(value) for value in records.values if value is not None)
