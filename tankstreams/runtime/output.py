"""Outputs: what a task will write, as columns per topic, until its commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING

from tankstreams.log.partitioner import partition_of

if TYPE_CHECKING:
    from tankstreams.log.records import Headers

__all__ = ["Output", "PartitionColumns"]

NO_HEADERS: Headers = ()


class PartitionColumns:
    """Columns of equal length for one partition."""

    __slots__ = ("headers", "keys", "partition", "times", "values")

    def __init__(
        self,
        partition: int,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        times: Sequence[int],
        headers: Sequence[Headers] | None,
    ) -> None:
        self.partition = partition
        self.keys = keys
        self.values = values
        self.times = times
        self.headers = headers


class Output:
    """Records for one topic, in the order in which the task made them.

    A record goes to the partition of its key's public encoding; one with a null key goes to the task's own number
    (modulo the count), so that the choice does not depend on how input was cut into batches. ``fixed`` sends all
    records to one partition: changelogs.
    """

    __slots__ = ("_fixed", "_headers", "_keys", "_placing", "_task", "_times", "_values", "partitions", "topic")

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

    def __len__(self) -> int:
        return len(self._keys)

    def add(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        times: Sequence[int],
        headers: Sequence[Headers] | None = None,
        placing: Sequence[bytes | None] | None = None,
    ) -> None:
        """Append records. ``placing`` holds the public keys where ``keys`` are encoded in another way."""
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

    def partitioned(self) -> Iterator[PartitionColumns]:
        """Yield the columns of each partition that gets any, partitions in order, records in the order added."""
        if not self._keys:
            return
        if self._fixed or self.partitions == 1:
            partition = self._task if self._fixed else 0
            yield PartitionColumns(partition, self._keys, self._values, self._times, self._headers)
            return
        places = partition_of(
            self._keys if self._placing is None else self._placing, self.partitions, self._task % self.partitions
        )
        for partition in sorted(set(places)):
            mask = [place == partition for place in places]
            yield PartitionColumns(
                partition,
                list(compress(self._keys, mask)),
                list(compress(self._values, mask)),
                list(compress(self._times, mask)),
                None if self._headers is None else list(compress(self._headers, mask)),
            )
