"""The log for asynchronous programs: `open_log` and `AsyncLog`. Runs on asyncio.

Every call that may touch the disk runs in a thread, so the event loop never waits for it. The decisions are those of
`LogCore`, `Produce` and `Reading`; here is only the waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import anyio

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

__all__ = ["AsyncLog", "open_log"]

R = TypeVar("R")


@asynccontextmanager
async def open_log(
    log: str = DEFAULT_LOG, *, durability: Durability = "sync", create: bool | None = None
) -> AsyncIterator[AsyncLog]:
    """Open the log in directory ``log`` in this process, alone; leaving the block closes it.

    ``durability="sync"`` acknowledges what is on the disk; ``"interval"`` and ``"os"`` acknowledge earlier, and a
    power cut may take back what they acknowledged. ``create`` says whether a missing directory is made; by default
    it is when it is ``./tank-data`` or its name contains a path separator.

    Raises `DirectoryLocked` (with the owner's pid) when another process has it open, `DirectoryError` when it is
    missing, read-only or not a log, `ConfigError` when ``log`` is not a directory's address.
    """
    core = make_core(log, durability=durability, create=create)
    opened = AsyncLog(core, asyncio.get_running_loop())
    forget = core.add_append_listener(opened.wake)
    try:
        await _in_thread(core.start)
        yield opened
    finally:
        forget()
        await _in_thread(core.stop)  # also when opening was cancelled, or failed: then it has nothing to do


class AsyncLog:
    """An open log; get one from `open_log`. May be used by many tasks of one event loop at a time.

    A call that has begun is not cut short: a task that is cancelled during one is cancelled when it is done. What a
    cancelled task was writing may be in the log.
    """

    def __init__(self, core: LogCore, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._loop = loop
        self._appended = asyncio.Event()
        self._waiting = 0
        self._batches = 0

    async def create_topic(
        self, topic: str | TypedTopic, *, partitions: int | None = None, config: Mapping[str, str | int] | None = None
    ) -> TopicInfo:
        """Create a topic; raises `TopicExists`, `InvalidTopicName`, `ConfigError`.

        ``partitions`` (1) and ``config`` (nothing) are by default what a declared `Topic` says.
        """
        return await _in_thread(partial(create_topic_on, self._core, topic, partitions, config))

    async def delete_topic(self, topic: str | TypedTopic) -> None:
        """Delete a topic and everything in it; raises `TopicNotFound`."""
        core = self._core
        await _in_thread(lambda: core.settle(core.submit_delete_topic(name_of(topic))))

    async def topics(self) -> list[TopicInfo]:
        """Return all topics, by name."""
        return await _in_thread(self._core.topics)

    async def describe_topic(self, topic: str | TypedTopic) -> TopicInfo:
        """Return a topic's partitions, their bounds and its configuration; raises `TopicNotFound`."""
        return await _in_thread(partial(self._core.describe_topic, name_of(topic)))

    async def produce(
        self,
        topic: str | TypedTopic,
        values: Iterable[Any],
        *,
        keys: Iterable[Any] | None = None,
        timestamps: Sequence[int] | int | None = None,
        headers: Sequence[HeadersLike] | HeadersLike | None = None,
        partition: int | None = None,
    ) -> Produced:
        """Write records, all or none, and return when they are acknowledged.

        ``values`` and ``keys`` are columns of equal length: bytes, str (written as UTF-8) or None; with a `Topic` they
        are values of its types. ``timestamps`` are epoch milliseconds, one for all or one each (default: now).
        ``headers`` are one mapping for all, or one each. Without ``partition`` the key's bytes choose it, and records
        without a key go to the partitions in turn, a call at a time.

        Raises `TopicNotFound`, `PartitionNotFound`, `RecordRefused` (nothing is written), `DiskFull`, `LogPoisoned`.
        """
        self._batches += 1
        write = partial(
            produce_on,
            self._core,
            topic,
            values,
            keys=keys,
            timestamps=timestamps,
            headers=headers,
            partition=partition,
            null_partition=self._batches,
        )
        return await _in_thread(write)

    async def commit(self, commit: Commit) -> CommitResult:
        """Append to many partitions and store task positions, all or nothing; returns when it is acknowledged."""
        return await _in_thread(lambda: self._core.settle(self._core.submit(commit)))

    async def acquire(self, group: str, tasks: Sequence[str]) -> dict[str, TaskState]:
        """Take the tasks over: each gets a higher epoch, which fences whoever had it before."""
        return await _in_thread(lambda: self._core.settle(self._core.submit_acquire(group, tasks)))

    async def task_states(self, group: str) -> Mapping[str, TaskState]:
        """Return what is stored for the tasks of a group; empty for a group that never committed."""
        return await _in_thread(partial(self._core.task_states, group))

    async def groups(self) -> Sequence[str]:
        """Return the names of the groups that ever owned a task."""
        return await _in_thread(self._core.groups)

    async def offsets(self, partitions: Sequence[TopicPartition], start: Start) -> Mapping[TopicPartition, int]:
        """Return the offset that ``start`` means in each partition now."""
        return await _in_thread(partial(self._core.offsets_at, partitions, start))

    async def fetch(self, request: FetchRequest) -> Mapping[TopicPartition, Fetched]:
        """Return records of many partitions; waits up to ``max_wait_ms`` for ``min_bytes`` to be there."""
        if request.max_wait_ms <= 0:
            return await _in_thread(partial(self._core.fetch, request))
        self._waiting += 1
        try:
            appended = self._appended
            got = await _in_thread(partial(self._core.fetch, request))
            with anyio.move_on_after(request.max_wait_ms / 1000):
                while not answers(request, got):
                    await appended.wait()
                    appended = self._appended
                    request = resumed(request, got)
                    got = await _in_thread(partial(self._core.fetch, request))
            return got
        finally:
            self._waiting -= 1

    async def read(
        self,
        topic: str | TypedTopic,
        *,
        partitions: Sequence[int] | None = None,
        start: Start = "beginning",
        until_end: bool = True,
    ) -> AsyncIterator[tuple[TopicPartition, Records]]:
        """Yield the records of a topic as columns, a bundle at a time, in offset order within a partition.

        Stops where the partitions ended when it began; with ``until_end=False`` it follows the topic for ever.
        """
        sources = await _in_thread(partial(sources_of, self._core, topic, partitions))
        starts = await self.offsets(sources, start)
        reading = Reading(starts, await self.offsets(sources, "end") if until_end else None)
        while (request := reading.request()) is not None:
            for source, records in reading.take(await self.fetch(request)):
                yield source, records

    def wake(self) -> None:
        """Tell waiting fetches that something was appended; called by the core, from any thread."""
        if self._waiting and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._appended.set()
        self._appended = asyncio.Event()


async def _in_thread(call: Callable[[], R]) -> R:
    """Run ``call`` in a thread and return what it gave; a cancellation waits until it is done."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):  # against anyio's own cancellation; what comes from asyncio is kept below
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
    return future.result()
