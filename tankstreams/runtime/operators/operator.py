"""An operator: one node at work in one task.

Every operator does the same thing in two ways: `columns` takes a whole run, `one` a single record. Which way is
taken must not be visible in what is written (property tests hold it):

- A run goes operator by operator only along a chain. Nodes that ``plan.record_by_record`` names are entered by
  `enter`, which sends one record at a time through all of them, children in order of declaration; where a chain
  begins again below them, an `Exit` gathers what comes into a run.
- When a record fails at an operator, the records before it go all the way down first, then the failure is dealt
  with, then the records behind it go on. So dead letters, too, come in the order of one record at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from tankstreams.log.records import Headers
from tankstreams.runtime.columns import Batch, Columns
from tankstreams.runtime.failure import BadResult, StepFailed, dead_letter_headers
from tankstreams.runtime.output import NO_HEADERS, Output
from tankstreams.topology.nodes import DeadLetter, Node

__all__ = ["Exit", "Operator", "PushColumns", "PushOne", "Scope", "call", "stopped"]

PushColumns: TypeAlias = Callable[[Columns], None]
PushOne: TypeAlias = Callable[[Any, Any, int, Headers], None]


def stopped() -> BadResult:
    """Return the failure for a function that raised StopIteration, which must never end the input."""
    return BadResult("the function raised StopIteration")


def call(fn: Callable[..., Any], *columns: Sequence[Any]) -> tuple[list[Any], Exception | None]:
    """Call ``fn`` for each row of ``columns``; return the results up to the first failure, and that failure."""
    out: list[Any] = []
    try:
        out.extend(map(fn, *columns))
    except Exception as cause:  # a user's function may raise anything; the node's on_error decides
        return out, cause
    if len(out) != len(columns[0]):
        return out, stopped()
    return out, None


class Scope:
    """What the operators of one task share: the record at hand, the outputs, the exits that hold records."""

    __slots__ = ("batch", "exits", "failed", "outputs", "row")

    def __init__(self, outputs: dict[str, Output]) -> None:
        self.outputs = outputs
        self.exits: list[Exit] = []
        self.batch: Batch
        self.row = 0
        self.failed = 0

    def leave(self) -> None:
        """Send on what the exits hold, in order of declaration."""
        for exit_ in self.exits:
            if exit_.values:
                exit_.flush()

    def discard(self) -> None:
        """Forget what the exits hold: the step they belong to is discarded."""
        for exit_ in self.exits:
            exit_.take()


class Operator:
    """A node at work; ``to_columns`` and ``to_one`` are its children's entrances."""

    def __init__(self, node: Node, scope: Scope) -> None:
        self.node = node
        self.scope = scope
        self.to_columns: list[PushColumns] = []
        self.to_one: list[PushOne] = []

    def columns(self, run: Columns) -> None:
        """Process a run."""
        raise NotImplementedError

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        """Process the record at ``scope.batch``, ``scope.row``."""
        raise NotImplementedError

    def enter(self, run: Columns) -> None:
        """Process a run one record at a time, each as far as it goes before the next."""
        scope, one = self.scope, self.one
        scope.batch = run.batch
        headers = repeat(NO_HEADERS) if run.headers is None else run.headers
        for scope.row, key, value, time, header in zip(
            run.rows(), run.keys, run.values, run.times, headers, strict=False
        ):
            one(key, value, time, header)
        scope.leave()

    def emit(self, run: Columns) -> None:
        """Send a run to all children."""
        if len(run):
            for push in self.to_columns:
                push(run)

    def emit_one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        """Send a record to all children."""
        for push in self.to_one:
            push(key, value, time, headers)

    def fail(self, batch: Batch, row: int, cause: Exception) -> None:
        """Deal with a record that this node cannot process, as its ``on_error`` says."""
        on_error = self.node.on_error
        if on_error == "fail":
            raise StepFailed(self.node, batch, row, cause)
        self.scope.failed += 1
        if isinstance(on_error, DeadLetter):
            records = batch.records
            key = records.keys[row]
            self.scope.outputs[on_error.topic].add_one(
                key,
                records.values[row],
                records.timestamps[row],
                dead_letter_headers(self.node, batch, row, cause),
                key,
            )

    def fail_one(self, cause: Exception) -> None:
        """`fail` for the record at hand."""
        self.fail(self.scope.batch, self.scope.row, stopped() if isinstance(cause, StopIteration) else cause)

    def resume(self, run: Columns, done: int, cause: Exception) -> Columns | None:
        """Deal with the failure of record ``done`` of ``run``; return what lies behind it."""
        self.fail(run.batch, run.rows()[done], cause)
        return run.slice(done + 1, len(run)) if done + 1 < len(run) else None


class Exit:
    """Gathers the records that leave a part run record by record for ``child``, which takes them as a run."""

    __slots__ = ("_child", "_headers", "_keys", "_rows", "_scope", "_times", "values")

    def __init__(self, child: Operator, scope: Scope) -> None:
        self._child = child
        self._scope = scope
        self.take()

    def take(self) -> None:
        """Forget what was gathered."""
        self._rows: list[int] = []
        self._keys: list[Any] = []
        self.values: list[Any] = []
        self._times: list[int] = []
        self._headers: list[Headers] = []

    def one(self, key: Any, value: Any, time: int, headers: Headers) -> None:
        self._rows.append(self._scope.row)
        self._keys.append(key)
        self.values.append(value)
        self._times.append(time)
        self._headers.append(headers)

    def flush(self) -> None:
        """Send what was gathered on as one run."""
        run = Columns(
            self._scope.batch,
            self._rows,
            self._keys,
            self.values,
            self._times,
            self._headers if any(self._headers) else None,
        )
        self.take()
        self._child.columns(run)
