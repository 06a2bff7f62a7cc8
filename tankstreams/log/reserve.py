"""Space kept back, so that a full disk can be left: what frees space needs a little of it first."""

from __future__ import annotations

from contextlib import suppress

from tankstreams.errors import LogError
from tankstreams.log.disk import Disk

__all__ = ["Reserve"]


class Reserve:
    """A file of ``size`` bytes that holds nothing.

    It is given up when a checkpoint, a deletion or a start finds the disk full, and made again when there is space for
    it and as much again.
    """

    def __init__(self, directory: str, *, disk: Disk, size: int) -> None:
        self._directory = directory
        self._path = f"{directory}/reserve"
        self._disk = disk
        self._size = size
        self._there = False

    def fill(self) -> None:
        """Make the reserve if it is missing and there is space."""
        if self._there or not self._size or self._disk.free_bytes(self._directory) < 2 * self._size:
            return
        with suppress(LogError):  # then there is none for now
            file = self._disk.open(self._path, write=True, create=True)
            try:
                if file.size() < self._size:
                    file.write_at(0, [bytes(self._size)])
            finally:
                file.close()
            self._there = True

    def release(self) -> bool:
        """Give the space back; False when there was none."""
        self._there = False
        if not self._disk.exists(self._path):
            return False
        self._disk.unlink(self._path)
        return True
