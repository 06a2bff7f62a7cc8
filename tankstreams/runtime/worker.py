"""A worker: the loop that fetches, lets tasks step, and commits. The only asynchronous part of the runtime.

One commit covers all tasks: their outputs, changelogs and positions become visible together or not at all. It is due
when the tasks have caught up with their input, or ``commit_interval_ms`` after the first uncommitted record, or when
what waits to be written has grown too large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from tankstreams.errors import FencedError
from tankstreams.log.clock import Clock
from tankstreams.log.commit import Append, Commit, CommitResult, Fenced, TaskCommit
from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.reading import before
from tankstreams.log.records import TopicPartition
from tankstreams.runtime.bundling import appends_of
from tankstreams.runtime.collector import collector_held
from tankstreams.runtime.progress import Progress
from tankstreams.runtime.task import SEGMENT_ROWS_MAX, Task

__all__ = ["StreamsLog", "Worker"]

FETCH_BYTES_MAX: Final = 4 << 20
"""Stored bytes that one fetch may give for one partition."""

PENDING_RECORDS_MAX: Final = 500_000
"""Records that wait for a commit at most, over all tasks: bounds the worker's memory and the size of a commit."""

PENDING_BYTES_MAX: Final = 64 << 20
"""Bytes of values that wait for a commit at most, over all tasks: far below what one commit may have."""

IDLE_WAIT_MS: Final = 200
"""How long a fetch waits for records when there is nothing to do: also how late a stop may be noticed."""


class StreamsLog(Protocol):
    """What the runtime asks of a log."""

    async def fetch(self, request: FetchRequest) -> Mapping[TopicPartition, Fetched]: ...

    async def commit(self, commit: Commit) -> CommitResult: ...

    async def offsets(self, partitions: Sequence[TopicPartition], start: Start) -> Mapping[TopicPartition, int]: ...


class Worker:
    """Runs tasks until it is told to stop, or until the end.

    ``ends`` (with ``until_end``) are the offsets at which the source partitions end; internal topics end where they
    stand once every task that writes them is done. ``writers`` maps an internal partition's topic to the names of the
    tasks that write it. ``stopped`` is asked between steps: a run that is stopped commits what is done and leaves.
    """

    def __init__(
        self,
        log: StreamsLog,
        group: str,
        tasks: Sequence[Task],
        *,
        clock: Clock,
        commit_interval_ms: int,
        ends: Mapping[TopicPartition, int] | None = None,
        writers: Mapping[str, Sequence[str]] | None = None,
        progress: Callable[[Progress], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._group = group
        self._tasks = tuple(tasks)
        self._clock = clock
        self._interval_s = commit_interval_ms / 1000
        self._ends = None if ends is None else dict(ends)
        self._writers = writers or {}
        self._progress = progress
        self._stopped = stopped
        self._since: float | None = None
        self._written = 0
        # What a person counts: records of the source topics, not those again that the topology writes to itself.
        self._sources = [
            (entry, entry.position)
            for task in tasks
            for entry in task.inputs
            if entry.source.topic not in self._writers
        ]
        self._total = (
            None if ends is None else sum(max(0, ends[entry.source] - start) for entry, start in self._sources)
        )

    async def run(self) -> None:
        """Run until stopped, or until everything is read with ``ends``; raises what a task failed with."""
        idle = False
        while not self._stopped():
            await self._fetch(0 if not idle or self._since is not None else IDLE_WAIT_MS)
            stepped = await self._step()
            failed = next((task for task in self._tasks if task.failure is not None), None)
            idle = not stepped
            if self._since is not None and (idle or failed or self._due()):
                await self._commit()
            if failed is not None and failed.failure is not None:
                raise failed.failure
            if idle and self._ends is not None and await self._at_end():
                return
        await self._commit()

    def _due(self) -> bool:
        if self._since is None:
            return False
        return (
            self._clock.monotonic() - self._since >= self._interval_s
            or sum(task.pending_records for task in self._tasks) >= PENDING_RECORDS_MAX
            or sum(task.pending_bytes for task in self._tasks) >= PENDING_BYTES_MAX
        )

    async def _step(self) -> int:
        """Let every task take what it has, in turn, committing when it is due; return the records taken."""
        total = 0
        for task in self._tasks:
            while not self._stopped() and (count := _step(task)):
                total += count
                if self._since is None:
                    self._since = self._clock.monotonic()
                if self._due():
                    await self._commit()
            if task.failure is not None and task.dirty and self._since is None:
                self._since = self._clock.monotonic()
        return total

    async def _fetch(self, max_wait_ms: int) -> None:
        """Ask for more where a task has nothing in hand; an input past its fixed end counts as drained."""
        starts: dict[TopicPartition, Start] = {}
        owners: dict[TopicPartition, Task] = {}
        for task in self._tasks:
            for entry in task.inputs:
                if entry.waiting:
                    max_wait_ms = 0
                    continue
                end = None if self._ends is None else self._ends.get(entry.source)
                if end is not None and entry.next_offset >= end:
                    entry.offer((), entry.next_offset, drained=True)
                    continue
                starts[entry.source] = entry.next_offset
                owners[entry.source] = task
        if not starts:
            return
        fetched = await self._log.fetch(
            FetchRequest(starts, max_bytes=FETCH_BYTES_MAX, min_bytes=1, max_wait_ms=max_wait_ms)
        )
        for source, got in fetched.items():
            end = None if self._ends is None else self._ends.get(source)
            records, next_offset, drained = got.records, got.next_offset, got.drained
            if end is not None and next_offset >= end:
                records = [columns for columns in (before(columns, end) for columns in records) if len(columns)]
                next_offset, drained = end, True
            if records or drained or got.error is None:
                owners[source].offer(source, records, next_offset, drained=drained)
            if got.error is not None and not records:
                raise got.error

    async def _commit(self) -> None:
        """Commit everything since the last one; raises `FencedError` when another worker owns a task."""
        self._since = None
        dirty = [task for task in self._tasks if task.dirty]
        if not dirty:
            return
        appends: list[Append] = []
        written = 0
        for task in dirty:
            written += task.pending_records
            appends.extend(appends_of(task.outputs.values()))
        commit = Commit(
            appends,
            [TaskCommit(self._group, task.name, task.epoch, task.number + 1, task.positions()) for task in dirty],
        )
        result = await self._log.commit(commit)
        if isinstance(result, Fenced):
            raise FencedError(result.tasks)
        for task in dirty:
            task.number += 1
            task.committed()
        self._written += written
        if self._progress is not None:
            read = sum(entry.position - start for entry, start in self._sources)
            skipped = sum(task.skipped for task in self._tasks)
            self._progress(Progress(read, self._total, self._written, read, skipped))

    async def _at_end(self) -> bool:
        """Fix the ends of internal topics whose writers are done; say whether every task is done."""
        assert self._ends is not None
        done = {task.name for task in self._tasks if self._done(task)}
        settled = [
            entry.source
            for task in self._tasks
            for entry in task.inputs
            if entry.source not in self._ends
            and entry.source.topic in self._writers
            and done.issuperset(self._writers[entry.source.topic])
        ]
        if settled:
            self._ends.update(await self._log.offsets(settled, "end"))
            return False
        if len(done) < len(self._tasks) and self._stuck(done):
            ends = await self._log.offsets([e.source for t in self._tasks for e in t.inputs], "end")
            if all(entry.position >= ends[entry.source] for task in self._tasks for entry in task.inputs):
                return True
        return len(done) == len(self._tasks)

    def _done(self, task: Task) -> bool:
        assert self._ends is not None
        return not task.dirty and all(
            entry.source in self._ends and entry.position >= self._ends[entry.source] for entry in task.inputs
        )

    def _stuck(self, done: set[str]) -> bool:
        """Whether what is left feeds itself: a loop through internal topics, where nobody is done first."""
        left = [task for task in self._tasks if task.name not in done]
        return all(any(entry.source not in (self._ends or {}) for entry in task.inputs) for task in left)


def _step(task: Task) -> int:
    with collector_held():
        return task.step(SEGMENT_ROWS_MAX)
