"""The disk: the only module that touches files. Everything else is given a `Disk`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Disk", "File"]


class File(Protocol):
    """An open file; positions and lengths in bytes. Errors are `DiskError`, `DiskFull` or `DirectoryError`."""

    def write_at(self, position: int, buffers: Sequence[bytes | memoryview]) -> None:
        """Write all of ``buffers`` one after the other from ``position``, or raise; a part may then be written."""
        ...

    def read_at(self, position: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``position``; fewer only at the end of the file."""
        ...

    def sync(self) -> None:
        """Return when what was written is durable (fdatasync, including a changed length)."""
        ...

    def truncate(self, length: int) -> None: ...

    def size(self) -> int: ...

    def close(self) -> None: ...


class Disk(Protocol):
    """A file system. Paths are strings; a name is durable only after `sync_dir` of its directory."""

    def open(self, path: str, *, write: bool = False, create: bool = False) -> File:
        """Open a file; ``create`` makes it when it is missing. A missing file raises `FileNotFoundError`."""
        ...

    def exists(self, path: str) -> bool: ...

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; an empty list when there is no such directory."""
        ...

    def makedirs(self, path: str) -> None:
        """Make a directory and its parents, durably (each new name synced in its parent); fine when it exists."""
        ...

    def rename(self, source: str, target: str) -> None: ...

    def unlink(self, path: str) -> None:
        """Remove a file; fine when it is gone already."""
        ...

    def rmdir(self, path: str) -> None: ...

    def sync_dir(self, path: str) -> None: ...

    def free_bytes(self, path: str) -> int: ...
