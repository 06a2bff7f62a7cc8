"""The log of one directory: decides requests, writes their groups, serves reads. Synchronous and thread-safe.

One lock is held around deciding and applying, never while the disk works; one thread at a time writes, see
`GroupWriter`. `docs/explanation/storage.md` says why nothing acknowledged is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from tankstreams.errors import DamagedLog, DiskFull, LogClosed, LogError, TopicNotFound
from tankstreams.log.checkpointer import Checkpointer
from tankstreams.log.clock import Clock
from tankstreams.log.commit import Commit, CommitResult, TaskState
from tankstreams.log.config import ConfigValue
from tankstreams.log.decision import (
    check_bundles,
    decide_acquire,
    decide_commit,
    decide_create_topic,
    decide_delete_topic,
    decide_log_start,
    find_partition,
    find_topic,
    task_state,
)
from tankstreams.log.disk import Disk
from tankstreams.log.entry import StartEntry
from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.identity import log_identity
from tankstreams.log.journal import Journal
from tankstreams.log.listeners import Listeners
from tankstreams.log.lock import DirectoryLock
from tankstreams.log.pending import Pending
from tankstreams.log.reader import View, fetch_from, resolve_start
from tankstreams.log.records import TopicPartition
from tankstreams.log.recovery import recover
from tankstreams.log.reserve import Reserve
from tankstreams.log.settings import Durability, LogSettings
from tankstreams.log.state import State
from tankstreams.log.storage import Storage
from tankstreams.log.topic import PartitionInfo, TopicInfo
from tankstreams.log.upkeep import Upkeep
from tankstreams.log.writer import GroupWriter, Item

__all__ = ["LogCore"]

T = TypeVar("T")


class LogCore:
    """A log in a directory, open in this process alone.

    ``submit…`` decides at once, without touching the disk, and `settle` waits for the disk: many threads that do both
    share syncs. A request that is refused raises in ``submit…``; one whose group could not be written raises in
    `settle`, and then nothing of it was done, unless the error is `LogPoisoned`, which leaves that open.
    """

    def __init__(
        self,
        path: str,
        *,
        disk: Disk,
        clock: Clock,
        durability: Durability = "sync",
        settings: LogSettings | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.durability = durability
        self._disk = disk
        self._settings = LogSettings() if settings is None else settings
        self._lock = DirectoryLock(path, disk=disk)
        self._listeners = Listeners()
        self._open: _Open | None = None

    def start(self) -> None:
        """Take the directory, recover what is in it, and serve.

        Raises `DirectoryLocked`, `DirectoryError`, `DiskFull`, `DiskError`, `UnknownFormat`, or `DamagedLog` when not
        even the topics are known. A log whose journal is damaged is open for reads, and writes raise `DamagedLog`.
        """
        if self._open is not None:
            return
        self._disk.makedirs(self.path)
        self._lock.acquire()
        try:
            reserve = Reserve(self.path, disk=self._disk, size=self._settings.reserve_bytes)
            try:
                self._open = self._recover(reserve)
            except DiskFull:
                if not reserve.release():
                    raise
                self._open = self._recover(reserve)
            reserve.fill()
        # Whatever came, the directory must not stay taken; the error goes on.
        except BaseException:
            self._lock.release()
            raise
        if self._settings.upkeep:
            self._open.upkeep.start()

    def stop(self) -> None:
        """Write what waits, take a checkpoint and give the directory back. Fine when it is stopped already."""
        opened, self._open = self._open, None
        if opened is None:
            return
        try:
            opened.upkeep.stop()
            writer = opened.writer
            with writer.turn():
                writer.upkeep()
            with suppress(LogError):  # the journal holds everything: the next start replays it
                opened.checkpointer.run()
            with writer.turn():
                with suppress(LogError):  # what could not be synced was not acknowledged, or its durability is not sync
                    writer.sync()
                writer.refuse(LogClosed(f"The log in {self.path} was closed."))
                opened.storage.close()
                opened.journal.close()
        finally:
            self._lock.release()

    def submit(self, commit: Commit) -> Pending[CommitResult]:
        """Decide a commit; it resolves to `Committed`, or to `Fenced` when a task has another owner or number.

        Raises `TopicNotFound`, `PartitionNotFound`, `RecordRefused`, `UnknownFormat`, `ProducerOutOfOrder`,
        `DamagedBundle` (the partition lost records), `DiskFull` (it has copies that wait for space), `LogPoisoned`.
        """
        opened = self._opened()
        headers = check_bundles(commit.appends)
        refused = opened.storage.refused

        def decide(state: State) -> tuple[Item, Pending[CommitResult]]:
            decision = decide_commit(state, commit, headers, refused=refused, now_ms=self.clock.now_ms())
            pending = Pending(decision.result)
            return Item(pending, decision.entry, decision.bundles), pending

        return opened.writer.submit(decide)

    def submit_create_topic(self, name: str, partitions: int, config: Mapping[str, ConfigValue]) -> Pending[TopicInfo]:
        """Create a topic; raises `TopicExists`, `InvalidTopicName`, `ConfigError`."""

        def decide(state: State) -> tuple[Item, Pending[TopicInfo]]:
            entry = decide_create_topic(state, name, partitions, config)
            bounds = tuple(PartitionInfo(number, 0, 0, 0) for number in range(partitions))
            pending = Pending(TopicInfo(name, entry.topic_id, entry.config, bounds))
            return Item(pending, entry), pending

        return self._opened().writer.submit(decide)

    def submit_delete_topic(self, name: str) -> Pending[None]:
        """Delete a topic, its records and the positions in it; raises `TopicNotFound`."""

        def decide(state: State) -> tuple[Item, Pending[None]]:
            pending = Pending(None)
            return Item(pending, decide_delete_topic(state, name)), pending

        return self._opened().writer.submit(decide)

    def submit_acquire(self, group: str, tasks: Sequence[str]) -> Pending[dict[str, TaskState]]:
        """Give each task a new epoch that no task ever had, which fences its owner before; resolves to their states."""

        def decide(state: State) -> tuple[Item, Pending[dict[str, TaskState]]]:
            entry, states = decide_acquire(state, group, tasks)
            pending = Pending(states)
            return Item(pending, entry if entry.tasks else None), pending

        return self._opened().writer.submit(decide)

    def submit_log_start(self, source: TopicPartition, offset: int) -> Pending[int]:
        """Give up the records below ``offset``; resolves to the log start, which never moves back."""

        def decide(state: State) -> tuple[Item, Pending[int]]:
            entry = decide_log_start(state, source, offset)
            pending = Pending(entry.log_start)
            return Item(pending, entry), pending

        return self._opened().writer.submit(decide)

    def settle(self, pending: Pending[T]) -> T:
        """Wait for the answer to a request; the caller writes the group when nobody else does.

        Raises `DiskFull` or `DiskError` when it could not be stored (nothing of it was), `LogPoisoned` when a sync
        failed and it is not known, `LogClosed`.
        """
        if pending.done:
            return pending.result()
        opened = self._opened()
        result = opened.writer.settle(pending)
        if opened.checkpointer.due:
            opened.upkeep.wake()
        return result

    def tick(self) -> None:
        """Do what time brings: syncs and copies that are due, a checkpoint; call it now and then without `upkeep`."""
        opened = self._open
        if opened is None:
            return
        with opened.writer.turn():
            opened.writer.upkeep()
        if opened.checkpointer.due:
            with suppress(LogError):  # it is tried again; a failed sync has poisoned the log
                opened.checkpointer.run()

    def checkpoint(self) -> bool:
        """Take a checkpoint now; False when copies wait for space or no writes are accepted."""
        return self._opened().checkpointer.run()

    def topics(self) -> list[TopicInfo]:
        """Return all topics, by name."""
        opened = self._opened()
        with opened.writer.lock:
            names = sorted(opened.writer.applied.names)
        infos = []
        for name in names:
            with suppress(TopicNotFound):  # deleted meanwhile
                infos.append(self.describe_topic(name))
        return infos

    def describe_topic(self, name: str) -> TopicInfo:
        """Return a topic's configuration and the bounds of its partitions; raises `TopicNotFound`."""
        opened = self._opened()
        with opened.writer.lock:
            topic = find_topic(opened.writer.applied, name)
            held = [opened.storage[topic.id, number] for number in range(len(topic.partitions))]
            bounds = [(row.log_start, one.high_watermark) for row, one in zip(topic.partitions, held, strict=True)]
        sizes = [sum(size for _, size in one.files.segments()) for one in held]
        partitions = tuple(
            PartitionInfo(number, start, end, size)
            for number, ((start, end), size) in enumerate(zip(bounds, sizes, strict=True))
        )
        return TopicInfo(name, topic.id, topic.config, partitions)

    def fetch(self, request: FetchRequest) -> dict[TopicPartition, Fetched]:
        """Return what is there now for each partition; never waits.

        What is wrong with one partition is in its `Fetched.error`. Raises `TopicNotFound`, `PartitionNotFound`.
        """
        views = self._views(list(request.starts))
        got = {source: fetch_from(views[source], start, request.max_bytes) for source, start in request.starts.items()}
        if any(fetched.error is not None for fetched in got.values()):
            self._views(list(request.starts))  # a topic that was deleted meanwhile is not found, rather than damaged
        return got

    def offsets_at(self, partitions: Sequence[TopicPartition], start: Start) -> dict[TopicPartition, int]:
        """Return the offset that ``start`` means in each partition now; raises `TopicNotFound`, `PartitionNotFound`."""
        views = self._views(partitions)
        try:
            return {source: resolve_start(view, start) for source, view in views.items()}
        except LogError:
            self._views(partitions)  # as in `fetch`
            raise

    def task_states(self, group: str) -> dict[str, TaskState]:
        """Return what is stored for the tasks of a group; empty for a group that never owned any."""
        writer = self._opened().writer
        with writer.lock:
            tasks = writer.applied.groups.get(group, {})
            return {name: task_state(writer.applied, record) for name, record in tasks.items()}

    def groups(self) -> list[str]:
        """Return the names of the groups that ever owned a task, sorted."""
        writer = self._opened().writer
        with writer.lock:
            return sorted(writer.applied.groups)

    def add_append_listener(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have ``call`` called, in any thread, after each group that was applied; returns what removes it."""
        return self._listeners.add(call)

    def _opened(self) -> _Open:
        opened = self._open
        if opened is None:
            raise LogClosed(f"The log in {self.path} is not open: start it first.")
        if not self._lock.held:
            raise LogClosed(f"The log in {self.path} was opened before a fork: open it in the process that uses it.")
        return opened

    def _recover(self, reserve: Reserve) -> _Open:
        disk, path = self._disk, self.path
        log_id = log_identity(disk, path)
        for name in ("journal", "topics"):
            disk.makedirs(f"{path}/{name}")
        storage = Storage(f"{path}/topics", disk=disk, open_files=self._settings.open_files)
        journal = Journal(f"{path}/journal", disk=disk, log_id=log_id)
        found = recover(path, disk=disk, log_id=log_id, storage=storage, journal=journal)
        writer = GroupWriter(
            found.state,
            journal=journal,
            storage=storage,
            clock=self.clock,
            durability=self.durability,
            settings=self._settings,
            listeners=self._listeners,
            reserve=reserve,
        )
        checkpointer = Checkpointer(
            path,
            disk=disk,
            log_id=log_id,
            keep=found.keep,
            writer=writer,
            journal=journal,
            storage=storage,
            reserve=reserve,
            settings=self._settings,
        )
        if found.damaged is not None:
            writer.refuse(found.damaged)
        else:
            self._begin_epoch(writer)
        upkeep = Upkeep(self.tick, every_ms=min(self._settings.interval_ms, self._settings.idle_ms))
        return _Open(storage, journal, writer, checkpointer, upkeep)

    def _begin_epoch(self, writer: GroupWriter) -> None:
        """Write the epoch of this start, synced whatever the durability."""

        def decide(state: State) -> tuple[Item, Pending[None]]:
            pending: Pending[None] = Pending(None)
            return Item(pending, StartEntry(state.epoch + 1, self.clock.now_ms())), pending

        writer.settle(writer.submit(decide))

    def _views(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, View]:
        """Return the partitions as they are now, all at one moment."""
        opened = self._opened()
        now = self.clock.monotonic()
        writer = opened.writer
        views = {}
        with writer.lock:
            for source in sources:
                key = find_partition(writer.applied, *source)
                held = opened.storage[key]
                row = writer.applied.topics[key[0]].partitions[key[1]]
                readable = held.high_watermark
                error: LogError | None = None
                if isinstance(writer.refusal, DamagedLog):
                    error = writer.refusal
                elif held.damage is not None:
                    readable, error = held.damage.base_offset, held.damage
                idle_ms = None if held.appended_at is None else int((now - held.appended_at) * 1000)
                views[source] = View(source, held.files, row.log_start, held.high_watermark, readable, idle_ms, error)
        return views


class _Open(NamedTuple):
    """The parts of a log while it is open."""

    storage: Storage
    journal: Journal
    writer: GroupWriter
    checkpointer: Checkpointer
    upkeep: Upkeep
