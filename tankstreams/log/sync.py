"""The log for scripts and notebooks: `open_log_sync` and `SyncLog`, the same calls as `AsyncLog` without ``await``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tankstreams.log.address import DEFAULT_LOG
from tankstreams.log.commit import Commit, CommitResult, TaskState
from tankstreams.log.core import LogCore
from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.opening import make_core
from tankstreams.log.produce import (
    HeadersLike,
    Produced,
    TypedTopic,
    create_topic_on,
    name_of,
    produce_on,
    sources_of,
)
from tankstreams.log.reading import Reading, answers, resumed
from tankstreams.log.records import Records, TopicPartition
from tankstreams.log.settings import Durability
from tankstreams.log.topic import TopicInfo

__all__ = ["SyncLog", "open_log_sync"]


@contextmanager
def open_log_sync(
    log: str = DEFAULT_LOG, *, durability: Durability = "sync", create: bool | None = None
) -> Iterator[SyncLog]:
    """Open the log in directory ``log`` in this process, alone; leaving the block closes it.

    The parameters and errors are those of `open_log`.
    """
    core = make_core(log, durability=durability, create=create)
    opened = SyncLog(core)
    forget = core.add_append_listener(opened.wake)
    try:
        core.start()
        yield opened
    finally:
        forget()
        core.stop()


class SyncLog:
    """An open log; get one from `open_log_sync`. May be used by many threads at a time."""

    def __init__(self, core: LogCore) -> None:
        self._core = core
        self._appended = threading.Condition()
        self._appends = 0
        self._batches = 0

    def create_topic(
        self, topic: str | TypedTopic, *, partitions: int | None = None, config: Mapping[str, str | int] | None = None
    ) -> TopicInfo:
        """Create a topic; raises `TopicExists`, `InvalidTopicName`, `ConfigError`.

        ``partitions`` (1) and ``config`` (nothing) are by default what a declared `Topic` says.
        """
        return create_topic_on(self._core, topic, partitions, config)

    def delete_topic(self, topic: str | TypedTopic) -> None:
        """Delete a topic and everything in it; raises `TopicNotFound`."""
        self._core.settle(self._core.submit_delete_topic(name_of(topic)))

    def topics(self) -> list[TopicInfo]:
        """Return all topics, by name."""
        return self._core.topics()

    def describe_topic(self, topic: str | TypedTopic) -> TopicInfo:
        """Return a topic's partitions, their bounds and its configuration; raises `TopicNotFound`."""
        return self._core.describe_topic(name_of(topic))

    def produce(
        self,
        topic: str | TypedTopic,
        values: Iterable[Any],
        *,
        keys: Iterable[Any] | None = None,
        timestamps: Sequence[int] | int | None = None,
        headers: Sequence[HeadersLike] | HeadersLike | None = None,
        partition: int | None = None,
    ) -> Produced:
        """Write records, all or none, and return when they are acknowledged; see `AsyncLog.produce`."""
        self._batches += 1
        return produce_on(
            self._core,
            topic,
            values,
            keys=keys,
            timestamps=timestamps,
            headers=headers,
            partition=partition,
            null_partition=self._batches,
        )

    def commit(self, commit: Commit) -> CommitResult:
        """Append to many partitions and store task positions, all or nothing; returns when it is acknowledged."""
        return self._core.settle(self._core.submit(commit))

    def acquire(self, group: str, tasks: Sequence[str]) -> dict[str, TaskState]:
        """Take the tasks over: each gets a higher epoch, which fences whoever had it before."""
        return self._core.settle(self._core.submit_acquire(group, tasks))

    def task_states(self, group: str) -> Mapping[str, TaskState]:
        """Return what is stored for the tasks of a group; empty for a group that never committed."""
        return self._core.task_states(group)

    def groups(self) -> Sequence[str]:
        """Return the names of the groups that ever owned a task."""
        return self._core.groups()

    def offsets(self, partitions: Sequence[TopicPartition], start: Start) -> Mapping[TopicPartition, int]:
        """Return the offset that ``start`` means in each partition now."""
        return self._core.offsets_at(partitions, start)

    def fetch(self, request: FetchRequest) -> Mapping[TopicPartition, Fetched]:
        """Return records of many partitions; waits up to ``max_wait_ms`` for ``min_bytes`` to be there."""
        deadline = time.monotonic() + request.max_wait_ms / 1000
        while True:
            seen = self._appends
            got = self._core.fetch(request)
            if request.max_wait_ms <= 0 or answers(request, got):
                return got
            request = resumed(request, got)
            with self._appended:
                if not self._appended.wait_for(
                    lambda seen=seen: self._appends != seen,  # type: ignore[misc]  # mypy does not infer the default
                    deadline - time.monotonic(),
                ):
                    return got

    def read(
        self,
        topic: str | TypedTopic,
        *,
        partitions: Sequence[int] | None = None,
        start: Start = "beginning",
        until_end: bool = True,
    ) -> Iterator[tuple[TopicPartition, Records]]:
        """Yield the records of a topic as columns, a bundle at a time; see `AsyncLog.read`."""
        sources = sources_of(self._core, topic, partitions)
        starts = self.offsets(sources, start)
        reading = Reading(starts, self.offsets(sources, "end") if until_end else None)
        while (request := reading.request()) is not None:
            yield from reading.take(self.fetch(request))

    def wake(self) -> None:
        """Tell waiting fetches that something was appended; called by the core, from any thread."""
        with self._appended:
            self._appends += 1
            self._appended.notify_all()
