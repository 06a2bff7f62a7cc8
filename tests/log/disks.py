"""A simulated disk whose trouble is with certain files only."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tankstreams.errors import DiskError, DiskFull
from tankstreams.log.disk import File
from tankstreams.testing.disk import SimulatedDisk


class PickyDisk(SimulatedDisk):
    """``full`` and ``failing`` are endings of files: no space for their writes, errors for their syncs.

    ``syncs`` counts syncs of journal files. Where ``gate`` is set each of them says ``entered`` and waits for the gate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.full: str | None = None
        self.failing: str | None = None
        self.syncs = 0
        self.entered = threading.Event()
        self.gate: threading.Event | None = None

    def open(self, path: str, *, write: bool = False, create: bool = False) -> File:  # type: ignore[override]
        return _PickyFile(self, path, super().open(path, write=write, create=create))


class _PickyFile:
    def __init__(self, disk: PickyDisk, path: str, file: File) -> None:
        self._disk = disk
        self._path = path
        self._file = file

    def write_at(self, position: int, buffers: Sequence[bytes | memoryview]) -> None:
        if self._disk.full is not None and self._path.endswith(self._disk.full):
            raise DiskFull(f"The disk is full (writing {self._path}).")
        self._file.write_at(position, buffers)

    def read_at(self, position: int, length: int) -> bytes:
        return self._file.read_at(position, length)

    def sync(self) -> None:
        if self._path.endswith(".journal"):
            self._disk.syncs += 1
            if self._disk.gate is not None:
                self._disk.entered.set()
                self._disk.gate.wait()
        if self._disk.failing is not None and self._path.endswith(self._disk.failing):
            raise DiskError(f"syncing {self._path} failed.")
        self._file.sync()

    def truncate(self, length: int) -> None:
        self._file.truncate(length)

    def size(self) -> int:
        return self._file.size()

    def close(self) -> None:
        self._file.close()
