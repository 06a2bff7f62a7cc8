"""A vocabulary for tests of the log: a core on a disk in memory, values in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tankstreams.log.bundle import encode
from tankstreams.log.commit import Append, Commit, Committed, Fenced, TaskCommit, TaskState
from tankstreams.log.core import LogCore
from tankstreams.log.disk import Disk
from tankstreams.log.fetch import Fetched, FetchRequest, Start
from tankstreams.log.records import TopicPartition
from tankstreams.log.settings import Durability, LogSettings
from tankstreams.testing.clock import ManualClock
from tankstreams.testing.disk import SimulatedDisk

DIRECTORY = "/log"
QUIET = LogSettings(reserve_bytes=20_000, upkeep=False)


def bundle_of(*values: bytes, producer_id: int = 0, sequence: int = 0) -> bytes:
    """Return an encoded bundle of these values, without keys."""
    return encode([None] * len(values), values, [0] * len(values), producer_id=producer_id, sequence=sequence)


def started(
    disk: Disk,
    *,
    clock: ManualClock | None = None,
    durability: Durability = "sync",
    settings: LogSettings = QUIET,
) -> LogCore:
    """Return a core that was started on ``disk``."""
    core = LogCore(DIRECTORY, disk=disk, clock=clock or ManualClock(), durability=durability, settings=settings)
    core.start()
    return core


def create(core: LogCore, name: str, partitions: int = 1, config: Mapping[str, str | int] | None = None) -> int:
    """Create a topic and return its id."""
    return core.settle(core.submit_create_topic(name, partitions, config or {})).id


def append(core: LogCore, topic: str, *values: bytes, partition: int = 0) -> int:
    """Append one bundle and return its offset."""
    result = core.settle(core.submit(Commit([Append(topic, partition, bundle_of(*values))])))
    assert isinstance(result, Committed)
    return result.offsets[0]


def acquire(core: LogCore, *tasks: str, group: str = "g") -> dict[str, TaskState]:
    """Take tasks over."""
    return core.settle(core.submit_acquire(group, tasks))


def commit_task(
    core: LogCore, task: str, state: TaskState, number: int, position: int = 0, *, topic: str = "t"
) -> Committed | Fenced:
    """Commit a position of one task in partition 0 of ``topic``."""
    positions = {TopicPartition(topic, 0): position}
    return core.settle(core.submit(Commit(tasks=[TaskCommit("g", task, state.epoch, number, positions)])))


def fetch(
    core: LogCore, topic: str, start: Start = "beginning", *, partition: int = 0, max_bytes: int = 1 << 20
) -> Fetched:
    """Fetch from one partition."""
    source = TopicPartition(topic, partition)
    return core.fetch(FetchRequest({source: start}, max_bytes=max_bytes))[source]


def values_of(core: LogCore, topic: str, start: Start = "beginning", *, partition: int = 0) -> Sequence[bytes | None]:
    """Return all values from ``start`` on; raises the partition's error."""
    got = fetch(core, topic, start, partition=partition, max_bytes=1 << 30)
    if got.error is not None:
        raise got.error
    return [value for records in got.records for value in records.values]


def killed(disk: SimulatedDisk) -> SimulatedDisk:
    """Return the disk as the next process finds it after this one was killed: every file as the system has it."""
    after = SimulatedDisk()
    for path in disk.paths():
        directory = path.rpartition("/")[0]
        after.makedirs(directory)
        file = after.open(path, write=True, create=True)
        file.write_at(0, [disk.contents(path)])
        file.sync()
        after.sync_dir(directory)
    return after


def journals(disk: SimulatedDisk) -> list[str]:
    """Return the paths of the journal files, oldest first."""
    return [path for path in disk.paths() if path.endswith(".journal")]


def overwrite(disk: SimulatedDisk, path: str, position: int, data: bytes) -> None:
    """Damage a file, durably."""
    file = disk.open(path, write=True)
    file.write_at(position, [data])
    file.sync()
