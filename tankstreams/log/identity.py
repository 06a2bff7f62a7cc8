"""meta.json: which log a directory holds, and in which version of the layout."""

from __future__ import annotations

import json
import os
from typing import Final

from crc32c import crc32c

from tankstreams.errors import DirectoryError, UnknownFormat
from tankstreams.log.checkpoint import load_checkpoint
from tankstreams.log.disk import Disk

__all__ = ["log_identity"]

NAME: Final = "meta.json"
FORMAT: Final = 1
OWN_NAMES: Final = frozenset({"LOCK", "OWNER", NAME, f"{NAME}.new"})


def log_identity(disk: Disk, directory: str) -> int:
    """Return the log's id, 64 bits that no other log has; an empty directory becomes a new log.

    A lost or damaged file is written again from what the checkpoint says. Raises `DirectoryError` for a directory that
    holds something else, `UnknownFormat` for a layout of another release.
    """
    log_id = _read(disk, directory)
    if log_id is not None:
        return log_id
    checkpoint = load_checkpoint(disk, directory)
    if checkpoint is not None:
        log_id = checkpoint.log_id
    else:
        others = sorted(set(disk.listdir(directory)) - OWN_NAMES)
        if others:
            raise DirectoryError(
                f"{directory} is not empty and holds no log ({others[0]!r} is there): use another directory."
            )
        log_id = int.from_bytes(os.urandom(8), "little")
    _write(disk, directory, log_id)
    return log_id


def _read(disk: Disk, directory: str) -> int | None:
    try:
        file = disk.open(f"{directory}/{NAME}")
    except FileNotFoundError:
        return None
    try:
        found = json.loads(file.read_at(0, file.size()))
        version, log_id = found["format"], int(found["log_id"], 16)
        sound = found["check"] == _check(version, log_id)
    except (ValueError, KeyError, TypeError):
        return None
    finally:
        file.close()
    if not sound:
        return None
    if version != FORMAT:
        raise UnknownFormat(
            f"{directory} has layout {version} and this release knows layout {FORMAT}: use the release that wrote it,"
            " or a later one."
        )
    return log_id


def _write(disk: Disk, directory: str, log_id: int) -> None:
    about = {"format": FORMAT, "log_id": f"{log_id:016x}", "check": _check(FORMAT, log_id)}
    data = json.dumps(about).encode() + b"\n"
    new = f"{directory}/{NAME}.new"
    disk.unlink(new)
    file = disk.open(new, write=True, create=True)
    try:
        file.write_at(0, [data])
        file.sync()
    finally:
        file.close()
    disk.rename(new, f"{directory}/{NAME}")
    disk.sync_dir(directory)


def _check(version: object, log_id: int) -> str:
    """Return the checksum of the other fields: a flipped bit may leave a digit that is as good as the right one."""
    return f"{crc32c(f'{version} {log_id:016x}'.encode()):08x}"
