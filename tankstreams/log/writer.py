"""Group commit: what waits is written as one group, synced once, applied in one step."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from tankstreams.errors import DiskFull, LogError, LogPoisoned
from tankstreams.log.clock import Clock
from tankstreams.log.decision import StampedBundle
from tankstreams.log.entry import CommitEntry, CreateTopicEntry, DeleteTopicEntry, Entry, LogStartEntry
from tankstreams.log.journal import Journal
from tankstreams.log.listeners import Listeners
from tankstreams.log.pending import Pending
from tankstreams.log.reserve import Reserve
from tankstreams.log.settings import Durability, LogSettings
from tankstreams.log.state import PartitionKey, State
from tankstreams.log.storage import Storage

__all__ = ["GroupWriter", "Item"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A decided request in the queue; without an entry it only waits for what was decided before it."""

    pending: Pending[Any]
    entry: Entry | None = None
    bundles: Sequence[StampedBundle] = ()

    @property
    def must_sync(self) -> bool:
        """Whether the entry is synced whatever the durability: ids and epochs are never given twice, and a deleted
        topic's files are gone for good."""
        return not (self.entry is None or isinstance(self.entry, CommitEntry))

    @property
    def size(self) -> int:
        """Bytes of the bundles."""
        return sum(len(bundle.head) + len(bundle.payload) for bundle in self.bundles)


class GroupWriter:
    """The queue, the two states, and the turn to write.

    ``lock`` guards ``applied``, the queued state and the queue. ``applied.sequence == journal.last`` whenever nobody
    has the turn. ``refusal`` says why nothing is accepted any more; it never goes away.
    """

    def __init__(
        self,
        state: State,
        *,
        journal: Journal,
        storage: Storage,
        clock: Clock,
        durability: Durability,
        settings: LogSettings,
        listeners: Listeners,
        reserve: Reserve,
    ) -> None:
        self.lock = threading.Lock()
        self.applied = state
        self.refusal: LogError | None = None
        self.written_bytes = 0
        self.written_entries = 0
        self._queued = State.restore(state.snapshot())
        self._journal = journal
        self._storage = storage
        self._clock = clock
        self._durability = durability
        self._settings = settings
        self._queue: deque[Item] = deque()
        self._writing = False
        self._news = False
        self._sleepers: deque[Pending[Any]] = deque()
        self._listeners = listeners
        self._reserve = reserve
        self._synced_at = self._written_at = clock.monotonic()

    def submit(self, decide: Callable[[State], tuple[Item, Pending[T]]]) -> Pending[T]:
        """Put in the queue what ``decide`` makes of the queued state; raises what it raises, or the refusal."""
        with self.lock:
            if self.refusal is not None:
                raise self.refusal.with_traceback(None)
            item, pending = decide(self._queued)
            if item.entry is not None:
                self._queued.apply(item.entry)
            self._queue.append(item)
        return pending

    def settle(self, pending: Pending[T]) -> T:
        """Return the answer to ``pending`` when it is there; writes groups itself when nobody else does."""
        while not pending.done:
            with self.lock:
                if pending.done:
                    break
                mine = not self._writing
                if mine:
                    self._writing = True
                else:
                    woken = pending.prepare()
                    self._sleepers.append(pending)
            if not mine:
                self._sleep(pending, woken)
                continue
            try:
                self._write_group()
            finally:
                self._hand_on()
            self._notify()
        return pending.result()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the writer for the length of the block: no group is written meanwhile."""
        turn: Pending[None] = Pending(None)
        while True:
            with self.lock:
                if not self._writing:
                    self._writing = True
                    break
                woken = turn.prepare()
                self._sleepers.append(turn)
            self._sleep(turn, woken)
        try:
            yield
        finally:
            self._hand_on()
        self._notify()

    def upkeep(self) -> None:
        """Write what nobody waits for, sync when it is time, copy what waited for space; in the caller's `turn`."""
        self._retry()
        while self._queue:
            self._write_group()
        if self.refusal is not None:
            return
        self._reserve.fill()
        now = self._clock.monotonic()
        idle = (now - self._written_at) * 1000 >= self._settings.idle_ms
        if self._durability == "interval" and (now - self._synced_at) * 1000 >= self._settings.interval_ms:
            self._sync()
        if idle and self._durability != "os" and not self._journal.recorded:
            self._sync()
            self._record_sync()

    def sync(self) -> None:
        """Make the journal durable; in the caller's `turn`. A sync that fails poisons the log and raises."""
        if self.refusal is None:
            self._sync()
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)

    def refuse(self, error: LogError) -> None:
        """Accept nothing from now on; what waits fails with ``error``."""
        with self.lock:
            if self.refusal is None:
                self.refusal = error
            waiting, self._queue = self._queue, deque()
            for item in waiting:
                item.pending.fail(error)

    def poison(self, cause: BaseException) -> None:
        """A sync failed, or the disk left a state that cannot be vouched for: reads go on, writes do not."""
        error = LogPoisoned(
            f"A write to the log could not be completed ({cause}), so that what is on the disk is not known: no more"
            " writes are accepted, reads go on; open the log again to go on from what is there."
        )
        error.__cause__ = cause
        self.refuse(error)

    def _hand_on(self) -> None:
        """Give up the turn and wake the first who still waits, to take it."""
        with self.lock:
            self._writing = False
            self._wake_next()

    def _wake_next(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done:
                sleeper.wake()
                break

    def _sleep(self, pending: Pending[Any], woken: threading.Lock) -> None:
        """Wait to be answered or given the turn; an interrupt passes the turn on, or everyone would wait for ever."""
        try:
            woken.acquire()
        # Raised again: only the place in the line is given up.
        except BaseException:
            with self.lock:
                if pending in self._sleepers:
                    self._sleepers.remove(pending)
                elif not self._writing:
                    self._wake_next()
            raise

    def _notify(self) -> None:
        """Call the listeners when anything was applied since the last time."""
        if self._news:
            self._news = False
            self._listeners.call()

    def _write_group(self) -> None:
        """Write, sync and apply what waits, as one group."""
        items: list[Item] = []
        try:
            self._retry()
            items = self._take()
            if any(item.entry is not None for item in items) and not self._store(items):
                return
            self._apply(items)
        # Whatever this is (an interrupt, a bug), it came between the steps of a group: state and files may differ.
        except BaseException as error:
            self.poison(error)
            for item in items:
                if not item.pending.done:
                    item.pending.fail(self.refusal or error)
            raise

    def _take(self) -> list[Item]:
        items: list[Item] = []
        with self.lock:
            size = 0
            while self._queue and (not items or size + self._queue[0].size <= self._settings.group_bytes):
                items.append(self._queue.popleft())
                size += items[-1].size
        return items

    def _store(self, items: Sequence[Item]) -> bool:
        """Bring a group to the commit point; False when it failed, with all that was queued behind it."""
        entries = [item.entry for item in items if item.entry is not None]
        bundles = [piece for item in items for bundle in item.bundles for piece in (bundle.head, bundle.payload)]
        try:
            self.written_bytes += self._append(entries, bundles)
        except LogError as error:
            self._fail(items, error)
            return False
        self.written_entries += len(entries)
        now = self._written_at = self._clock.monotonic()
        due = (now - self._synced_at) * 1000 >= self._settings.interval_ms
        if (
            self._durability == "sync"
            or (self._durability == "interval" and due)
            or any(item.must_sync for item in items)
        ):
            self._sync()
            if self.refusal is not None:
                for item in items:
                    item.pending.fail(self.refusal)
                return False
        return True

    def _append(self, entries: Sequence[Entry], bundles: Sequence[bytes | memoryview]) -> int:
        """Write a group; one that frees space may take it from the reserve."""
        try:
            return self._journal.append(entries, bundles)
        except DiskFull:
            frees = any(isinstance(entry, DeleteTopicEntry | LogStartEntry) for entry in entries)
            if not frees or not self._reserve.release():
                raise
        self._journal.cut()
        return self._journal.append(entries, bundles)

    def _fail(self, items: Sequence[Item], error: LogError) -> None:
        """Nothing of a group was stored: take back what was decided for it and for all behind it."""
        try:
            self._journal.cut()
        except LogError as cut:
            self.poison(cut)
            for item in items:
                item.pending.fail(self.refusal or error)
            return
        with self.lock:
            doomed = [*items, *self._queue]
            self._queue.clear()
            self._queued = State.restore(self.applied.snapshot())
            for item in doomed:
                item.pending.fail(error)

    def _sync(self) -> None:
        try:
            self._journal.sync()
        except LogError as error:
            self.poison(error)
        else:
            self._synced_at = self._clock.monotonic()

    def _record_sync(self) -> None:
        """Write an empty group, which says that all before it is durable."""
        try:
            self._journal.append((), ())
        except LogError as error:
            self._fail((), error)
        else:
            self._sync()

    def _apply(self, items: Sequence[Item]) -> None:
        """Copy the bundles, then make everything visible in one step."""
        created = [item.entry for item in items if isinstance(item.entry, CreateTopicEntry)]
        if created:
            self._add_topics(created)
        failed = self._copy(items)
        gone = []
        now = self._clock.monotonic()
        with self.lock:
            touched: set[PartitionKey] = set()
            for item in items:
                if item.entry is not None:
                    self.applied.apply(item.entry)
                if isinstance(item.entry, DeleteTopicEntry):
                    gone.append((item.entry.topic_id, self._storage.discard(item.entry.topic_id)))
                touched.update(bundle.key for bundle in item.bundles)
            self._show(touched, now)
            for item in items:
                item.pending.resolve()
        if failed is not None:
            self.poison(failed)
        self._news = self._news or any(item.entry is not None for item in items)
        for entry in created:
            with suppress(LogError):  # the file is for people
                self._storage.describe(entry)
        for topic_id, held in gone:
            with suppress(LogError):  # the next start deletes what is left
                self._storage.delete(topic_id, held)

    def _add_topics(self, created: Sequence[CreateTopicEntry]) -> None:
        with self.lock:
            for entry in created:
                for partition in range(entry.partitions):
                    self._storage.add(entry.topic_id, entry.name, partition, entry.config)

    def _copy(self, items: Sequence[Item]) -> LogError | None:
        """Copy the bundles to their partitions; returns the error of a disk that is not just full."""
        failed = None
        for item in items:
            for bundle in item.bundles:
                try:
                    self._storage.copy(bundle)
                except LogError as error:
                    failed = error
        return failed

    def _retry(self) -> None:
        if not self._storage.waiting or self.refusal is not None:
            return
        try:
            done = self._storage.retry()
        except LogError as error:
            self.poison(error)
            return
        with self.lock:
            self._show(done, self._clock.monotonic())
            for key in done:
                del self._storage.refused[key]

    def _show(self, keys: Sequence[PartitionKey] | set[PartitionKey], now: float) -> None:
        """Move the high watermarks, except where a copy still waits."""
        for key in keys:
            partition = self.applied.partition(key)
            if partition is not None and not self._storage[key].waiting:
                self._storage[key].high_watermark = partition.next_offset
                self._storage[key].appended_at = now
