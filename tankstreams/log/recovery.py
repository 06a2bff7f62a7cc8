"""Recovery: from what a crash left to a log that may be served; `docs/explanation/storage.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tankstreams.errors import DamagedLog, DiskFull
from tankstreams.log.checkpoint import Checkpoint, Damage, load_checkpoint, save_checkpoint
from tankstreams.log.decision import StampedBundle
from tankstreams.log.disk import Disk
from tankstreams.log.group import PlacedPart, placed_parts
from tankstreams.log.journal import JOURNAL_HEADER_BYTES, Journal, journal_numbers, journal_path
from tankstreams.log.journalscan import Sound, Window
from tankstreams.log.replay import Replay, read_replay
from tankstreams.log.state import PartitionKey, State
from tankstreams.log.storage import Storage

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state to go on from, and journal files from ``keep`` on that must stay (0: none).

    ``damaged`` says why the log is read-only; then nothing on disk was touched.
    """

    state: State
    keep: int
    damaged: DamagedLog | None = None


def recover(directory: str, *, disk: Disk, log_id: int, storage: Storage, journal: Journal) -> Recovered:
    """Bring ``storage`` and ``journal`` to the state that is returned, durably.

    A crash in here changes nothing that the next recovery reads. Raises `DamagedLog` when there is no state at all.
    """
    found = load_checkpoint(disk, directory)
    checkpoint = _first_checkpoint(disk, directory, log_id) if found is None else found
    if checkpoint.log_id != log_id:
        raise DamagedLog(
            f"The checkpoint in {directory} is of log {checkpoint.log_id:016x} and meta.json of log {log_id:016x}: put"
            " back the files of one log."
        )
    try:
        replay, state = _read(disk, directory, checkpoint, new=found is None)
    except DamagedLog as error:
        return _read_only(checkpoint, storage, error)
    damage = dict(checkpoint.damage)
    damage.update(_rot(checkpoint, replay, state, damage))
    damage = {key: found for key, found in damage.items() if key[0] in state.topics}
    storage.delete_unknown(state.topics)
    for topic in state.topics.values():
        for number, partition in enumerate(topic.partitions):
            storage.add(topic.id, topic.name, number, topic.config, partition.next_offset)
            key = topic.id, number
            if key in damage:
                storage.view(key, checkpoint.segments.get(key, ()))
                storage.refuse(key, topic.name, damage[key])
            else:
                storage.load(key, checkpoint.segments.get(key, ()))
    _copy(disk, f"{directory}/journal", replay, storage)
    if storage.waiting:
        raise DiskFull(f"The disk is too full to recover the log in {directory}: make space; nothing was lost.")
    keep = checkpoint.keep if checkpoint.keep or not replay.rotted else checkpoint.journal
    numbers = journal_numbers(disk, f"{directory}/journal")
    journal.begin(numbers[-1] + 1 if numbers else 1, state.sequence)
    dirty = storage.take_dirty()
    storage.sync(dirty)
    made = Checkpoint(log_id, journal.number, keep if damage else 0, state.snapshot(), storage.rows(), damage)
    save_checkpoint(disk, directory, made)
    journal.delete_below(made.keep or made.journal)
    return Recovered(state, made.keep)


def _first_checkpoint(disk: Disk, directory: str, log_id: int) -> Checkpoint:
    """Return the checkpoint of a log that never had one, and so no groups in its journal.

    Raises `DamagedLog` when it had one and lost it.
    """
    path = f"{directory}/journal"
    used = any(_size(disk, journal_path(path, number)) > JOURNAL_HEADER_BYTES for number in journal_numbers(disk, path))
    if used or disk.listdir(f"{directory}/topics"):
        raise DamagedLog(
            f"{directory}/checkpoint is missing, and without it the log's topics are not known: put the file back"
            " from a backup of this directory, or repair the log."
        )
    return Checkpoint(log_id, 1, 0, State().snapshot(), {}, {})


def _size(disk: Disk, path: str) -> int:
    file = disk.open(path)
    try:
        return file.size()
    finally:
        file.close()


def _read(disk: Disk, directory: str, checkpoint: Checkpoint, *, new: bool) -> tuple[Replay, State]:
    state = State.restore(checkpoint.state)
    path = f"{directory}/journal"
    if new:
        return Replay((), (), None), state
    replay = read_replay(disk, path, log_id=checkpoint.log_id, first_number=checkpoint.journal, sequence=state.sequence)
    if replay.lost is not None:
        raise DamagedLog(
            f"{journal_path(path, replay.lost.number)} is damaged at sequence {replay.lost.first}, which was"
            f" acknowledged: the log can be read up to sequence {state.sequence} and takes no writes until it is"
            " repaired; nothing on disk was changed."
        )
    try:
        for group in replay.groups:
            for entry in group.head.entries:
                state.apply(entry)
    except (KeyError, IndexError, ValueError) as error:
        raise DamagedLog(
            f"The journal in {path} does not continue the checkpoint ({error}): put back all files of this log as they"
            " were at one time."
        ) from error
    return replay, state


def _read_only(checkpoint: Checkpoint, storage: Storage, error: DamagedLog) -> Recovered:
    """Open what the checkpoint names, touching nothing."""
    state = State.restore(checkpoint.state)
    for topic in state.topics.values():
        for number, partition in enumerate(topic.partitions):
            storage.add(topic.id, topic.name, number, topic.config, partition.next_offset)
            key = topic.id, number
            storage.view(key, checkpoint.segments.get(key, ()))
            if key in checkpoint.damage:
                storage.refuse(key, topic.name, checkpoint.damage[key])
    return Recovered(state, checkpoint.keep, error)


def _rot(
    checkpoint: Checkpoint, replay: Replay, state: State, known: Mapping[PartitionKey, Damage]
) -> dict[PartitionKey, Damage]:
    """Return what rot in the journal cost each partition that had none before; ``state`` is after the replay."""
    before = State.restore(checkpoint.state)
    found: dict[PartitionKey, Damage] = {}
    for placed in replay.rotted:
        part = placed.part
        key = part.topic_id, part.partition
        row = state.partition(key)
        if row is not None and key not in known and key not in found:
            earlier = before.partition(key)
            found[key] = Damage(
                readable=0 if earlier is None else earlier.next_offset,
                next=row.next_offset,
                reason=f"the journal lost offsets {part.base_offset} to {part.next_offset} (exclusive)",
            )
    return found


def _copy(disk: Disk, directory: str, replay: Replay, storage: Storage) -> None:
    """Copy the bundles of the replayed groups to their partitions, one journal file after the other."""
    by_file: dict[int, list[Sound]] = {}
    for group in replay.groups:
        by_file.setdefault(group.number, []).append(group)
    for number, groups in by_file.items():
        file = disk.open(journal_path(directory, number))
        try:
            window = Window(file)
            for group in groups:
                for placed in placed_parts(group.head, group.position):
                    _copy_part(window, placed, storage)
        finally:
            file.close()


def _copy_part(window: Window, placed: PlacedPart, storage: Storage) -> None:
    part = placed.part
    key = part.topic_id, part.partition
    if key not in storage or key in storage.damage:
        return
    data = window.read_at(placed.position, part.length)
    storage.copy(StampedBundle(key, data, memoryview(b"")))
