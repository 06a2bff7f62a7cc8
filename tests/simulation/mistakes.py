"""Mistakes made on purpose: each lets the log believe that something is on the disk which is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tankstreams.log.disk import File
from tankstreams.testing.disk import SimulatedDisk

__all__ = ["SyncForgotten"]


class SyncForgotten:
    """A disk on which the sync of files whose name ends with ``ending`` (directories: ``"/"``) does nothing.

    For the journal it is the same as acknowledging before the sync.
    """

    def __init__(self, disk: SimulatedDisk, ending: str) -> None:
        self._disk = disk
        self._ending = ending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def open(self, path: str, *, write: bool = False, create: bool = False) -> File:
        file = self._disk.open(path, write=write, create=create)
        return _Forgetful(file) if path.endswith(self._ending) else file

    def sync_dir(self, path: str) -> None:
        if self._ending != "/":
            self._disk.sync_dir(path)


class _Forgetful:
    def __init__(self, file: File) -> None:
        self._file = file

    def write_at(self, position: int, buffers: Sequence[bytes | memoryview]) -> None:
        self._file.write_at(position, buffers)

    def read_at(self, position: int, length: int) -> bytes:
        return self._file.read_at(position, length)

    def sync(self) -> None:
        """The mistake."""

    def truncate(self, length: int) -> None:
        self._file.truncate(length)

    def size(self) -> int:
        return self._file.size()

    def close(self) -> None:
        self._file.close()
