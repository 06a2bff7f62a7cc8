"""A log on paper: topics as lists, so that tasks can be run, cut and restored without any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import NamedTuple

from tankstreams.errors import ProcessingError
from tankstreams.log.commit import TaskState
from tankstreams.log.records import Headers, Records, TopicPartition
from tankstreams.runtime.assembly import Assembly
from tankstreams.runtime.layout import Layout, external_topics, lay_out
from tankstreams.runtime.task import Task
from tankstreams.topology.topology import Topology


class Stored(NamedTuple):
    """One record as the paper log keeps it."""

    key: bytes | None
    value: bytes | None
    time: int
    headers: Headers = ()


class PaperLog:
    """Topics by name, each a list of partitions, each a list of records; positions of tasks beside them."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.topics: dict[str, list[list[Stored]]] = {
            topic: [[] for _ in range(count)] for topic, count in partitions.items()
        }
        self.states: dict[str, TaskState] = {}

    def records(self, source: TopicPartition, start: int, count: int) -> Records:
        """Return up to ``count`` records from offset ``start`` as columns."""
        kept = self.topics[source.topic][source.partition][start : start + count]
        headers = [record.headers for record in kept]
        return Records(
            range(start, start + len(kept)),
            [record.time for record in kept],
            [record.key for record in kept],
            [record.value for record in kept],
            headers if any(headers) else None,
        )

    def end(self, source: TopicPartition) -> int:
        return len(self.topics[source.topic][source.partition])

    def commit(self, task: Task) -> None:
        """Take over what the task has, atomically."""
        for output in task.outputs.values():
            for columns in output.partitioned():
                target = self.topics[output.topic][columns.partition]
                headers = columns.headers or [()] * len(columns.keys)
                target.extend(
                    map(Stored, columns.keys, columns.values, columns.times, headers)  # type: ignore[arg-type]
                )
        task.number += 1
        self.states[task.name] = TaskState(task.epoch, task.number, task.positions())
        task.committed()


class PaperRun:
    """Runs a topology part by part over a `PaperLog`: every part has all its input from the start.

    ``batch`` is how many records a fetch gives. ``cuts`` (a `Random`) commits, or throws the task away and restores it,
    at random places; ``column_rows_min`` forces the record path (a large number) or the column path (0).
    """

    def __init__(
        self,
        topology: Topology,
        partitions: Mapping[str, int],
        records: Mapping[str, Iterable[tuple[int, Stored]]],
        *,
        batch: int,
        cuts: Random | None = None,
        column_rows_min: int | None = None,
    ) -> None:
        self.topology = topology
        self.batch = batch
        self.cuts = cuts
        self.column_rows_min = column_rows_min
        read, written = external_topics(topology)
        existing = {topic: partitions.get(topic, 1) for topic in read | written}
        self.layout: Layout = lay_out(topology, existing)
        self.log = PaperLog({**existing, **self.layout.partitions})
        self.assembly = Assembly(topology, self.layout)
        for topic, rows in records.items():
            for partition, record in rows:
                self.log.topics[topic][partition].append(record)
        self.failure: ProcessingError | None = None

    @property
    def feeds_itself(self) -> bool:
        """Whether a part reads what it writes: then the merge order depends on when it commits."""
        return any(set(part.inputs) & set(part.outputs) for part in self.layout.parts)

    def run(self) -> dict[str, list[list[Stored]]]:
        """Run everything to the end (or to a failure) and return the topics."""
        for name in self._names_in_order():
            self._run_task(name)
            if self.failure is not None:
                break
        return self.log.topics

    def _names_in_order(self) -> list[str]:
        """Return the tasks' names, those that write a repartition topic before those that read it."""
        parts = list(self.layout.parts)
        ordered: list[str] = []
        settled: set[str] = set()
        while parts:
            ready = [
                part
                for part in parts
                if all(topic in settled or topic not in self.layout.internal for topic in part.inputs)
            ] or parts[:1]
            for part in ready:
                parts.remove(part)
            waiting = {topic for part in parts for topic in part.outputs}
            settled |= {topic for topic in self.layout.internal if topic not in waiting}
            for part in ready:
                count = self.layout.tasks[self.layout.parts.index(part)]
                ordered += [f"{part.name}/{partition}" for partition in range(count)]
        return ordered

    def _make(self, name: str) -> Task:
        task, restoring = next(made for made in self.assembly.make(self.log.states) if made[0].name == name)
        for fill in restoring:
            fill.put(self.log.records(fill.changelog, 0, self.log.end(fill.changelog)))
        if self.column_rows_min is not None:
            task.column_rows_min = self.column_rows_min
        return task

    def _run_task(self, name: str) -> None:
        task = self._make(name)
        while True:
            progressed = False
            for entry in task.inputs:
                end = self.log.end(entry.source)
                if not entry.waiting and (entry.next_offset < end or not entry.drained):
                    records = self.log.records(entry.source, entry.next_offset, self.batch)
                    after = entry.next_offset + len(records)
                    task.offer(entry.source, [records], after, drained=after >= end)
                    progressed = True
            progressed |= bool(task.step(self.batch))
            if task.failure is not None:
                self.log.commit(task)
                self.failure = task.failure
                return
            if self.cuts is not None and self.cuts.random() < 0.25:
                if self.cuts.random() < 0.5:
                    self.log.commit(task)
                else:
                    task = self._make(name)
                    progressed = True
            if not progressed:
                self.log.commit(task)
                return
