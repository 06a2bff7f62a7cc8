"""Operators with a store: tables, aggregates, and the join that looks into a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Protocol

from tankstreams.errors import EncodeError
from tankstreams.log.limits import RECORD_BYTES_MAX
from tankstreams.log.records import Headers, Records, column_bytes
from tankstreams.runtime.accumulator import Accumulator, Folded, accumulator
from tankstreams.runtime.columns import Columns, Encoded
from tankstreams.runtime.operators.operator import Operator, Scope, call
from tankstreams.runtime.operators.sinks import check_sizes, encode_column
from tankstreams.runtime.operators.stateless import null_key
from tankstreams.runtime.output import Output
from tankstreams.runtime.statecodec import STATE
from tankstreams.runtime.store import Store
from tankstreams.topology.nodes import Aggregate, StreamTableJoin, TableSource, ToTable
from tankstreams.topology.serde import Codec, internal_codec

__all__ = ["AggregateOperator", "JoinOperator", "Table", "TableOperator"]


class Table(Protocol):
    """What a join needs of the operator that owns a table."""

    key_codec: Codec

    def look_up(self, keys: Sequence[bytes | None]) -> list[Any]:
        """Return the value of each key, None where there is none; every value is the caller's own."""
        ...


class _StatefulOperator(Operator):
    """An operator that owns a store and its changelog."""

    def __init__(self, node: Aggregate | ToTable | TableSource, scope: Scope, store: Store, changelog: Output) -> None:
        super().__init__(node, scope)
        self.store = store
        self.changelog = changelog
        self.key_codec = internal_codec(node.key, key=True)

    def encode_keys(self, run: Columns) -> tuple[Sequence[bytes | None], Exception | None]:
        """Return the key bytes up to the first key that is None or cannot be encoded, and that failure."""
        keys, cause = encode_column(self.key_codec, run.keys, run.key_data)
        if self.key_codec.accepts_none and None in run.keys and (done := run.keys.index(None)) <= len(keys):
            return keys[:done], null_key()
        if cause is not None and run.keys[len(keys)] is None:
            cause = null_key()
        return keys, cause

    def encode_key(self, key: Any) -> bytes:
        """Return the bytes of one key; raise when it is None or cannot be encoded."""
        if key is None:
            raise null_key()
        data = self.key_codec.encode(key)
        assert data is not None
        return data


class TableOperator(_StatefulOperator):
    """A topic read as a changelog, or a stream upserted into a table: entries are value bytes."""

    def __init__(self, node: ToTable | TableSource, scope: Scope, store: Store, changelog: Output) -> None:
        super().__init__(node, scope, store, changelog)
        self.value_codec = internal_codec(node.value, key=False)

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            keys, cause = self.encode_keys(rest)
            done = len(keys)
            values, broken = self._encode_values(rest.slice(0, done))
            if broken is not None:
                done, cause = len(values), broken
            small, broken = check_sizes(keys, values, done, column_bytes(keys) + column_bytes(values))
            if broken is not None:
                done, cause, values = small, broken, values[:small]
            if done:
                self._upsert(rest.slice(0, done), keys[:done], values)
            rest = None if cause is None else self.resume(rest, done, cause)

    def _encode_values(self, run: Columns) -> tuple[Sequence[bytes | None], Exception | None]:
        if None not in run.values:
            return encode_column(self.value_codec, run.values, run.value_data)
        return call(self._encode_value, run.values)

    def _encode_value(self, value: Any) -> bytes | None:
        return None if value is None else self.value_codec.encode(value)

    def _upsert(self, run: Columns, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> None:
        if None in values:
            for key, value in zip(keys, values, strict=True):
                self._put(key, value)
        else:
            self.store.overlay.update(zip(keys, values, strict=True))  # type: ignore[arg-type]
        self.changelog.add(keys, values, run.times)
        run.key_data = Encoded(self.key_codec, keys)
        run.value_data = None if None in values else Encoded(self.value_codec, values)
        self.emit(run)

    def _put(self, key: Any, value: bytes | None) -> None:
        if value is None:
            self.store.delete(key)
        else:
            self.store.put(key, value)

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            key_data = self.encode_key(key)
            data = self._encode_value(value)
            _, broken = check_sizes((key_data,), (data,), 1, len(key_data) + len(data or b""))
            if broken is not None:
                raise broken
        except Exception as cause:  # a user's type may raise anything when it is encoded
            return self.fail_one(cause)
        self._put(key_data, data)
        self.changelog.add_one(key_data, data, time, (), key_data)
        self.emit_one(key, value, time, headers)

    @staticmethod
    def restore(store: Store, records: Records) -> None:
        """Take changelog records into the store's committed state."""
        store.committed.update(zip(records.keys, records.values, strict=True))  # type: ignore[arg-type]
        if None in records.values:
            for key in [key for key, value in store.committed.items() if value is None]:
                del store.committed[key]

    def look_up(self, keys: Sequence[bytes | None]) -> list[Any]:
        get = self.store.get
        found = [None if key is None else get(key) for key in keys]
        if None not in found:
            return self.value_codec.decode_column(found)
        decode = self.value_codec.decode
        return [None if data is None else decode(data) for data in found]


class AggregateOperator(_StatefulOperator):
    """Aggregates by key. An entry is (accumulators, time), time being the largest seen for the key.

    The accumulators of one field stand alone, of several in a tuple; bytes are what the changelog has, decoded when
    they are next needed. As in Kafka Streams a result's timestamp is the largest of the records in it.
    """

    node: Aggregate

    def __init__(self, node: Aggregate, scope: Scope, store: Store, changelog: Output) -> None:
        super().__init__(node, scope, store, changelog)
        self.names = [name for name, _ in node.fields]
        self.accumulators: list[Accumulator] = [accumulator(agg) for _, agg in node.fields]
        self.single = self.accumulators[0] if len(node.fields) == 1 else None
        self.start: Any = self.single.start if self.single else tuple(acc.start for acc in self.accumulators)
        kind, returns = node.fields[0][1].kind, node.fields[0][1].returns
        self.folded = isinstance(self.single, Folded)
        if isinstance(self.single, Folded):
            self.codec = self.single.codec
        elif self.single and kind in ("count", "sum") and node.into == "one":
            self.codec = internal_codec(int if kind == "count" else returns, key=False)
        else:
            self.codec = STATE
        self.counts = self.single is not None and kind == "count" and node.into == "one"
        self.shares = node.into == "one" and self.codec is internal_codec(node.value, key=False)
        self.needs_key = any(agg.kind == "key" for _, agg in node.fields)

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            keys, cause = self.encode_keys(rest)
            done = len(keys)
            if self.counts:
                if done:
                    self._count(rest.slice(0, done), keys)
            else:
                arguments, broken = self._arguments(rest.values[:done])
                if broken is not None:
                    done, cause = len(arguments), broken
                steps, broken = call(self._step, keys[:done], rest.keys[:done], rest.times[:done], arguments)
                if broken is not None:
                    done, cause = len(steps), broken
                if done:
                    self._pass_on(rest.slice(0, done), keys[:done], steps)
            rest = None if cause is None else self.resume(rest, done, cause)

    def _arguments(self, values: Sequence[Any]) -> tuple[list[tuple[Any, ...]], Exception | None]:
        """Return what the fields' functions pick, a tuple a record, up to the first failure, and that failure."""
        cause: Exception | None = None
        columns: list[list[Any]] = []
        for field in self.accumulators:
            column, broken = call(field.argument, values)
            columns.append(column)
            if broken is not None:
                cause, values = broken, values[: len(column)]
        return list(zip(*columns, strict=False)), cause

    def _count(self, run: Columns, keys: Sequence[bytes | None]) -> None:
        """The whole of `columns` for the commonest aggregation, which cannot fail."""
        overlay: dict[Any, Any] = self.store.overlay
        recent, settled = overlay.get, self.store.committed.get
        counts: list[int] = []
        times: list[int] = []
        counted, timed = counts.append, times.append
        for key, latest in zip(keys, run.times, strict=True):
            count = 1
            entry = recent(key) or settled(key)  # type: ignore[arg-type]
            if entry is not None:
                before, seen = entry
                try:
                    count += before
                except TypeError:  # as the changelog has it
                    count += self.codec.decode(before)
                if seen > latest:
                    latest = seen
            overlay[key] = (count, latest)
            counted(count)
            timed(latest)
        data = self.codec.encode_exact(counts)
        self._write(run, keys, counts, data, times)

    def _step(self, key: bytes, group: Any, time: int, arguments: tuple[Any, ...]) -> tuple[bytes | None, Any, int]:
        """Update one key; return the changelog's bytes, the result and its time. Nothing changes when it raises."""
        entry = self.store.get(key)
        if entry is None:
            accs, latest = self.start, time
        else:
            accs, latest = entry
            if type(accs) is bytes and not self.folded:
                accs = self.codec.decode(accs)
        latest = time if time > latest else latest
        new: Any
        if self.single is not None:
            new = self.single.add(accs, arguments[0])
        else:
            new = tuple(
                [field.add(acc, arg) for field, acc, arg in zip(self.accumulators, accs, arguments, strict=True)]
            )
        data = new if self.folded else self.codec.encode(new)
        if data is not None and len(key) + len(data) > RECORD_BYTES_MAX:
            raise EncodeError(
                f"the state of this key would have {len(data)} bytes, {RECORD_BYTES_MAX} at most can be kept"
            )
        result = self._result(group, new)
        self.store.overlay[key] = (new, latest)
        return data, result, latest

    def _pass_on(self, run: Columns, keys: Sequence[bytes | None], steps: list[tuple[bytes | None, Any, int]]) -> None:
        data, results, times = zip(*steps, strict=True)
        self._write(run, keys, results, data, times)

    def _write(
        self,
        run: Columns,
        keys: Sequence[bytes | None],
        results: Sequence[Any],
        data: Sequence[bytes | None],
        times: Sequence[int],
    ) -> None:
        """Write the changelog and emit the results."""
        key_data, value_data = Encoded(self.key_codec, keys), Encoded(self.codec, data)
        self.changelog.add(keys, data, times, size_bytes=key_data.size_bytes + value_data.size_bytes)
        self.emit(
            Columns(
                run.batch,
                run.origin,
                run.keys,
                results,
                times,
                run.headers,
                key_data,
                value_data if self.shares else None,
            )
        )

    def _result(self, key: Any, accs: Any) -> Any:
        into = self.node.into
        if self.single is not None and into == "one":
            return self.single.result(accs, key)
        parts = (accs,) if self.single is not None else accs
        values = {
            name: field.result(acc, key) for name, field, acc in zip(self.names, self.accumulators, parts, strict=True)
        }
        return values if into == "dict" else into(**values)

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            key_data = self.encode_key(key)
            arguments = tuple([field.argument(value) for field in self.accumulators])
            data, result, latest = self._step(key_data, key, time, arguments)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        self.changelog.add_one(key_data, data, latest, (), key_data)
        self.emit_one(key, result, latest, headers)

    @staticmethod
    def restore(store: Store, records: Records) -> None:
        """Take changelog records into the store's committed state; they are decoded when they are next needed."""
        entries = zip(records.values, records.timestamps, strict=True)
        store.committed.update(zip(records.keys, entries, strict=True))  # type: ignore[arg-type]

    def look_up(self, keys: Sequence[bytes | None]) -> list[Any]:
        return [None if key is None else self._look_up_one(key) for key in keys]

    def _look_up_one(self, key: bytes) -> Any:
        entry = self.store.get(key)
        if entry is None:
            return None
        accs = entry[0]
        if type(accs) is bytes and not self.folded:
            accs = self.codec.decode(accs)
        group = self.key_codec.decode(key) if self.needs_key else None
        return self._result(group, accs)


class JoinOperator(Operator):
    """Looks up each record's key in a table of the same task.

    Null values are skipped, as in Kafka Streams; a null key matches nothing.
    """

    node: StreamTableJoin

    def __init__(self, node: StreamTableJoin, scope: Scope, table: Table) -> None:
        super().__init__(node, scope)
        self.table = table
        self.fn: Callable[[Any, Any], Any] = node.fn
        self.left = node.left

    def columns(self, run: Columns) -> None:
        if None in run.values:
            run = run.keep([value is not None for value in run.values])
        rest: Columns | None = run if len(run) else None
        while rest is not None:
            keys, cause = self._encode_keys(rest)
            done = len(keys)
            if done:
                self._join(rest.slice(0, done), self.table.look_up(keys))
            rest = None if cause is None else self.resume(rest, done, cause)

    def _encode_keys(self, run: Columns) -> tuple[Sequence[bytes | None], Exception | None]:
        if None in run.keys:
            return call(self._encode_key, run.keys)
        return encode_column(self.table.key_codec, run.keys, run.key_data)

    def _encode_key(self, key: Any) -> bytes | None:
        return None if key is None else self.table.key_codec.encode(key)

    def _join(self, run: Columns, found: list[Any]) -> None:
        if not self.left and None in found:
            mask = [match is not None for match in found]
            run, found = run.keep(mask), list(compress(found, mask))
        rest: Columns | None = run if len(run) else None
        while rest is not None:
            results, cause = call(self.fn, rest.values, found)
            done = len(results)
            if done:
                self.emit(rest.slice(0, done).with_values(results))
            rest, found = None if cause is None else self.resume(rest, done, cause), found[done + 1 :]

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        if value is None:
            return
        try:
            match = self.table.look_up((self._encode_key(key),))[0]
            if match is None and not self.left:
                return
            result = self.fn(value, match)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        self.emit_one(key, result, time, headers)
