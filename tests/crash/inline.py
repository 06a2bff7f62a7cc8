"""A log for the runtime without threads or an event loop: every call is done when it returns."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from tankstreams.log.commit import Commit, CommitResult, TaskState
from tankstreams.log.core import LogCore
from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.records import TopicPartition
from tankstreams.log.topic import TopicInfo

R = TypeVar("R")


class InlineLog:
    """What `run_on` asks of a log, on a core in the same thread."""

    def __init__(self, core: LogCore) -> None:
        self._core = core

    async def topics(self) -> list[TopicInfo]:
        return self._core.topics()

    async def create_topic(
        self, name: str, *, partitions: int = 1, config: Mapping[str, str | int] | None = None
    ) -> TopicInfo:
        return self._core.settle(self._core.submit_create_topic(name, partitions, config or {}))

    async def acquire(self, group: str, tasks: Sequence[str]) -> dict[str, TaskState]:
        return self._core.settle(self._core.submit_acquire(group, tasks))

    async def task_states(self, group: str) -> Mapping[str, TaskState]:
        return self._core.task_states(group)

    async def offsets(self, partitions: Sequence[TopicPartition], start: Start) -> Mapping[TopicPartition, int]:
        return self._core.offsets_at(partitions, start)

    async def fetch(self, request: FetchRequest) -> Mapping[TopicPartition, Fetched]:
        return self._core.fetch(request)

    async def commit(self, commit: Commit) -> CommitResult:
        return self._core.settle(self._core.submit(commit))


def finish(coroutine: Coroutine[Any, Any, R]) -> R:
    """Return the result of a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    raise AssertionError("the coroutine waited for something")
