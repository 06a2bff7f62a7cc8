"""Operators without state: filter, map, flat_map, peek, foreach, key_by, map_record, split, merge."""

from __future__ import annotations

from collections.abc import Sequence
from operator import truth
from typing import Any

from tankstreams.log.records import Headers
from tankstreams.runtime.columns import Columns
from tankstreams.runtime.failure import BadResult
from tankstreams.runtime.operators.operator import Operator, Scope, call
from tankstreams.runtime.output import NO_HEADERS
from tankstreams.topology.nodes import Filter, FlatMap, Foreach, KeyBy, Map, MapRecord, Peek, Split
from tankstreams.topology.record import Record

__all__ = [
    "FilterOperator",
    "FlatMapOperator",
    "ForeachOperator",
    "KeyByOperator",
    "MapOperator",
    "MapRecordOperator",
    "PassOperator",
    "PeekOperator",
    "SplitOperator",
]


class _FunctionOperator(Operator):
    """An operator that calls ``fn(value)``, or ``fn(key, value)``, once a record."""

    node: Filter | Map | FlatMap | Peek | Foreach | KeyBy

    def __init__(self, node: Filter | Map | FlatMap | Peek | Foreach | KeyBy, scope: Scope) -> None:
        super().__init__(node, scope)
        self.fn = node.fn
        self.with_key = node.with_key

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            results, cause = self.results(rest)
            done = len(results)
            if done:
                self.pass_on(rest.slice(0, done), results)
            rest = None if cause is None else self.resume(rest, done, cause)

    def results(self, run: Columns) -> tuple[list[Any], Exception | None]:
        """Return the function's results up to the first failure, and that failure."""
        return call(self.fn, run.keys, run.values) if self.with_key else call(self.fn, run.values)

    def pass_on(self, run: Columns, results: list[Any]) -> None:
        """Emit ``run`` as the results say."""
        raise NotImplementedError


class FilterOperator(_FunctionOperator):
    def results(self, run: Columns) -> tuple[list[Any], Exception | None]:
        fn = self.fn
        answers, cause = call(fn, run.keys, run.values) if self.with_key else call(fn, run.values)
        mask, untrue = call(truth, answers)  # an answer may have no truth: numpy arrays raise
        return (mask, cause) if untrue is None else (mask, untrue)

    def pass_on(self, run: Columns, results: list[Any]) -> None:
        self.emit(run if all(results) else run.keep(results))

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            keep = truth(self.fn(key, value) if self.with_key else self.fn(value))
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        if keep:
            self.emit_one(key, value, time, headers)


class MapOperator(_FunctionOperator):
    def pass_on(self, run: Columns, results: list[Any]) -> None:
        self.emit(run.with_values(results))

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            result = self.fn(key, value) if self.with_key else self.fn(value)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        self.emit_one(key, result, time, headers)


class FlatMapOperator(_FunctionOperator):
    """A generator's elements are all taken before any goes on: a failure drops the record's partial outputs."""

    def results(self, run: Columns) -> tuple[list[Any], Exception | None]:
        iterables, cause = super().results(run)
        lists, broken = call(list, iterables)
        return (lists, cause) if broken is None else (lists, broken)

    def pass_on(self, run: Columns, results: list[Any]) -> None:
        self.emit(run.spread(results))

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            given: Any = self.fn(key, value) if self.with_key else self.fn(value)
            results = list(given)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        for result in results:
            self.emit_one(key, result, time, headers)


class PeekOperator(_FunctionOperator):
    def pass_on(self, run: Columns, results: list[Any]) -> None:
        self.emit(run)

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            _ = self.fn(key, value) if self.with_key else self.fn(value)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        self.emit_one(key, value, time, headers)


class ForeachOperator(PeekOperator):
    """A `PeekOperator` without children."""


class KeyByOperator(_FunctionOperator):
    node: KeyBy

    def results(self, run: Columns) -> tuple[list[Any], Exception | None]:
        keys, cause = super().results(run)
        if self.node.required and None in keys:
            return keys[: keys.index(None)], null_key()
        return keys, cause

    def pass_on(self, run: Columns, results: list[Any]) -> None:
        self.emit(run.with_keys(results))

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            new = self.fn(key, value) if self.with_key else self.fn(value)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        if new is None and self.node.required:
            return self.fail_one(null_key())
        self.emit_one(new, value, time, headers)


def null_key() -> BadResult:
    """Return the failure for a None key where one is needed."""
    return BadResult("the key is None and a group or a table needs one (filter such records out before)")


class MapRecordOperator(Operator):
    node: MapRecord

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            results, cause = call(self._call, *self._arguments(rest))
            done = len(results)
            if done:
                self._pass_on(rest.slice(0, done), results)
            rest = None if cause is None else self.resume(rest, done, cause)

    def _arguments(self, run: Columns) -> tuple[Sequence[Any], ...]:
        offsets = run.batch.records.offsets
        headers = [NO_HEADERS] * len(run) if run.headers is None else run.headers
        return run.keys, run.values, run.times, headers, [offsets[row] for row in run.rows()], [run.batch] * len(run)

    def _call(self, key: Any, value: Any, time: int, headers: Headers, offset: int, batch: Any) -> Record[Any, Any]:
        source = batch.source
        record = Record(key, value, time, dict(headers), source.topic, source.partition, offset)
        result: object = self.node.fn(record)
        if not isinstance(result, Record):
            raise BadResult(f"map_record's function must return a Record, it returned {type(result).__name__}")
        return result

    def _pass_on(self, run: Columns, results: list[Record[Any, Any]]) -> None:
        headers = [tuple(record.headers.items()) for record in results]
        self.emit(
            Columns(
                run.batch,
                run.origin,
                [record.key for record in results],
                [record.value for record in results],
                [record.timestamp_ms for record in results],
                headers if any(headers) else None,
            )
        )

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        scope = self.scope
        offset = scope.batch.records.offsets[scope.row]
        try:
            record = self._call(key, value, time, headers, offset, scope.batch)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        self.emit_one(record.key, record.value, record.timestamp_ms, tuple(record.headers.items()))


class PassOperator(Operator):
    """Sends everything on: merge, to_stream."""

    def columns(self, run: Columns) -> None:
        self.emit(run)

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        self.emit_one(key, value, time, headers)


class SplitOperator(Operator):
    """Sends each record to the branch of the first predicate that is true, else to the rest.

    ``branches[i]`` is the index of the branch that child i takes.
    """

    node: Split

    def __init__(self, node: Split, scope: Scope) -> None:
        super().__init__(node, scope)
        self.branches: list[int] = []

    def columns(self, run: Columns) -> None:
        rest: Columns | None = run
        while rest is not None:
            choices, cause = call(self._choose, rest.values)
            done = len(choices)
            if done:
                self._pass_on(rest.slice(0, done), choices)
            rest = None if cause is None else self.resume(rest, done, cause)

    def _choose(self, value: Any) -> int:
        for index, predicate in enumerate(self.node.predicates):
            if predicate(value):
                return index
        return len(self.node.predicates)

    def _pass_on(self, run: Columns, choices: list[int]) -> None:
        for branch, push in zip(self.branches, self.to_columns, strict=True):
            mask = [choice == branch for choice in choices]
            if any(mask):
                push(run if all(mask) else run.keep(mask))

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        try:
            choice = self._choose(value)
        except Exception as cause:  # a user's function may raise anything
            return self.fail_one(cause)
        for branch, push in zip(self.branches, self.to_one, strict=True):
            if branch == choice:
                push(key, value, time, headers)
