"""Outputs: what a task will write, as columns per topic, until its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tankstreams.log.partitioner import partition_of
from tankstreams.log.records import column_bytes

if TYPE_CHECKING:
    from tankstreams.log.records import Headers

__all__ = ["Output", "PartitionColumns"]

NO_HEADERS: Headers = ()


class PartitionColumns:
    """Columns of equal length for one partition; ``size_bytes`` of keys and values where it was counted."""

    __slots__ = ("headers", "keys", "partition", "size_bytes", "times", "values")

    def __init__(
        self,
        partition: int,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        times: Sequence[int],
        headers: Sequence[Headers] | None,
        size_bytes: int | None = None,
    ) -> None:
        self.size_bytes = size_bytes
        self.partition = partition
        self.keys = keys
        self.values = values
        self.times = times
        self.headers = headers

    def equals(self, other: PartitionColumns) -> bool:
        """Whether both hold the same records; columns that share their elements compare quickly."""
        return (
            len(self.keys) == len(other.keys)
            and self.values == other.values
            and self.keys == other.keys
            and self.times == other.times
            and self.headers == other.headers
        )


class Output:
    """Records for one topic, in the order in which the task made them.

    A record goes to the partition of its key's public encoding; one with a null key goes to the task's own number
    (modulo the count), so that the choice does not depend on how input was cut into batches. ``fixed`` sends all
    records to one partition: changelogs. ``size_bytes`` counts keys and values.
    """

    __slots__ = (
        "_fixed",
        "_headers",
        "_keys",
        "_placing",
        "_task",
        "_times",
        "_values",
        "partitions",
        "size_bytes",
        "topic",
    )

    def __init__(self, topic: str, partitions: int, *, task: int, fixed: bool = False) -> None:
        self.topic = topic
        self.partitions = partitions
        self._task = task
        self._fixed = fixed
        self.clear()

    def clear(self) -> None:
        """Forget everything that was added."""
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._times: list[int] = []
        self._headers: list[Headers] | None = None
        self._placing: list[bytes | None] | None = None
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        times: Sequence[int],
        headers: Sequence[Headers] | None = None,
        placing: Sequence[bytes | None] | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Append records.

        ``placing`` holds the public keys where ``keys`` are encoded in another way. ``size_bytes`` is the size of keys
        and values where the caller has counted it.
        """
        before = len(self._keys)
        if headers is not None:
            if self._headers is None:
                self._headers = [NO_HEADERS] * before
            self._headers.extend(headers)
        elif self._headers is not None:
            self._headers.extend([NO_HEADERS] * len(keys))
        if placing is not None:
            if self._placing is None:
                self._placing = list(self._keys)
            self._placing.extend(placing)
        elif self._placing is not None:
            self._placing.extend(keys)
        self._keys.extend(keys)
        self._values.extend(values)
        self._times.extend(times)
        self.size_bytes += column_bytes(keys) + column_bytes(values) if size_bytes is None else size_bytes

    def add_one(
        self, key: bytes | None, value: bytes | None, time: int, headers: Headers, placing: bytes | None
    ) -> None:
        """Append one record; ``placing`` is its public key."""
        if headers or self._headers is not None:
            if self._headers is None:
                self._headers = [NO_HEADERS] * len(self._keys)
            self._headers.append(headers)
        if placing is not key or self._placing is not None:
            if self._placing is None:
                self._placing = list(self._keys)
            self._placing.append(placing)
        self._keys.append(key)
        self._values.append(value)
        self._times.append(time)
        self.size_bytes += len(key or b"") + len(value or b"")

    def partitioned(self) -> Iterator[PartitionColumns]:
        """Yield the columns of each partition that gets any, partitions in order, records in the order added."""
        if not self._keys:
            return
        if self._fixed or self.partitions == 1:
            partition = self._task if self._fixed else 0
            yield PartitionColumns(partition, self._keys, self._values, self._times, self._headers, self.size_bytes)
            return
        places = partition_of(
            self._keys if self._placing is None else self._placing, self.partitions, self._task % self.partitions
        )
        rows: dict[int, list[int]] = {partition: [] for partition in sorted(set(places))}
        if len(rows) == 1:
            yield PartitionColumns(places[0], self._keys, self._values, self._times, self._headers)
            return
        appends = {partition: indexes.append for partition, indexes in rows.items()}
        for index, partition in enumerate(places):
            appends[partition](index)
        for partition, indexes in rows.items():
            pick = itemgetter(*indexes) if len(indexes) > 1 else _first_of(indexes)
            yield PartitionColumns(
                partition,
                pick(self._keys),
                pick(self._values),
                pick(self._times),
                None if self._headers is None else pick(self._headers),
            )


def _first_of(indexes: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what `itemgetter` is not for one index: a getter of a tuple."""
    return lambda column: (column[indexes[0]],)
