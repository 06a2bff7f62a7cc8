"""The disk: the only module that touches files. Everything else is given a `Disk`."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from tankstreams.errors import DirectoryError, DiskError, DiskFull

__all__ = ["Disk", "File", "RealDisk", "RealFile"]


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
    """A file system. Paths are strings; a name is durable only after `sync_dir` of its directory.

    ``name`` tells it from other disks in this process.
    """

    @property
    def name(self) -> str: ...

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

    def lock(self, path: str) -> int | None:
        """Take the lock of a file and return a handle for `unlock`, None when another process has it."""
        ...

    def unlock(self, descriptor: int) -> None: ...

    def canonical(self, path: str) -> str:
        """Return the one name of a path, links resolved."""
        ...

    def network_file_system(self, path: str) -> str | None: ...


_IOV_MAX: Final = 1024
"""Buffers that one writev takes (Linux's UIO_MAXIOV)."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})


@contextmanager
def _translated(path: str, doing: str) -> Iterator[None]:
    """Turn operating system errors into ours; a missing file stays `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full ({doing} {path}): make space; what was acknowledged is safe.") from error
        if error.errno in _FORBIDDEN:
            raise DirectoryError(f"{path} cannot be written ({reason}): use a directory that you may write.") from error
        raise DiskError(f"{doing} {path} failed ({reason}): look at the disk.") from error


class RealFile:
    """A file of the operating system; positions are explicit, so threads may share it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def write_at(self, position: int, buffers: Sequence[bytes | memoryview]) -> None:
        with _translated(self._path, "writing"):
            for start in range(0, len(buffers), _IOV_MAX):
                position = self._write_some(position, list(buffers[start : start + _IOV_MAX]))

    def _write_some(self, position: int, buffers: list[bytes | memoryview]) -> int:
        """Write buffers until all are written: a call may write short."""
        while buffers:
            written = os.pwritev(self._descriptor, buffers, position)
            position += written
            while buffers and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = memoryview(buffers[0])[written:]
        return position

    def read_at(self, position: int, length: int) -> bytes:
        with _translated(self._path, "reading"):
            data = os.pread(self._descriptor, length, position)
            if len(data) == length or not data:
                return data
            pieces = [data]
            while (got := sum(map(len, pieces))) < length:
                more = os.pread(self._descriptor, length - got, position + got)
                if not more:
                    break
                pieces.append(more)
            return b"".join(pieces)

    def sync(self) -> None:
        try:
            with _translated(self._path, "syncing"):
                _sync_data(self._descriptor)
        except DiskFull as error:
            # Not to be tried again when there is space: the pages that found none may be gone from the cache.
            raise DiskError(f"syncing {self._path} failed (the disk is full): look at the disk.") from error

    def truncate(self, length: int) -> None:
        with _translated(self._path, "cutting"):
            os.ftruncate(self._descriptor, length)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class RealDisk:
    """The file system of the machine."""

    name = "machine"

    def open(self, path: str, *, write: bool = False, create: bool = False) -> RealFile:
        flags = (os.O_RDWR if write else os.O_RDONLY) | (os.O_CREAT if create else 0) | os.O_CLOEXEC
        with _translated(path, "opening"):
            return RealFile(path, os.open(path, flags, 0o644))

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def listdir(self, path: str) -> list[str]:
        with _translated(path, "listing"):
            try:
                return sorted(os.listdir(path))
            except FileNotFoundError:
                return []

    def makedirs(self, path: str) -> None:
        if os.path.isdir(path):
            return
        if os.path.lexists(path):
            raise DirectoryError(f"{path} is not a directory: use another path.")
        parent = os.path.dirname(os.path.abspath(path))
        self.makedirs(parent)
        with _translated(path, "making"):
            try:
                os.mkdir(path)
            except FileExistsError:
                return  # another process was quicker
            except FileNotFoundError as error:  # /proc and its like
                raise DirectoryError(f"{path} cannot be made there: use a directory that you may write.") from error
        self.sync_dir(parent)

    def rename(self, source: str, target: str) -> None:
        with _translated(target, "renaming"):
            os.replace(source, target)

    def unlink(self, path: str) -> None:
        with _translated(path, "removing"), suppress(FileNotFoundError):
            os.unlink(path)

    def rmdir(self, path: str) -> None:
        with _translated(path, "removing"), suppress(FileNotFoundError):
            os.rmdir(path)

    def sync_dir(self, path: str) -> None:
        with _translated(path, "syncing"):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def free_bytes(self, path: str) -> int:
        with _translated(path, "asking about"):
            stat = os.statvfs(path)
            return stat.f_bavail * stat.f_frsize

    def lock(self, path: str) -> int | None:
        """Take the record lock of a file and return its descriptor, None when another process has it."""
        with _translated(path, "opening"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise DiskError(f"locking {path} failed ({error.strerror}): look at the file system.") from error
        return descriptor

    def unlock(self, descriptor: int) -> None:
        """Give a lock back."""
        os.close(descriptor)

    def canonical(self, path: str) -> str:
        return os.path.realpath(path)

    def network_file_system(self, path: str) -> str | None:
        """Return the kind of network file system that ``path`` is on, None for a local disk (or when it is unknown)."""
        try:
            with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
                rows = [line.split() for line in mounts]
        except OSError:
            return None
        real = os.path.realpath(path)
        under = [(len(row[1]), row[2]) for row in rows if len(row) > 2 and _is_under(real, row[1])]
        kind = max(under, default=(0, ""))[1]
        return kind if kind in _NETWORK_FILE_SYSTEMS else None


def _is_under(path: str, mount: str) -> bool:
    return mount == "/" or path == mount or path.startswith(mount + "/")


def _sync_data(descriptor: int) -> None:
    """fdatasync; on macOS, which has a weaker one, the full flush of the drive."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(descriptor, full)
    else:
        os.fdatasync(descriptor)
