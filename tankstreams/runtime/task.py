"""A task: one partition of one sub-topology. Synchronous: columns in, columns and positions out.

Between two commits a task remembers the segments that it has run. When a record fails under ``on_error="fail"``, what
was done since the last commit is discarded, the same segments run again up to the failing record, and `failure` is
set: the worker commits what came before it and then raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tankstreams.errors import ProcessingError
from tankstreams.log.records import Records, TopicPartition
from tankstreams.runtime.columns import Batch, Columns
from tankstreams.runtime.failure import StepFailed, processing_error
from tankstreams.runtime.inputs import Input, Prepared, Segment, next_segment
from tankstreams.runtime.operators.sources import SourceOperator
from tankstreams.runtime.operators.wiring import Wired
from tankstreams.runtime.output import Output
from tankstreams.runtime.store import Store

__all__ = ["COLUMN_ROWS_MIN", "SEGMENT_ROWS_MAX", "Task"]

SEGMENT_ROWS_MAX: Final = 8192
"""Rows that run as one piece at most: bounds the memory of a step."""

COLUMN_ROWS_MIN: Final = 6
"""Shorter segments run record by record: below this a column call costs more than it saves."""


class Task:
    """One partition of one sub-topology at work.

    ``inputs`` are in order of declaration. ``one_by_one`` are the ids of nodes that run record by record.
    """

    def __init__(
        self,
        name: str,
        partition: int,
        inputs: Sequence[Input],
        wired: Wired,
        outputs: Mapping[str, Output],
        one_by_one: frozenset[int],
        *,
        column_rows_min: int = COLUMN_ROWS_MIN,
    ) -> None:
        self.name = name
        self.partition = partition
        self.inputs = tuple(inputs)
        self.outputs = outputs
        self.failure: ProcessingError | None = None
        self.epoch = 0
        self.number = 0
        self._wired = wired
        self._one_by_one = one_by_one
        self.column_rows_min = column_rows_min
        self._by_source = {entry.source: entry for entry in inputs}
        self._ran: list[tuple[Input, Batch, int, int]] = []
        self._positions = {entry.source: entry.position for entry in inputs}
        self._committed = dict(self._positions)
        self.skipped = 0

    def offer(self, source: TopicPartition, records: Sequence[Records], next_offset: int, *, drained: bool) -> int:
        """Take what a fetch of one input gave; return the number of records."""
        return self._by_source[source].offer(records, next_offset, drained=drained)

    def step(self, rows: int = SEGMENT_ROWS_MAX) -> int:
        """Run one segment of at most ``rows`` records; return how many it had, 0 when a fetch must come first."""
        if self.failure is not None:
            return 0
        segment = next_segment(self.inputs, rows)
        if segment is None:
            return 0
        try:
            self._run(segment)
        except StepFailed as failed:
            self._run_up_to(segment, failed)
            return 0
        self._took(segment)
        return segment.stop - segment.start

    @property
    def dirty(self) -> bool:
        """Whether anything was taken since the last commit."""
        return bool(self._ran)

    @property
    def pending_records(self) -> int:
        """Records written since the last commit, changelogs included."""
        return sum(map(len, self.outputs.values()))

    @property
    def pending_bytes(self) -> int:
        """Bytes of the values written since the last commit, changelogs included."""
        return sum(output.size_bytes for output in self.outputs.values())

    def positions(self) -> dict[TopicPartition, int]:
        """Return the next offset to read of each input, everything that was taken counted."""
        return dict(self._positions)

    def stores(self) -> Iterator[tuple[int, Store]]:
        """Yield the stores with the ids of the nodes that own them."""
        yield from self._wired.stores.items()

    def committed(self) -> None:
        """The log has everything: outputs are forgotten, stores move on."""
        self._ran.clear()
        self._committed = dict(self._positions)
        self.skipped += self._wired.scope.failed
        self._wired.scope.failed = 0
        for output in self.outputs.values():
            output.clear()
        for store in self._wired.stores.values():
            store.commit()

    def _took(self, segment: Segment) -> None:
        segment.input.advance(segment)
        self._positions[segment.input.source] = segment.input.position
        self._ran.append((segment.input, segment.prepared.batch, segment.start, segment.stop))

    def _run_up_to(self, segment: Segment, failed: StepFailed) -> None:
        """Discard what was done since the last commit, run the same again up to the failing record.

        Along a fork one branch may fail at a record, and another, run later, at an earlier one: the first attempt
        that gets through decides. A function that fails on what it passed before leaves nothing to commit.
        """
        while True:
            self._discard()
            try:
                for entry, batch, start, stop in self._ran:
                    self._run(Segment(entry, entry.prepare(batch), start, stop))
            except StepFailed as sooner:
                self._discard()
                self._ran.clear()
                self._positions = dict(self._committed)
                self.failure = processing_error(sooner)
                return
            before = Segment(segment.input, segment.prepared, segment.start, failed.row)
            try:
                if before.stop > before.start:
                    self._run(before)
                break
            except StepFailed as sooner:
                failed = sooner
        if before.stop > before.start:
            self._took(before)
        self.failure = processing_error(failed)

    def _discard(self) -> None:
        self._wired.scope.discard()
        self._wired.scope.failed = 0
        for output in self.outputs.values():
            output.clear()
        for store in self._wired.stores.values():
            store.discard()

    def _run(self, segment: Segment) -> None:
        """Send the rows of a segment through the operators, in order, bad ones where they stand."""
        prepared, start = segment.prepared, segment.start
        bad = sorted({row for _, seen in prepared.seen for row in seen.bad if start <= row < segment.stop})
        for row in bad:
            if start < row:
                self._run_good(prepared, start, row)
            self._run_rows(prepared, row, row + 1)
            start = row + 1
        if start < segment.stop:
            self._run_good(prepared, start, segment.stop)

    def _run_good(self, prepared: Prepared, start: int, stop: int) -> None:
        if stop - start < self.column_rows_min:
            return self._run_rows(prepared, start, stop)
        together = [reader for reader, _ in prepared.seen if reader.node.id in self._one_by_one]
        if len(together) > 1:
            self._run_rows(prepared, start, stop, together)
        for reader, seen in prepared.seen:
            if len(together) > 1 and reader in together:
                continue
            run = seen.run.slice(start, stop)
            if reader.node.id in self._one_by_one:
                reader.enter(run)
            else:
                reader.columns(run)

    def _run_rows(
        self, prepared: Prepared, start: int, stop: int, readers: Sequence[SourceOperator] | None = None
    ) -> None:
        """Run rows one at a time, each through all its readers (or those named) before the next."""
        scope = self._wired.scope
        scope.batch = prepared.batch
        rows = [(reader, seen.bad, seen.run) for reader, seen in prepared.seen if readers is None or reader in readers]
        for row in range(start, stop):
            for reader, bad, run in rows:
                scope.batch, scope.row = prepared.batch, row
                if row in bad:
                    reader.fail_one(bad[row])
                else:
                    reader.one(*_record(run, row))
        scope.leave()


def _record(run: Columns, row: int) -> tuple[object, object, int, tuple[tuple[str, bytes], ...]]:
    return run.keys[row], run.values[row], run.times[row], () if run.headers is None else run.headers[row]
