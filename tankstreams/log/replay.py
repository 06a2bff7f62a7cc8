"""What a journal says after a checkpoint: which groups hold, what a crash tore, what rotted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tankstreams.errors import DamagedLog
from tankstreams.log.disk import Disk
from tankstreams.log.group import PlacedPart
from tankstreams.log.journal import (
    JOURNAL_HEADER_BYTES,
    check_log_id,
    journal_numbers,
    journal_path,
    read_journal_header,
)
from tankstreams.log.journalscan import Lost, Scanned, Sound, scan_file

__all__ = ["Replay", "judge", "read_replay"]


@dataclass(frozen=True, slots=True)
class Replay:
    """``groups`` to be applied, in order, and the bundles of them that ``rotted``.

    ``lost`` is the first damage that hides acknowledged changes that nobody can name; groups after it are not given.
    """

    groups: Sequence[Sound]
    rotted: Sequence[PlacedPart]
    lost: Lost | None


def judge(scanned: Sequence[Scanned], durable: int) -> Replay:
    """Tell what a crash tore from what rotted; every sequence up to ``durable`` is known to have been synced.

    Damage above ``durable`` is the crash's, and what follows it is dropped whole: nobody was told of it (or, where
    the log was not to sync, only on the condition that there is no power cut).
    """
    groups: list[Sound] = []
    rotted: list[PlacedPart] = []
    for item in scanned:
        if isinstance(item, Lost):
            return Replay(groups, rotted, item if item.first <= durable else None)
        if item.damaged and item.head.last > durable:
            break
        rotted.extend(item.damaged)
        groups.append(item)
    return Replay(groups, rotted, None)


def read_replay(disk: Disk, directory: str, *, log_id: int, first_number: int, sequence: int) -> Replay:
    """Return what the journal files from ``first_number`` on say after ``sequence``, and sync those files.

    They are synced because what a killed process wrote may be in the page cache only: nothing may be built on it before
    it is durable. Raises `DamagedLog` when files are missing or belong to another log.
    """
    numbers = [number for number in journal_numbers(disk, directory) if number >= first_number]
    if numbers != list(range(first_number, first_number + len(numbers))) or not numbers:
        missing = next(n for n in range(first_number, first_number + len(numbers) + 1) if n not in numbers)
        raise DamagedLog(
            f"{journal_path(directory, missing)} is missing, and the checkpoint says that it must be there: put back"
            " all files of this log as they were at one time."
        )
    scanned: list[Scanned] = []
    durable = expected = sequence
    expected += 1
    for number in numbers:
        path = journal_path(directory, number)
        file = disk.open(path, write=True)
        try:
            file.sync()
            header = read_journal_header(file.read_at(0, JOURNAL_HEADER_BYTES))
            if header is not None:
                check_log_id(header, number, log_id, path)
                durable = max(durable, header.first - 1)
                if header.first > expected:
                    scanned.append(Lost(number, expected, header.first))
                    expected = header.first
            elif file.size() <= JOURNAL_HEADER_BYTES:
                continue  # a crash came while the file was made: nothing was ever written to it
            for item in scan_file(file, number, None if header is None else header.file_id, expected):
                scanned.append(item)
                if isinstance(item, Sound):
                    durable = max(durable, item.head.synced)
                    expected = item.head.last + 1
        finally:
            file.close()
    return judge(_joined(scanned), durable)


def _joined(scanned: Sequence[Scanned]) -> list[Scanned]:
    """Leave out what the end of a file seemed to lose and the next file shows was not there."""
    kept: list[Scanned] = []
    for item in scanned:
        last = kept[-1] if kept else None
        if isinstance(last, Lost) and last.until is None:
            first = item.first if isinstance(item, Lost) else item.head.first
            if first == last.first:
                kept.pop()
        kept.append(item)
    return kept
