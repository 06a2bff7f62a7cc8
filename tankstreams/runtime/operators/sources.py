"""Sources: stored bytes to typed columns with event times, bad records set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tankstreams.errors import DecodeError
from tankstreams.log.records import Headers
from tankstreams.runtime.columns import Batch, Columns, Encoded
from tankstreams.runtime.operators.operator import Operator, Scope, call
from tankstreams.topology.nodes import Repartition, Source, TableSource
from tankstreams.topology.serde import Codec, ColumnError, internal_codec, public_codec
from tankstreams.topology.times import to_ms

__all__ = ["Decoded", "SourceOperator"]

INT64_MAX: Final = (1 << 63) - 1


@dataclass(slots=True)
class Decoded:
    """A batch as one source node sees it; ``bad`` maps rows that it cannot take to the reason, in row order."""

    run: Columns
    bad: dict[int, Exception]


class SourceOperator(Operator):
    """The reading end of a stream, a table or a repartition topic; ``child`` is the table's operator, else None."""

    def __init__(self, node: Source | TableSource | Repartition, scope: Scope) -> None:
        super().__init__(node, scope)
        codec = internal_codec if isinstance(node, Repartition) else public_codec
        self.key_codec: Codec = codec(node.key, key=True)
        self.value_codec: Codec = codec(node.value, key=False)
        self.deletes = isinstance(node, TableSource)
        self.timestamp: Callable[[Any], Any] | None = None if isinstance(node, Repartition) else node.timestamp

    def decode(self, batch: Batch) -> Decoded:
        """Decode the whole batch; what cannot be decoded is kept for its turn, it fails when it is reached."""
        records = batch.records
        bad: dict[int, Exception] = {}
        keys = _decode(self.key_codec, records.keys, bad)
        if self.deletes:
            for row, key in enumerate(keys):
                if key is None and row not in bad:
                    bad[row] = DecodeError("the key is null and a table needs one")
        nulls = self.deletes and None in records.values
        values = (
            _decode_nulls(self.value_codec, records.values, bad)
            if nulls
            else _decode(self.value_codec, records.values, bad)
        )
        times = records.timestamps
        if self.timestamp is not None:
            times = self._extract(values, times, bad)
        run = Columns(batch, range(len(records)), keys, values, times, records.headers)
        if self.key_codec.canonical_identity:
            run.key_data = Encoded(self.key_codec, records.keys)
        if self.value_codec.canonical_identity and not nulls:
            run.value_data = Encoded(self.value_codec, records.values)
        return Decoded(run, dict(sorted(bad.items())))

    def _extract(self, values: Sequence[Any], stored: Sequence[int], bad: dict[int, Exception]) -> list[int]:
        """Return each record's event time; a null value and a bad record keep the stored one."""
        extract = self.timestamp
        assert extract is not None
        times: list[int] = []
        while (start := len(times)) < len(values):
            if start in bad or values[start] is None:
                times.append(stored[start])
                continue
            end = len(values)
            if bad or self.deletes:
                end = next((row for row in range(start, end) if row in bad or values[row] is None), end)
            given, cause = call(extract, values[start:end])
            converted, broken = (given, None) if _in_range(given) else call(to_ms, given)
            times.extend(converted)
            cause = cause if broken is None else broken
            if cause is not None:
                bad[len(times)] = cause
        return times

    def columns(self, run: Columns) -> None:
        self.emit(run)

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        self.emit_one(key, value, time, headers)


def _in_range(times: Sequence[Any]) -> bool:
    return set(map(type, times)) == {int} and -INT64_MAX <= min(times) and max(times) <= INT64_MAX


def _decode(codec: Codec, column: Sequence[bytes | None], bad: dict[int, Exception]) -> Sequence[Any]:
    """Decode a column; rows that fail are None and named in ``bad`` (the first reason stands)."""
    try:
        return codec.decode_column(column)
    except ColumnError as failed:
        decoded = list(failed.done)
        bad.setdefault(failed.index, failed.cause)
    while True:
        decoded.append(None)
        if len(decoded) == len(column):
            return decoded
        try:
            decoded.extend(codec.decode_column(column[len(decoded) :]))
            return decoded
        except ColumnError as failed:
            decoded.extend(failed.done)
            bad.setdefault(len(decoded), failed.cause)


def _decode_nulls(codec: Codec, column: Sequence[bytes | None], bad: dict[int, Exception]) -> Sequence[Any]:
    """`_decode` where nulls are deletions."""
    rows = [row for row, data in enumerate(column) if data is not None]
    worse: dict[int, Exception] = {}
    values = _decode(codec, [column[row] for row in rows], worse)
    decoded: list[Any] = [None] * len(column)
    for row, value in zip(rows, values, strict=True):
        decoded[row] = value
    for place, cause in worse.items():
        bad.setdefault(rows[place], cause)
    return decoded
