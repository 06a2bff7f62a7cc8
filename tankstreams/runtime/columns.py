"""Columns: a run of records between two operators.

A run comes from one fetched batch of one input. Lists are never changed once they are in a run, so runs share them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, compress, repeat
from typing import Any, TypeAlias

from tankstreams.log.records import Headers, Records, TopicPartition, column_bytes
from tankstreams.topology.serde import Codec

__all__ = ["Batch", "Columns", "Encoded", "Origin"]

Origin: TypeAlias = Sequence[int] | Callable[[], Sequence[int]]
"""Which row of the batch each record of a run came from: only failures ask, so it is worked out when they do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one fetch gave of one partition, as stored; dead letters and errors are made from it."""

    source: TopicPartition
    records: Records


@dataclass(slots=True)
class Encoded:
    """A column in bytes, made by ``codec``: whoever writes with the same codec need not encode again."""

    codec: Codec
    data: Sequence[bytes | None]
    _size: int | None = None

    @property
    def size_bytes(self) -> int:
        """The bytes of all cells, counted once."""
        if self._size is None:
            self._size = column_bytes(self.data)
        return self._size


@dataclass(slots=True)
class Columns:
    """Records as columns of equal length; ``times`` are epoch milliseconds.

    ``headers`` is None when no record has any. ``key_data`` and ``value_data`` are the encoded forms of ``keys`` and
    ``values`` where somebody has them already. ``origin`` says which rows of ``batch`` the records came from.
    """

    batch: Batch
    origin: Origin
    keys: Sequence[Any]
    values: Sequence[Any]
    times: Sequence[int]
    headers: Sequence[Headers] | None = None
    key_data: Encoded | None = None
    value_data: Encoded | None = None

    def __len__(self) -> int:
        return len(self.values)

    def rows(self) -> Sequence[int]:
        """Return the rows of the batch that the records came from."""
        if callable(self.origin):
            self.origin = self.origin()
        return self.origin

    def slice(self, start: int, stop: int) -> Columns:
        """Return records ``start`` up to ``stop`` (exclusive)."""
        if start == 0 and stop == len(self):
            return self
        return Columns(
            self.batch,
            lambda: self.rows()[start:stop],
            self.keys[start:stop],
            self.values[start:stop],
            self.times[start:stop],
            None if self.headers is None else self.headers[start:stop],
            None if self.key_data is None else Encoded(self.key_data.codec, self.key_data.data[start:stop]),
            None if self.value_data is None else Encoded(self.value_data.codec, self.value_data.data[start:stop]),
        )

    def keep(self, mask: Sequence[object]) -> Columns:
        """Return the records for which ``mask`` is true."""
        return Columns(
            self.batch,
            lambda: list(compress(self.rows(), mask)),
            list(compress(self.keys, mask)),
            list(compress(self.values, mask)),
            list(compress(self.times, mask)),
            None if self.headers is None else list(compress(self.headers, mask)),
            None if self.key_data is None else _keep(self.key_data, mask),
            None if self.value_data is None else _keep(self.value_data, mask),
        )

    def with_values(self, values: Sequence[Any], data: Encoded | None = None) -> Columns:
        """Return the same records with other values."""
        return Columns(self.batch, self.origin, self.keys, values, self.times, self.headers, self.key_data, data)

    def with_keys(self, keys: Sequence[Any]) -> Columns:
        """Return the same records with other keys."""
        return Columns(self.batch, self.origin, keys, self.values, self.times, self.headers, None, self.value_data)

    def spread(self, lists: Sequence[Sequence[Any]]) -> Columns:
        """Return a record for each element of ``lists[i]``, with key, time and headers of record i."""
        counts = list(map(len, lists))

        def each(column: Sequence[Any]) -> list[Any]:
            return list(chain.from_iterable(map(repeat, column, counts)))

        return Columns(
            self.batch,
            lambda: each(self.rows()),
            each(self.keys),
            list(chain.from_iterable(lists)),
            each(self.times),
            None if self.headers is None else each(self.headers),
            None if self.key_data is None else Encoded(self.key_data.codec, each(self.key_data.data)),
        )


def _keep(encoded: Encoded, mask: Sequence[object]) -> Encoded:
    return Encoded(encoded.codec, list(compress(encoded.data, mask)))
