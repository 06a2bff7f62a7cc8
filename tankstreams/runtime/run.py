"""Run a topology: open the log, check what is there, restore, work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import anyio

from tankstreams.errors import TopicNotFound, UsageError
from tankstreams.log.aio import AsyncLog, open_log
from tankstreams.log.clock import SystemClock
from tankstreams.log.fetch import FetchRequest
from tankstreams.log.records import TopicPartition
from tankstreams.runtime.assembly import Assembly, Restoring
from tankstreams.runtime.configuration import configured
from tankstreams.runtime.layout import Layout, external_topics, lay_out
from tankstreams.runtime.progress import Progress
from tankstreams.runtime.task import Task
from tankstreams.runtime.worker import FETCH_BYTES_MAX, Worker
from tankstreams.topology.topic import Topic

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["run", "run_async", "run_on"]

OnProgress = Callable[[Progress], None]


def run(
    topology: Topology,
    *,
    log: str = "./tank-data",
    until_end: bool = False,
    workers: int = 1,
    create_topics: bool = False,
    progress: OnProgress | None = None,
) -> None:
    """Run ``topology`` on the log at ``log`` until it is interrupted, or with ``until_end`` until all input is read.

    What ``tankstreams run`` does, for scripts and notebooks. The first Ctrl-C (or SIGTERM) commits and leaves, the
    second leaves at once; what was not committed is done again by the next run.

    Raises `TopologyError`, `TopicNotFound`, `StateMismatch` before anything is touched, and `ProcessingError` when a
    record fails under ``on_error="fail"``, after what came before it was committed.
    """
    if workers != 1:
        raise UsageError(f"workers must be 1 in this release, not {workers}: one process runs all tasks.")
    stop = _Stop()
    start = partial(
        _run_until, topology, stop, log=log, until_end=until_end, create_topics=create_topics, progress=progress
    )
    if _inside_event_loop():
        return _run_in_thread(start, stop)
    with _signals(stop):
        anyio.run(start)


async def run_async(
    topology: Topology,
    *,
    log: str = "./tank-data",
    until_end: bool = False,
    create_topics: bool = False,
    progress: OnProgress | None = None,
) -> None:
    """`run` for programs that have an event loop; end it by cancelling: what was not committed is done again."""
    await _run_until(topology, _Stop(), log=log, until_end=until_end, create_topics=create_topics, progress=progress)


class _Stop:
    """A flag that a signal handler may set, read by the worker between steps."""

    def __init__(self) -> None:
        self.requested = False


async def _run_until(
    topology: Topology, stop: _Stop, *, log: str, until_end: bool, create_topics: bool, progress: OnProgress | None
) -> None:
    topology = configured(topology)
    topology.check()
    async with open_log(log) as opened:
        await run_on(
            topology,
            opened,
            until_end=until_end,
            create_topics=create_topics,
            progress=progress,
            stopped=lambda: stop.requested,
        )


async def run_on(
    topology: Topology,
    log: AsyncLog,
    *,
    until_end: bool = False,
    create_topics: bool = False,
    progress: OnProgress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Run ``topology`` on a log that is open already."""
    topology.check()
    layout = await _prepare_topics(topology, log, create_topics=create_topics)
    assembly = Assembly(topology, layout)
    assembly.check(await log.task_states(topology.name))
    states = await log.acquire(topology.name, assembly.names())
    made = assembly.make(states)
    await _restore(log, [restoring for _, fills in made for restoring in fills], progress)
    tasks = [task for task, _ in made]
    ends = await _fixed_ends(topology, log, tasks) if until_end else None
    worker = Worker(
        log,
        topology.name,
        tasks,
        clock=SystemClock(),
        commit_interval_ms=topology.settings.commit_interval_ms,
        ends=ends,
        writers=_writers(layout),
        progress=progress,
        stopped=stopped,
    )
    await worker.run()


async def _prepare_topics(topology: Topology, log: AsyncLog, *, create_topics: bool) -> Layout:
    """Check everything that only the log can tell, then create what is missing."""
    existing = {info.name: len(info.partitions) for info in await log.topics()}
    read, written = external_topics(topology)
    missing = [topic for topic in (*sorted(read), *sorted(written - read)) if topic not in existing]
    default = topology.settings.default_partitions
    if missing and not create_topics:
        raise TopicNotFound(
            missing[0],
            hint=f"create it with tankstreams topic create {missing[0]} --partitions {default}, or run with"
            " --create-topics",
        )
    declared = {topic: topology.topics.get(topic) or Topic(topic) for topic in missing}
    planned = {topic: declaration.partitions or default for topic, declaration in declared.items()}
    layout = lay_out(topology, existing | planned)
    for topic, partitions in planned.items():
        await log.create_topic(topic, partitions=partitions, config=declared[topic].config)
    for topic, config in layout.internal.items():
        if topic not in existing:
            await log.create_topic(topic, partitions=layout.partitions[topic], config=config)
    return layout


async def _restore(log: AsyncLog, restoring: Sequence[Restoring], progress: OnProgress | None) -> None:
    """Fill the stores from their changelogs, all partitions side by side."""
    fills = {fill.changelog: fill for fill in restoring}
    ends = await log.offsets(list(fills), "end")
    starts = await log.offsets(list(fills), "beginning")
    at = {source: start for source, start in starts.items() if start < ends[source]}
    restored = 0
    while at:
        for source, got in (await log.fetch(FetchRequest(dict(at), max_bytes=FETCH_BYTES_MAX))).items():
            for records in got.records:
                fills[source].put(records)
                restored += len(records)
            if got.error is not None:
                raise got.error
            at[source] = got.next_offset
            if got.next_offset >= ends[source]:
                del at[source]
        if progress is not None:
            progress(Progress(restored=restored))


async def _fixed_ends(topology: Topology, log: AsyncLog, tasks: Sequence[Task]) -> dict[TopicPartition, int]:
    """Return where the source topics end now; internal topics get theirs when their writers are done."""
    read, _ = external_topics(topology)
    sources = [entry.source for task in tasks for entry in task.inputs if entry.source.topic in read]
    return dict(await log.offsets(sources, "end"))


def _writers(layout: Layout) -> Mapping[str, Sequence[str]]:
    """Return the names of the tasks that write each internal topic."""
    writers: dict[str, list[str]] = {}
    for part, count in zip(layout.parts, layout.tasks, strict=True):
        for topic in part.outputs:
            if topic in layout.internal:
                writers.setdefault(topic, []).extend(f"{part.name}/{partition}" for partition in range(count))
    return writers


def _inside_event_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_in_thread(start: Callable[[], Any], stop: _Stop) -> None:
    """Run in a thread with an event loop of its own: a notebook's loop is running already."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            anyio.run(start)
        except BaseException as error:  # handed to the caller's thread as it is
            raised.append(error)

    thread = threading.Thread(target=target, name="tankstreams-run", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        stop.requested = True
        thread.join()
    if raised:
        raise raised[0]


@contextmanager
def _signals(stop: _Stop) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM set the flag and the second have its usual effect; main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
