"""The files of all partitions: what was synced in the journal is copied here, and read from here."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from tankstreams.errors import DamagedBundle, DiskFull, LogError
from tankstreams.log.bundle import read_header
from tankstreams.log.checkpoint import Damage, SegmentRows
from tankstreams.log.config import ConfigValue, partition_settings
from tankstreams.log.decision import StampedBundle
from tankstreams.log.disk import Disk
from tankstreams.log.entry import CreateTopicEntry
from tankstreams.log.partition import PartitionFiles
from tankstreams.log.state import PartitionKey

__all__ = ["Held", "Storage"]


class Held:
    """One partition while the log is open.

    Readers see what lies below ``high_watermark``. ``waiting`` are bundles that are durable in the journal and found
    no space for their copy here. ``damage`` is set when the partition lost records and takes no more.
    """

    __slots__ = ("appended_at", "damage", "files", "high_watermark", "waiting")

    def __init__(self, files: PartitionFiles, high_watermark: int) -> None:
        self.files = files
        self.high_watermark = high_watermark
        self.waiting: deque[StampedBundle] = deque()
        self.appended_at: float | None = None
        self.damage: DamagedBundle | None = None


class Storage:
    """All partitions of the log, by key.

    Changed by the writer alone. ``open_files`` bounds the segments that are open for appends. ``refused`` are the
    partitions that take no writes now, each with why.
    """

    def __init__(self, directory: str, *, disk: Disk, open_files: int) -> None:
        self._directory = directory
        self._disk = disk
        self._open_files_max = open_files
        self._held: dict[PartitionKey, Held] = {}
        self._dirty: set[PartitionKey] = set()
        self._open_files: OrderedDict[PartitionKey, Held] = OrderedDict()
        self._rows: dict[PartitionKey, Sequence[tuple[int, int]]] = {}
        self.damage: dict[PartitionKey, Damage] = {}
        self.refused: dict[PartitionKey, LogError] = {}

    def __getitem__(self, key: PartitionKey) -> Held:
        return self._held[key]

    def __contains__(self, key: PartitionKey) -> bool:
        return key in self._held

    @property
    def waiting(self) -> bool:
        """Whether any copy waits for space; then no checkpoint may be taken."""
        return any(held.waiting for key in self.refused if (held := self._held[key]))

    def add(
        self, topic_id: int, name: str, partition: int, config: Mapping[str, ConfigValue], next_offset: int = 0
    ) -> None:
        """Hold a partition; touches no file."""
        files = PartitionFiles(
            f"{self._directory}/{topic_id}/{partition}",
            disk=self._disk,
            topic=name,
            topic_id=topic_id,
            partition=partition,
            settings=partition_settings(config),
        )
        self._held[topic_id, partition] = Held(files, next_offset)

    def refuse(self, key: PartitionKey, topic: str, damage: Damage) -> None:
        """Let a partition that lost records take no more: reads of what is good go on."""
        held = self._held[key]
        held.damage = DamagedBundle(topic, key[1], damage.readable, damage.next, damage.reason)
        self.damage[key] = damage
        self.refused[key] = held.damage

    def view(self, key: PartitionKey, rows: Sequence[tuple[int, int]]) -> None:
        """Read a partition's files as a checkpoint names them, changing none."""
        self._held[key].files.view(rows)
        if rows:
            self._rows[key] = rows

    def load(self, key: PartitionKey, rows: Sequence[tuple[int, int]]) -> None:
        """Cut a partition's files back to what a checkpoint says."""
        self._held[key].files.load(rows)
        if rows:
            self._rows[key] = rows

    def copy(self, bundle: StampedBundle) -> None:
        """Copy a durable bundle to its partition, or keep it until there is space; raises `DiskError`."""
        held = self._held.get(bundle.key)
        if held is None:
            return
        self._dirty.add(bundle.key)
        if not held.waiting:
            try:
                self._append(held, bundle)
                return
            except LogError as error:
                self.refused[bundle.key] = error
                held.waiting.append(bundle)
                if not isinstance(error, DiskFull):
                    raise
                return
        held.waiting.append(bundle)

    def retry(self) -> list[PartitionKey]:
        """Copy what waits, as far as there is space; return the partitions of which nothing waits any more."""
        done = []
        for key in [key for key in self.refused if self._held[key].waiting]:
            held = self._held[key]
            with suppress(DiskFull):
                while held.waiting:
                    bundle = held.waiting[0]
                    self._append(held, bundle)
                    held.waiting.popleft()
                done.append(key)
        return done

    def _append(self, held: Held, bundle: StampedBundle) -> None:
        open_files = self._open_files
        open_files[bundle.key] = held
        open_files.move_to_end(bundle.key)
        if len(open_files) > self._open_files_max:
            open_files.popitem(last=False)[1].files.rest()
        held.files.append((bundle.head, bundle.payload), read_header(bundle.head))

    def take_dirty(self) -> set[PartitionKey]:
        """Return the partitions written since the last call; their rows are brought up to date."""
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            self._rows[key] = tuple(self._held[key].files.segments())
        return dirty

    def put_back(self, dirty: Iterable[PartitionKey]) -> None:
        """Undo `take_dirty` after a checkpoint that failed."""
        self._dirty.update(key for key in dirty if key in self._held)

    def rows(self) -> SegmentRows:
        """Return the segments of every partition that has any, as of the last `take_dirty`."""
        return dict(self._rows)

    def sync(self, keys: Iterable[PartitionKey]) -> None:
        """Make the segments of partitions durable; topics may be deleted meanwhile."""
        for key in keys:
            held = self._held.get(key)
            if held is None:
                continue
            try:
                held.files.sync()
            except (LogError, FileNotFoundError):
                if key in self._held:
                    raise

    def describe(self, topic: CreateTopicEntry) -> None:
        """Write a topic's config.json, for people: the log never reads it."""
        directory = f"{self._directory}/{topic.topic_id}"
        about = {"name": topic.name, "partitions": topic.partitions, "config": dict(topic.config)}
        self._disk.makedirs(directory)
        file = self._disk.open(f"{directory}/config.json", write=True, create=True)
        try:
            data = json.dumps(about, indent=2).encode() + b"\n"
            file.truncate(0)
            file.write_at(0, [data])
        finally:
            file.close()

    def discard(self, topic_id: int) -> list[Held]:
        """Forget a topic's partitions and return them, for their files to be deleted."""
        gone = [key for key in self._held if key[0] == topic_id]
        for key in gone:
            self._rows.pop(key, None)
            self.damage.pop(key, None)
            self.refused.pop(key, None)
            self._dirty.discard(key)
            self._open_files.pop(key, None)
        return [self._held.pop(key) for key in gone]

    def delete(self, topic_id: int, held: Iterable[Held]) -> None:
        """Delete the files of a discarded topic."""
        for partition in held:
            partition.files.delete()
        remove_tree(self._disk, f"{self._directory}/{topic_id}")

    def delete_unknown(self, known: Mapping[int, object]) -> None:
        """Delete the directories of topics that are not ``known``."""
        for name in self._disk.listdir(self._directory):
            if name.isdigit() and int(name) not in known:
                remove_tree(self._disk, f"{self._directory}/{name}")

    def close(self) -> None:
        """Close all files; what could not be synced is in the journal."""
        for held in self._held.values():
            with suppress(LogError):
                held.files.close()


def remove_tree(disk: Disk, path: str) -> None:
    """Delete a directory with all in it; fine when it is gone."""
    for name in disk.listdir(path):
        child = f"{path}/{name}"
        if name.isdigit():
            remove_tree(disk, child)
        else:
            disk.unlink(child)
    disk.rmdir(path)
