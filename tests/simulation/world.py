"""One seeded run of a log on a disk that loses power: random work, cuts, recoveries, checks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from tankstreams.errors import DiskError, DiskFull, LogError, LogPoisoned
from tankstreams.log.bundle import encode
from tankstreams.log.commit import Append, Commit, CommitResult, Committed, Fenced, TaskCommit
from tankstreams.log.core import LogCore
from tankstreams.log.disk import Disk
from tankstreams.log.fetch import FetchRequest
from tankstreams.log.pending import Pending
from tankstreams.log.records import TopicPartition
from tankstreams.log.settings import Durability, LogSettings
from tankstreams.testing.clock import ManualClock
from tankstreams.testing.disk import PowerCut, SimulatedDisk
from tests.simulation.ledger import Change, Ledger, Place, Sent

DIRECTORY = "/log"
TOPICS = ("a", "b", "c")
TASKS = ("t0", "t1", "t2")
GROUP = "g"
SETTINGS = LogSettings(
    checkpoint_bytes=6_000,
    checkpoint_entries=15,
    group_bytes=8_000,
    idle_ms=50,
    open_files=2,
    reserve_bytes=9_000,
    upkeep=False,
)


class World:
    """A log, its disk and clock, and a ledger of what its clients know. Everything follows from ``seed``.

    ``wrap`` puts something between the log and its disk: a mistake that the checks must find.
    """

    def __init__(
        self, seed: int, *, durability: Durability = "sync", wrap: Callable[[SimulatedDisk], Disk] | None = None
    ) -> None:
        self.random = Random(seed)
        self._durability = durability
        self._powered = True
        self.ledger = Ledger()
        self.clock = ManualClock()
        self.crashes = 0
        self.crashes_in_recovery = 0
        self._wrap = wrap
        self._disk = SimulatedDisk(seed)
        self._disk.keeps = self.random.choice([0.0, 0.2, 0.5, 0.9, 1.0])
        self._sent = 0
        self._waiting: list[tuple[Pending[CommitResult], Sent | None]] = []
        self._core = self._start()

    def run(self, lives: int, steps: int) -> None:
        """Work about ``steps`` steps, ``lives`` times, each ended by a power cut, a kill or a clean stop."""
        for _ in range(lives):
            self._disk.cut_at = self._disk.operations + self.random.randint(1, steps * 3)
            try:
                for _ in range(steps):
                    self._step()
                self._stop()
            except PowerCut:
                with suppress(LogPoisoned):  # what the cut left open stays open
                    self._settle_done()
                self._crash()
            except LogPoisoned:
                self._disk.cut_at = None
                self._core.stop()
            self._waiting.clear()
            self._core = self._start()
            self._check()

    def quiet(self) -> SimulatedDisk:
        """Work a little without trouble, let the log fall idle, and return its disk."""
        for _ in range(10):
            self._commit()
        self._settle()
        self.clock.advance(1_000)
        self._core.tick()
        return self._disk

    def _stop(self) -> None:
        self._heal()
        self._core.stop()
        self._disk.cut_at = None
        self._settle()

    def _crash(self) -> None:
        self._disk = self._disk.crash()
        self._powered = False
        self.crashes += 1

    def _start(self) -> LogCore:
        """Return a started core; the power may go again, any number of times, while it recovers."""
        while True:
            if self.random.random() < 0.3:
                self._disk.cut_at = self._disk.operations + self.random.randint(1, 40)
            disk = self._disk if self._wrap is None else self._wrap(self._disk)
            core = LogCore(DIRECTORY, disk=disk, clock=self.clock, durability=self._durability, settings=SETTINGS)
            try:
                core.start()
            except PowerCut:
                self._crash()
                self.crashes_in_recovery += 1
            except (DiskError, DiskFull):
                self._heal()  # the disk is still in the trouble that the run before had; somebody sees to it
            else:
                self._disk.cut_at = None
                return core

    def _check(self) -> None:
        core = self._core
        topics = {info.name: info.id for info in core.topics()}
        if self._durability == "sync" or self._powered:
            self.ledger.recovered(topics, self._read(), core.task_states(GROUP))
        else:
            self.ledger.taken_back(topics, self._read(), core.task_states(GROUP))
        self._powered = True
        core.settle(core.submit(Commit()))  # it takes writes again

    def _read(self) -> dict[Place, list[bytes]]:
        """Return all values that a reader gets, by place; offsets are checked to have no gaps."""
        core = self._core
        infos = core.topics()
        places = {
            TopicPartition(info.name, bounds.partition): (info.id, bounds.partition)
            for info in infos
            for bounds in info.partitions
        }
        found: dict[Place, list[bytes]] = {}
        request = FetchRequest(dict.fromkeys(places, "beginning"), max_bytes=1 << 30)
        for source, got in core.fetch(request).items():
            assert got.error is None, got.error
            assert got.drained
            offsets = [offset for records in got.records for offset in records.offsets]
            assert offsets == list(range(got.high_watermark)), f"{source} has gaps"
            found[places[source]] = [value or b"" for records in got.records for value in records.values]
        return found

    def _step(self) -> None:
        self._settle_done()
        actions = (
            (45, self._commit),
            (5, self._acquire),
            (4, self._create),
            (2, self._delete),
            (15, self._settle),
            (6, self._tick),
            (2, self._checkpoint),
            (3, self._look),
            (2, self._trouble),
        )
        self.random.choices([call for _, call in actions], [weight for weight, _ in actions])[0]()

    def _commit(self) -> None:
        places = [(name, p) for name, made in self.ledger.topics.items() for p in range(self.ledger.partitions[made])]
        if not places:
            return
        appends, values = [], []
        for _ in range(self.random.choice([1, 1, 2, 3, 5])):
            name, partition = self.random.choice(places)
            column = [self._value() for _ in range(self.random.choice([1, 1, 3, 20]))]
            bundle = encode([None] * len(column), column, [self.clock.now_ms()] * len(column))
            appends.append(Append(name, partition, bundle))
            values.append(((self.ledger.topics[name], partition), column))
        sent = Sent(values, {}, {})
        tasks = []
        stale = self.random.random() < 0.1
        if self.ledger.tasks and self.random.random() < 0.4:
            names = sorted(self.ledger.tasks)
            for task in self.random.sample(names, self.random.randint(1, len(names))):
                known = self.ledger.tasks[task]
                number = known.number + 1 + sum(task in other.numbers for other in self.ledger.unknown)
                at = {TopicPartition(*self.random.choice(places)): self.random.randrange(100)}
                sent.numbers[task], sent.positions[task] = number, at
                tasks.append(TaskCommit(GROUP, task, known.epoch - stale, number, at))
        try:
            pending = self._core.submit(Commit(appends, tasks))
        except LogPoisoned:
            raise
        except LogError:
            return  # a partition whose copies wait for space takes no more
        if stale and tasks:
            self._waiting.append((pending, None))
        else:
            self.ledger.unknown.append(sent)
            self._waiting.append((pending, sent))
        if self.random.random() < 0.4:
            self._settle()

    def _settle(self) -> None:
        """Wait for all that was sent; what failed is not stored, and what was decided after it neither."""
        waiting, self._waiting = self._waiting, []
        self._answer(waiting)

    def _settle_done(self) -> None:
        """Take the answers that are there without waiting: a tick may have written what was sent."""
        done = [one for one in self._waiting if one[0].done]
        self._waiting = [one for one in self._waiting if not one[0].done]
        self._answer(done)

    def _answer(self, waiting: list[tuple[Pending[CommitResult], Sent | None]]) -> None:
        for pending, sent in waiting:
            try:
                result = self._core.settle(pending)
            except LogPoisoned:
                raise
            except LogError:
                if sent is not None:
                    self.ledger.unknown.remove(sent)
                continue
            if sent is None:
                assert isinstance(result, Fenced), "a stale commit was taken"
            else:
                assert isinstance(result, Committed), f"a commit was fenced: {result}"
                self.ledger.committed(sent, result.offsets)

    def _create(self) -> None:
        free = [name for name in TOPICS if name not in self.ledger.topics]
        if not free:
            return
        name, partitions = self.random.choice(free), self.random.randint(1, 3)
        self.ledger.change = Change(created={name: partitions})
        pending = self._core.submit_create_topic(name, partitions, {"segment_bytes": 4096})
        self._settle()
        try:
            info = self._core.settle(pending)
        except LogPoisoned:
            raise
        except LogError:
            pass
        else:
            self.ledger.created(name, info.id, partitions)
        self.ledger.change = Change()

    def _delete(self) -> None:
        if not self.ledger.topics:
            return
        name = self.random.choice(sorted(self.ledger.topics))
        self.ledger.change = Change(deleted={name})
        pending = self._core.submit_delete_topic(name)
        self._settle()
        try:
            self._core.settle(pending)
        except LogPoisoned:
            raise
        except LogError:
            pass
        else:
            self.ledger.deleted(name)
        self.ledger.change = Change()

    def _acquire(self) -> None:
        tasks = self.random.sample(TASKS, self.random.randint(1, len(TASKS)))
        self.ledger.change = Change(acquired=set(tasks))
        pending = self._core.submit_acquire(GROUP, tasks)
        self._settle()
        try:
            states = self._core.settle(pending)
        except LogPoisoned:
            raise
        except LogError:
            pass
        else:
            self.ledger.acquired(states)
        self.ledger.change = Change()

    def _tick(self) -> None:
        self.clock.advance(self.random.choice([1, 30, 100]))
        self._core.tick()

    def _checkpoint(self) -> None:
        try:
            self._core.checkpoint()
        except LogPoisoned:
            raise
        except LogError:
            pass  # the one before holds

    def _look(self) -> None:
        self._settle()
        self.ledger.saw(self._read())

    def _trouble(self) -> None:
        """Let the disk fail a write or a sync, or be full for a while."""
        match self.random.randrange(4):
            case 0:
                self._disk.fail_writes = 1
            case 1 if self.random.random() < 0.3:
                self._disk.fail_syncs = 1
            case 2:
                self._disk.capacity = self._disk.used_bytes() + self.random.randrange(3000)
            case _:
                self._heal()

    def _heal(self) -> None:
        self._disk.capacity = None
        self._disk.fail_writes = self._disk.fail_syncs = 0

    def _value(self) -> bytes:
        """Return bytes that no other record has."""
        self._sent += 1
        return b"%d:" % self._sent + self.random.randbytes(self.random.choice([0, 5, 50, 400]))
