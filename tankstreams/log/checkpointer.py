"""Taking checkpoints while appends go on."""

from __future__ import annotations

import threading

from tankstreams.errors import DiskFull, LogError
from tankstreams.log.checkpoint import Checkpoint, save_checkpoint
from tankstreams.log.disk import Disk
from tankstreams.log.journal import Journal
from tankstreams.log.reserve import Reserve
from tankstreams.log.settings import LogSettings
from tankstreams.log.storage import Storage
from tankstreams.log.writer import GroupWriter

__all__ = ["Checkpointer"]


class Checkpointer:
    """Writes a checkpoint when enough was written since the last one.

    The writer is kept waiting while a new journal file is started and the state is copied, not while segments are
    synced.
    """

    def __init__(
        self,
        directory: str,
        *,
        disk: Disk,
        log_id: int,
        keep: int,
        writer: GroupWriter,
        journal: Journal,
        storage: Storage,
        reserve: Reserve,
        settings: LogSettings,
    ) -> None:
        self._directory = directory
        self._disk = disk
        self._log_id = log_id
        self._keep = keep
        self._writer = writer
        self._journal = journal
        self._storage = storage
        self._reserve = reserve
        self._settings = settings
        self._lock = threading.Lock()
        self._bytes = 0
        self._entries = 0

    @property
    def due(self) -> bool:
        """Whether so much was written since the last try that it is time for the next."""
        writer = self._writer
        return writer.refusal is None and (
            writer.written_bytes - self._bytes >= self._settings.checkpoint_bytes
            or writer.written_entries - self._entries >= self._settings.checkpoint_entries
        )

    def run(self) -> bool:
        """Take a checkpoint of everything applied by now.

        False when none can be taken: copies wait for space, or the log accepts no writes. Raises `DiskFull`,
        `DiskError`; then the one before holds, with all of the journal since. A sync of segments that fails poisons
        the log.
        """
        with self._lock:
            try:
                return self._run()
            except DiskFull:
                if not self._reserve.release():
                    raise
                return self._run()

    def _run(self) -> bool:
        with self._writer.turn():
            made, dirty = self._snapshot()
        if made is None:
            return False
        try:
            self._storage.sync(dirty)
        except LogError as error:
            self._writer.poison(error)
            raise
        try:
            save_checkpoint(self._disk, self._directory, made)
        except LogError:
            with self._writer.turn():
                self._storage.put_back(dirty)
            raise
        self._journal.delete_below(made.keep or made.journal)
        return True

    def _snapshot(self) -> tuple[Checkpoint | None, set[tuple[int, int]]]:
        """Start a new journal file and copy the state as it is between two groups; in the writer's turn."""
        writer, journal, storage = self._writer, self._journal, self._storage
        if writer.refusal is not None or storage.waiting:
            return None, set()
        self._bytes, self._entries = writer.written_bytes, writer.written_entries
        writer.sync()
        journal.begin(journal.number + 1, journal.last)
        with writer.lock:
            state = writer.applied.snapshot()
        dirty = storage.take_dirty()
        damage = dict(storage.damage)
        keep = self._keep if damage else 0
        return Checkpoint(self._log_id, journal.number, keep, state, storage.rows(), damage), dirty
