"""Operators that write to topics: sinks and the writing half of a repartition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, islice
from typing import Any

from tankstreams.errors import EncodeError
from tankstreams.log.limits import RECORD_BYTES_MAX
from tankstreams.log.records import Headers, column_bytes
from tankstreams.runtime.columns import Columns, Encoded
from tankstreams.runtime.failure import BadResult
from tankstreams.runtime.operators.operator import Operator, Scope, call
from tankstreams.runtime.operators.stateless import null_key
from tankstreams.runtime.output import Output
from tankstreams.topology.nodes import Repartition, Sink
from tankstreams.topology.serde import Codec, ColumnError, internal_codec, public_codec

__all__ = ["RepartitionOperator", "SinkOperator", "check_sizes", "encode_column"]


def encode_column(
    codec: Codec, objects: Sequence[Any], known: Encoded | None
) -> tuple[Sequence[bytes | None], Exception | None]:
    """Encode a column, or take the bytes that ``known`` has of it by the same codec.

    Returns the bytes up to the first failure, and that failure.
    """
    if known is not None and known.codec is codec:
        return known.data, None
    try:
        return codec.encode_column(objects), None
    except ColumnError as failed:
        return failed.done, failed.cause


def size_of(column: Sequence[bytes | None], known: Encoded | None) -> int:
    """Return the bytes of a column; ``known`` may have counted it before."""
    return known.size_bytes if known is not None and known.data is column else column_bytes(column)


def check_sizes(
    keys: Sequence[bytes | None], values: Sequence[bytes | None], count: int, size_bytes: int
) -> tuple[int, Exception | None]:
    """Return how many of the first ``count`` records are small enough to be written, and why the next is not.

    ``size_bytes`` is the size of all keys and values: most often it says at once that none is too large.
    """
    if size_bytes <= RECORD_BYTES_MAX:
        return count, None
    for row in range(count):
        size = len(keys[row] or b"") + len(values[row] or b"")
        if size > RECORD_BYTES_MAX:
            return row, EncodeError(f"the record has {size} bytes, {RECORD_BYTES_MAX} at most can be written")
    return count, None


class _Writer(Operator):
    """Encodes keys and values and adds them to an output; what cannot be encoded fails at this node."""

    def __init__(self, node: Sink | Repartition, scope: Scope, key: Codec, value: Codec, placing: Codec | None) -> None:
        super().__init__(node, scope)
        self.key_codec = key
        self.value_codec = value
        self.placing_codec = placing

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            keys, cause = encode_column(self.key_codec, rest.keys, rest.key_data)
            done = len(keys)
            values, broken = encode_column(
                self.value_codec, rest.values[:done] if cause else rest.values, rest.value_data
            )
            if broken is not None:
                done, cause = len(values), broken
            placing: Sequence[bytes | None] | None = None
            if self.placing_codec is not None:
                placing, broken = encode_column(self.placing_codec, rest.keys[:done] if cause else rest.keys, None)
                if broken is not None:
                    done, cause = len(placing), broken
            size = size_of(keys, rest.key_data) + size_of(values, rest.value_data)
            checked, broken = check_sizes(keys, values, done, size)
            if broken is not None:
                done, cause = checked, broken
            run_done = rest.slice(0, done)
            if done:
                whole = done == len(rest)
                self.write(
                    run_done,
                    keys if whole else keys[:done],
                    values if whole else values[:done],
                    placing if whole or placing is None else placing[:done],
                    size if whole else None,
                )
            rest = None if cause is None else self.resume(rest, done, cause)

    def write(
        self,
        run: Columns,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        placing: Sequence[bytes | None] | None,
        size_bytes: int | None,
    ) -> None:
        """Add encoded records to the output; ``size_bytes`` is their size where it was counted."""
        raise NotImplementedError

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            output = self.output_of(key, value)
            key_data = self.key_codec.encode(key)
            value_data = self.value_codec.encode(value)
            placing = key_data if self.placing_codec is None else self.placing_codec.encode(key)
            _, broken = check_sizes((key_data,), (value_data,), 1, len(key_data or b"") + len(value_data or b""))
            if broken is not None:
                raise broken
        except Exception as cause:  # a user's type or function may raise anything when it is encoded
            return self.fail_one(cause)
        output.add_one(key_data, value_data, time, headers, placing)

    def output_of(self, key: Any, value: Any) -> Output:
        """Return where this record goes; raise if it may not."""
        raise NotImplementedError


class SinkOperator(_Writer):
    """Writes to one topic, or to the one that the user's function names."""

    node: Sink

    def __init__(self, node: Sink, scope: Scope) -> None:
        super().__init__(node, scope, public_codec(node.key, key=True), public_codec(node.value, key=False), None)
        self.fixed = scope.outputs[node.topic] if isinstance(node.topic, str) else None
        self._names: Iterator[str] = iter(())

    def columns(self, run: Columns) -> None:
        if self.fixed is not None:
            return super().columns(run)
        rest: Columns | None = run
        while rest is not None:
            names, cause = call(self._route, rest.values)
            done = len(names)
            if done:
                self._names = iter(names)
                super().columns(rest.slice(0, done))
            rest = None if cause is None else Operator.resume(self, rest, done, cause)

    def resume(self, run: Columns, done: int, cause: Exception) -> Columns | None:
        next(self._names, None)
        return super().resume(run, done, cause)

    def write(
        self,
        run: Columns,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        placing: Sequence[bytes | None] | None,
        size_bytes: int | None,
    ) -> None:
        if self.fixed is not None:
            return self.fixed.add(keys, values, run.times, run.headers, size_bytes=size_bytes)
        names = list(islice(self._names, len(run)))
        headers = run.headers
        for name in dict.fromkeys(names):
            mask = [chosen == name for chosen in names]
            self.scope.outputs[name].add(
                list(compress(keys, mask)),
                list(compress(values, mask)),
                list(compress(run.times, mask)),
                None if headers is None else list(compress(headers, mask)),
            )

    def output_of(self, key: Any, value: Any) -> Output:
        return self.fixed if self.fixed is not None else self.scope.outputs[self._route(value)]

    def _route(self, value: Any) -> str:
        assert callable(self.node.topic)
        name: object = self.node.topic(value)
        if not isinstance(name, str) or name not in self.node.topics:
            raise BadResult(
                f"the function names the topic {name!r}, which is not one of topics= ({', '.join(self.node.topics)})"
            )
        return name


class RepartitionOperator(_Writer):
    """Writes to a repartition topic; the codec of an unknown type describes itself, places go by the public key."""

    node: Repartition

    def __init__(self, node: Repartition, scope: Scope, topic: str) -> None:
        key, placing = internal_codec(node.key, key=True), public_codec(node.key, key=True)
        super().__init__(node, scope, key, internal_codec(node.value, key=False), None if key is placing else placing)
        self.output = scope.outputs[topic]

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None and self.node.required and None in rest.keys:
            done = rest.keys.index(None)
            if done:
                super().columns(rest.slice(0, done))
            rest = self.resume(rest, done, null_key())
        if rest is not None:
            super().columns(rest)

    def write(
        self,
        run: Columns,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        placing: Sequence[bytes | None] | None,
        size_bytes: int | None,
    ) -> None:
        self.output.add(keys, values, run.times, run.headers, placing, size_bytes)

    def output_of(self, key: Any, value: Any) -> Output:
        if key is None and self.node.required:
            raise null_key()
        return self.output
