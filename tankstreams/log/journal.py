"""The journal: groups appended to numbered files, one file at a time; `docs/reference/journal.md`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Final, NamedTuple

from crc32c import crc32c

from tankstreams.errors import DamagedLog, DirectoryError, LogError, UnknownFormat
from tankstreams.log.disk import Disk, File
from tankstreams.log.entry import Entry
from tankstreams.log.group import group_buffers

__all__ = [
    "JOURNAL_HEADER_BYTES",
    "Journal",
    "JournalHeader",
    "journal_numbers",
    "journal_path",
    "pack_journal_header",
    "read_journal_header",
]

MAGIC: Final = b"TANKJRNL"
VERSION: Final = 1
SUFFIX: Final = ".journal"

_HEADER: Final = Struct("<8sHHIQQQ")
_CRC: Final = Struct("<I")
JOURNAL_HEADER_BYTES: Final = _HEADER.size + _CRC.size


class JournalHeader(NamedTuple):
    """The head of a journal file; every sequence below ``first`` was durable when the file was made."""

    number: int
    log_id: int
    file_id: int
    first: int


def journal_path(directory: str, number: int) -> str:
    """Return the path of a journal file."""
    return f"{directory}/{number:010d}{SUFFIX}"


def journal_numbers(disk: Disk, directory: str) -> list[int]:
    """Return the numbers of the journal files in a directory, in order."""
    names = (name.removesuffix(SUFFIX) for name in disk.listdir(directory) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdigit())


def pack_journal_header(header: JournalHeader) -> bytes:
    """Return the bytes of a journal file's head."""
    data = _HEADER.pack(MAGIC, VERSION, 0, header.number, header.log_id, header.file_id, header.first)
    return data + _CRC.pack(crc32c(data))


def read_journal_header(data: bytes) -> JournalHeader | None:
    """Return the head of a journal file, or None when it is damaged; raises `UnknownFormat` for another version."""
    if len(data) < JOURNAL_HEADER_BYTES or _CRC.unpack_from(data, _HEADER.size)[0] != crc32c(data[: _HEADER.size]):
        return None
    magic, version, _, number, log_id, file_id, first = _HEADER.unpack_from(data)
    if magic != MAGIC:
        return None
    if version != VERSION:
        raise UnknownFormat(
            f"A journal file has version {version} and this release knows version {VERSION}: use the release that wrote"
            " it, or a later one."
        )
    return JournalHeader(number, log_id, file_id, first)


class Journal:
    """Appends groups; used by one writer at a time.

    ``synced <= last``: sequences up to ``last`` are written, up to ``synced`` they are durable.
    """

    def __init__(self, directory: str, *, disk: Disk, log_id: int) -> None:
        self._directory = directory
        self._disk = disk
        self._log_id = log_id
        self._file: File | None = None
        self._file_id = 0
        self._end = 0
        self._recorded = 0
        self.number = 0
        self.last = 0
        self.synced = 0

    @property
    def size(self) -> int:
        """Bytes in the current file."""
        return self._end

    @property
    def recorded(self) -> bool:
        """Whether the file itself says that all of it is durable."""
        return self._recorded == self.last

    def begin(self, number: int, last: int) -> None:
        """Start file ``number``, durably; every sequence up to ``last`` must be durable already.

        When this fails the file before, if any, goes on being used.
        """
        path = journal_path(self._directory, number)
        file_id = int.from_bytes(os.urandom(8), "little")
        header = pack_journal_header(JournalHeader(number, self._log_id, file_id, last + 1))
        file = self._disk.open(path, write=True, create=True)
        try:
            file.write_at(0, [header])
            file.sync()
            self._disk.sync_dir(self._directory)
        except LogError:
            with suppress(LogError):  # the first error tells more, and recovery passes over a file without groups
                file.close()
                self._disk.unlink(path)
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._file_id, self._end = file, file_id, len(header)
        self.number = number
        self.last = self.synced = self._recorded = last

    def append(self, entries: Sequence[Entry], bundles: Sequence[bytes | memoryview]) -> int:
        """Write one group and return its bytes. After an error nothing counts as written, and `cut` must follow."""
        buffers = group_buffers(self._file_id, self.last + 1, self.synced, entries, bundles)
        self._opened().write_at(self._end, buffers)
        size = sum(map(len, buffers))
        self._end += size
        self.last += len(entries)
        self._recorded = self.synced
        return size

    def cut(self) -> None:
        """Take back, durably, what a failed `append` may have left."""
        file = self._opened()
        file.truncate(self._end)
        file.sync()
        self.synced = self.last

    def sync(self) -> None:
        """Make everything written durable."""
        if self.synced < self.last:
            last = self.last
            self._opened().sync()
            self.synced = last

    def delete_below(self, number: int) -> None:
        """Delete the files numbered below ``number``."""
        old = [found for found in journal_numbers(self._disk, self._directory) if found < number]
        for found in old:
            self._disk.unlink(journal_path(self._directory, found))
        if old:
            self._disk.sync_dir(self._directory)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> File:
        if self._file is None:
            raise DirectoryError(f"The journal in {self._directory} is not open.")
        return self._file


def check_log_id(header: JournalHeader, number: int, log_id: int, path: str) -> None:
    """Raise `DamagedLog` for a file that belongs to another log or has another number than its name."""
    if header.log_id != log_id or header.number != number:
        raise DamagedLog(
            f"{path} is file {header.number} of log {header.log_id:016x} and not file {number} of log {log_id:016x}:"
            " put back the files of this log."
        )
