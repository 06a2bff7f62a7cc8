"""The lock of a log's directory: LOCK says that it is taken, OWNER by whom.

LOCK is a POSIX record lock on one descriptor: it goes with the process, whatever ends it. Such a lock does not protect
within a process, and closing any other descriptor of the file would drop it; so a registry keeps a second open of the
same directory out, and the file is opened here and nowhere else. A forked child inherits neither the lock nor, by its
other pid, the right to act as the owner.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from typing import Final

from tankstreams.errors import DirectoryError, DirectoryLocked, DiskFull
from tankstreams.log.disk import Disk

__all__ = ["DirectoryLock"]

_REGISTRY: Final[set[str]] = set()
_REGISTRY_LOCK: Final = threading.Lock()


class DirectoryLock:
    """Exclusive ownership of a directory; `acquire` and `release` it."""

    def __init__(self, directory: str, *, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self._key = ""
        self._descriptor: int | None = None
        self._pid = 0

    @property
    def held(self) -> bool:
        """Whether this process holds the lock (a forked child does not)."""
        return self._descriptor is not None and self._pid == os.getpid()

    def acquire(self) -> None:
        """Take the lock; raises `DirectoryLocked` with the owner's pid, `DirectoryError` on a network file system."""
        kind = self._disk.network_file_system(self._directory)
        if kind is not None:
            raise DirectoryError(
                f"{self._directory} is on a network file system ({kind}), where neither locks nor syncs can be trusted:"
                " use a local disk."
            )
        # With the pid: a forked child has its parent's registry, and not its lock.
        self._key = f"{os.getpid()}:{self._disk.name}:{self._disk.canonical(self._directory)}"
        with _REGISTRY_LOCK:
            if self._key in _REGISTRY:
                raise DirectoryLocked(self._directory, os.getpid())
            descriptor = self._disk.lock(f"{self._directory}/LOCK")
            if descriptor is None:
                raise DirectoryLocked(self._directory, *self._owner())
            _REGISTRY.add(self._key)
        self._descriptor, self._pid = descriptor, os.getpid()
        try:
            with suppress(DiskFull):  # the lock holds all the same, only nobody can read by whom
                self._write_owner()
        # Raised again: whatever it is, a lock that was not given to the caller must not stay.
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the lock back; nothing happens in a process that does not hold it."""
        if not self.held or self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            self._disk.unlink(f"{self._directory}/OWNER")
        finally:
            with _REGISTRY_LOCK:
                self._disk.unlock(descriptor)
                _REGISTRY.discard(self._key)

    def _write_owner(self) -> None:
        owner = {"host": socket.gethostname(), "boot": _boot_id(self._disk), "pid": self._pid}
        file = self._disk.open(f"{self._directory}/OWNER", write=True, create=True)
        try:
            file.truncate(0)
            file.write_at(0, [json.dumps(owner).encode()])
        finally:
            file.close()

    def _owner(self) -> tuple[int | None, str | None]:
        """Return the owner's pid, and its host if that is another; both None when OWNER cannot be read."""
        try:
            file = self._disk.open(f"{self._directory}/OWNER")
        except OSError:
            return None, None
        try:
            owner = json.loads(file.read_at(0, 4096))
            host = owner["host"]
            return int(owner["pid"]), host if host != socket.gethostname() else None
        except (ValueError, KeyError, TypeError):
            return None, None
        finally:
            file.close()


def _boot_id(disk: Disk) -> str:
    """Return what tells this boot of the machine from another, empty where it is not known."""
    try:
        file = disk.open("/proc/sys/kernel/random/boot_id")
    except OSError:
        return ""
    try:
        return file.read_at(0, 36).decode("ascii", "replace")
    finally:
        file.close()
