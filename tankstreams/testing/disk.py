"""A disk in memory that forgets, tears, fills, fails and rots; seeded, so that what it does can be repeated.

It promises exactly what a disk promises: bytes are safe after `File.sync`, names after `Disk.sync_dir`. `crash` gives
the disk as the next start may find it: whatever was not synced is kept, lost or torn, as the seed decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Final

from tankstreams.errors import DiskError, DiskFull

__all__ = ["PowerCut", "SimulatedDisk"]

PAGE_BYTES: Final = 4096
SECTOR_BYTES: Final = 512
_NUMBERS: Final = count()


class PowerCut(BaseException):
    """The power went at this operation; nothing works until `SimulatedDisk.crash` gives the disk after it.

    Not an `Exception`: no handler of the code under test may go on after it.
    """


class _Inode:
    """A file's bytes: as the program sees them, and as they are safe on the disk."""

    __slots__ = ("data", "safe", "written")

    def __init__(self) -> None:
        self.data = bytearray()
        self.safe = b""
        self.written: list[tuple[int, int]] = []


class SimulatedDisk:
    """A `Disk` in memory.

    ``cut_at`` counts operations that change something: the power goes at that one (which may be half done).
    ``capacity`` bounds the bytes of all files. ``fail_writes`` and ``fail_syncs`` fail so many of the next calls with
    `DiskError`.
    """

    def __init__(self, seed: int = 0, *, capacity: int | None = None) -> None:
        self.random = Random(seed)
        self.name = f"simulated-{next(_NUMBERS)}"
        self.capacity = capacity
        self.cut_at: int | None = None
        self.operations = 0
        self.fail_writes = 0
        self.fail_syncs = 0
        self.keeps = 0.5
        self.dead = False
        self._names: dict[str, _Inode] = {}
        self._safe_names: dict[str, _Inode] = {}
        self._directories: set[str] = set()
        self._safe_directories: set[str] = set()
        self._locks: set[str] = set()
        self._renamed: list[tuple[str, str]] = []

    def crash(self) -> SimulatedDisk:
        """Return the disk after a power cut; this one stays dead.

        Of each un-synced file any subset of its changed pages may be kept, the last of them torn at a sector; of names
        that were made, renamed or removed since their directory was synced, any may have been kept.
        """
        self.dead = True
        other = SimulatedDisk(self.random.randrange(1 << 62), capacity=self.capacity)
        other.keeps = self.keeps
        other._directories = set(self._safe_directories)
        for directory in self._directories - self._safe_directories:
            if self._kept():
                other._directories.add(directory)
        names = dict(self._safe_names)
        for path in sorted(self._names.keys() | self._safe_names.keys()):
            now, safe = self._names.get(path), self._safe_names.get(path)
            if now is not safe and self._kept():
                if now is None:
                    names.pop(path, None)
                else:
                    names[path] = now
        # A rename is one operation of the directory: its two names are never both there.
        for source, target in self._renamed:
            moved = names.get(target)
            if moved is not None and names.get(source) is moved:
                del names[source]
        for path, inode in names.items():
            if _parent(path) not in other._directories and _parent(path):
                if not self._directory_is_there(path, other):
                    continue
            survivor = _Inode()
            survivor.data = bytearray(self._after(inode))
            survivor.safe = bytes(survivor.data)
            other._names[path] = survivor
        other._safe_names = dict(other._names)
        other._safe_directories = set(other._directories)
        return other

    def _directory_is_there(self, path: str, other: SimulatedDisk) -> bool:
        return _parent(path) in other._directories

    def _kept(self) -> bool:
        return self.random.random() < self.keeps

    def _after(self, inode: _Inode) -> bytes:
        """Return what is left of a file whose last writes were not synced."""
        if not inode.written and len(inode.data) == len(inode.safe):
            return inode.safe
        fate = self.random.random()
        if fate < 0.25:
            return inode.safe
        if fate < 0.4:
            return bytes(inode.data)
        length = self.random.choice([len(inode.safe), len(inode.data), self._between(inode)])
        left = bytearray(inode.safe[:length].ljust(length, b"\0"))
        for start, end in inode.written:
            for page in range(start - start % PAGE_BYTES, end, PAGE_BYTES):
                if self._kept():
                    low, high = max(start, page), min(end, page + PAGE_BYTES, length)
                    if self.random.random() < 0.2 and high > low:
                        high = low + (self.random.randrange(high - low) // SECTOR_BYTES) * SECTOR_BYTES
                    if high > low:
                        left[low:high] = inode.data[low:high].ljust(high - low, b"\0")
        return bytes(left)

    def _between(self, inode: _Inode) -> int:
        low, high = sorted((len(inode.safe), len(inode.data)))
        return self.random.randint(low, high)

    def step(self) -> bool:
        """Count an operation; return whether the power goes at it."""
        if self.dead:
            raise PowerCut
        self.operations += 1
        return self.cut_at is not None and self.operations >= self.cut_at

    def go(self) -> None:
        self.dead = True
        raise PowerCut

    def change(self) -> None:
        """Count an operation that is done as a whole or not at all."""
        if self.step():
            self.go()

    def used_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(len(inode.data) for inode in self._names.values())

    def flip(self, path: str, byte: int, bit: int) -> None:
        """Rot: change one bit of a file, on the disk and in the cache."""
        inode = self._names[path]
        inode.data[byte] ^= 1 << bit
        safe = bytearray(inode.safe)
        if byte < len(safe):
            safe[byte] ^= 1 << bit
        inode.safe = bytes(safe)

    def paths(self) -> list[str]:
        """Return the paths of all files."""
        return sorted(self._names)

    def contents(self, path: str) -> bytes:
        """Return a file's bytes as the program sees them."""
        return bytes(self._names[path].data)

    # The Disk protocol.

    def open(self, path: str, *, write: bool = False, create: bool = False) -> _SimulatedFile:
        if self.dead:
            raise PowerCut
        inode = self._names.get(path)
        if inode is None:
            if not create:
                raise FileNotFoundError(path)
            if _parent(path) not in self._directories and _parent(path):
                raise FileNotFoundError(_parent(path))
            self.change()
            inode = self._names[path] = _Inode()
        return _SimulatedFile(self, path, inode)

    def exists(self, path: str) -> bool:
        return path in self._names or path in self._directories

    def listdir(self, path: str) -> list[str]:
        if self.dead:
            raise PowerCut
        prefix = path.rstrip("/") + "/"
        found = {
            name[len(prefix) :].split("/")[0] for name in (*self._names, *self._directories) if name.startswith(prefix)
        }
        return sorted(found)

    def makedirs(self, path: str) -> None:
        if path in self._directories or not path or path == "/":
            return
        self.makedirs(_parent(path))
        self.change()
        self._directories.add(path)
        self._safe_directories.add(path)

    def rename(self, source: str, target: str) -> None:
        self.change()
        if source not in self._names:
            raise FileNotFoundError(source)
        self._names[target] = self._names.pop(source)
        self._renamed.append((source, target))

    def unlink(self, path: str) -> None:
        if path in self._names:
            self.change()
            del self._names[path]

    def rmdir(self, path: str) -> None:
        if path in self._directories:
            self.change()
            self._directories.discard(path)
            self._safe_directories.discard(path)

    def sync_dir(self, path: str) -> None:
        self.change()
        self.check_sync(path)
        mine = {name for name in (*self._names, *self._safe_names) if _parent(name) == path}
        for name in mine:
            if name in self._names:
                self._safe_names[name] = self._names[name]
            else:
                self._safe_names.pop(name, None)
        self._renamed = [pair for pair in self._renamed if _parent(pair[0]) != path]

    def free_bytes(self, path: str) -> int:
        return 1 << 50 if self.capacity is None else max(0, self.capacity - self.used_bytes())

    def lock(self, path: str) -> int | None:
        if path in self._locks:
            return None
        self._locks.add(path)
        return len(self._locks)

    def unlock(self, descriptor: int) -> None:
        self._locks.clear()

    def canonical(self, path: str) -> str:
        return path

    def network_file_system(self, path: str) -> str | None:
        return None

    def check_sync(self, path: str) -> None:
        if self.fail_syncs > 0:
            self.fail_syncs -= 1
            raise DiskError(f"syncing {path} failed (Input/output error): look at the disk.")


class _SimulatedFile:
    """An open file of a `SimulatedDisk`."""

    def __init__(self, disk: SimulatedDisk, path: str, inode: _Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode

    def write_at(self, position: int, buffers: Sequence[bytes | memoryview]) -> None:
        disk, inode = self._disk, self._inode
        data = b"".join(buffers)
        cut = disk.step()
        if cut:
            data = data[: disk.random.randint(0, len(data))]
        failing = disk.fail_writes > 0
        if failing:
            disk.fail_writes -= 1
            data = data[: disk.random.randint(0, len(data))]
        grows = max(0, position + len(data) - len(inode.data))
        full = disk.capacity is not None and disk.used_bytes() + grows > disk.capacity
        if full and disk.capacity is not None:
            data = data[: max(0, len(data) - (disk.used_bytes() + grows - disk.capacity))]
        end = position + len(data)
        if end > len(inode.data):
            inode.data.extend(bytes(end - len(inode.data)))
        inode.data[position:end] = data
        if data:
            inode.written.append((position, end))
        if cut:
            disk.go()
        if failing:
            raise DiskError(f"writing {self._path} failed (Input/output error): look at the disk.")
        if full:
            raise DiskFull(f"The disk is full (writing {self._path}): make space; what was acknowledged is safe.")

    def read_at(self, position: int, length: int) -> bytes:
        if self._disk.dead:
            raise PowerCut
        return bytes(self._inode.data[position : position + length])

    def sync(self) -> None:
        self._disk.change()
        self._disk.check_sync(self._path)
        self._inode.safe = bytes(self._inode.data)
        self._inode.written.clear()

    def truncate(self, length: int) -> None:
        self._disk.change()
        data = self._inode.data
        if length < len(data):
            del data[length:]
            self._inode.written.append((length, length))
        else:
            data.extend(bytes(length - len(data)))

    def size(self) -> int:
        return len(self._inode.data)

    def close(self) -> None:
        pass


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
